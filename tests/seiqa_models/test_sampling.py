"""Learning from some of many rows."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.dummy import DummyRegressor
from sklearn.linear_model import LinearRegression

from seiqa_models.sampling import OnSample, spread_sample

RNG = np.random.default_rng(0)
SIZES = RNG.integers(1, 40, 120)
GROUPS = np.repeat(np.arange(120), SIZES)
LABELS = np.round(RNG.normal(size=120)[GROUPS] + RNG.normal(size=len(GROUPS)), 1)


@pytest.mark.parametrize("most", [1, 37, 500, 1999])
def test_every_group_gives_its_share_to_within_one(most):
    kept = spread_sample(LABELS, GROUPS, most, seed=1)
    assert len(np.unique(kept)) == most
    assert np.array_equal(kept, np.sort(kept))
    share = np.bincount(GROUPS[kept], minlength=120) - SIZES * most / len(LABELS)
    assert np.abs(share).max() < 1


def test_labels_are_spread_more_evenly_than_at_random():
    """The largest gap between the distributions, against that of random samples of this size."""

    def gap(kept):
        values = np.unique(LABELS)
        ours, all_of_them = (
            np.searchsorted(np.sort(labels), values, side="right") / len(labels)
            for labels in (LABELS[kept], LABELS)
        )
        return np.abs(ours - all_of_them).max()

    ours = [gap(spread_sample(LABELS, GROUPS, 200, seed)) for seed in range(20)]
    rng = np.random.default_rng(5)
    drawn = [gap(rng.permutation(len(LABELS))[:200]) for _ in range(20)]
    assert np.mean(ours) < 0.75 * np.mean(drawn)
    alone = spread_sample(LABELS, None, 200, seed=0)  # no groups: evenly over the labels
    assert gap(alone) <= 1 / 200 + 1e-12


def test_groups_of_equal_size_do_not_always_give_the_same_rank():
    """With one row of each scene, it is not always its worst or its best one."""
    groups, labels = np.repeat(np.arange(100), 5), np.tile([1.0, 2.0, 3.0, 4.0, 5.0], 100)
    kept = spread_sample(labels, groups, 100, seed=0)
    assert np.array_equal(groups[kept], np.arange(100))
    assert np.bincount(labels[kept].astype(int))[1:].min() >= 18


def test_all_rows_if_there_are_no_more_and_a_choice_by_seed_otherwise():
    assert np.array_equal(spread_sample(LABELS, GROUPS, len(LABELS), 0), np.arange(len(LABELS)))
    first, again, other = (spread_sample(LABELS, GROUPS, 100, seed) for seed in (0, 0, 1))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_names_of_groups_do_not_matter():
    named = np.array([f"scene {code:03d}" for code in GROUPS])
    assert np.array_equal(spread_sample(LABELS, named, 99, 0), spread_sample(LABELS, GROUPS, 99, 0))


def test_a_regressor_learns_from_the_sample_alone():
    X = np.column_stack([LABELS, RNG.normal(size=len(LABELS))])
    kept = spread_sample(LABELS, GROUPS, 100, seed=2)
    fitted = OnSample(DummyRegressor(), 100, random_state=2).fit(X, LABELS, GROUPS)
    assert fitted.predict(X[:1]) == pytest.approx(LABELS[kept].mean())


def test_few_rows_are_all_learned_from_as_without_it():
    X = RNG.normal(size=(50, 3))
    y = X @ [1.0, 2.0, 3.0] + RNG.normal(size=50)
    plain = LinearRegression()
    wrapped = OnSample(plain, 50).fit(X, y)
    assert np.array_equal(wrapped.predict(X), clone(plain).fit(X, y).predict(X))
    assert not hasattr(plain, "coef_")
