"""A stack that learns from constructed orders besides its labels."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from seiqa_models.bundle import load_bundle, save_bundle
from seiqa_models.core.checks import check_training_table
from seiqa_models.core.columns import EDITED_SHARE, UNRELATED
from seiqa_models.core.orders import Orders
from seiqa_models.evaluation.evaluate import evaluate
from seiqa_models.stack.edited import MOST, affordable_cost
from seiqa_models.stack.pool.fitting import predict_held_out
from seiqa_models.stack.regressor import SeiqaRegressor
from seiqa_models.stack.unrelated import pulled_down

GROUPS, ROWS, MADE = 6, 6, 5
LEARNERS = ("gp", "svr", "svr@2")


@pytest.fixture
def labelled() -> tuple[pd.DataFrame, np.ndarray, np.ndarray]:
    """Labels that follow `quality`; `meaning` is lost in none of these rows."""
    rng = np.random.default_rng(0)
    y = rng.uniform(1, 5, GROUPS * ROWS)
    X = pd.DataFrame(
        {
            "quality": y + 0.2 * rng.normal(size=len(y)),
            "detail": y + 0.4 * rng.normal(size=len(y)),
            "meaning": 0.9 + 0.02 * rng.normal(size=len(y)),
        }
    )
    return X, y, np.repeat(np.arange(GROUPS), ROWS)


@pytest.fixture
def orders() -> Orders:
    """In each group: a copy, two harmless rows, an erased one and a gone one of better quality.

    What tells them apart is `meaning` alone.
    """
    rng = np.random.default_rng(1)
    quality = np.array([5.2, 3.3, 3.5, 4.0, 3.8])
    meaning = np.array([1.0, 0.95, 0.97, 0.5, 0.0])
    groups = np.repeat(np.arange(GROUPS), MADE)
    X = pd.DataFrame(
        {
            "quality": np.tile(quality, GROUPS) + 0.1 * rng.normal(size=len(groups)),
            "detail": np.tile(quality, GROUPS) + 0.1 * rng.normal(size=len(groups)),
            "meaning": np.tile(meaning, GROUPS) + 0.01 * rng.normal(size=len(groups)),
        },
        index=[f"made{number:03d}" for number in range(len(groups))],
    )
    sorts = np.tile(["copy", "harmless", "harmless", "erased", "gone"], GROUPS)
    return Orders(X, groups, groups, sorts == "gone", sorts == "erased")


def test_what_is_gone_falls_to_the_bottom_and_labelled_rows_stay(
    labelled: tuple[pd.DataFrame, np.ndarray, np.ndarray], orders: Orders
) -> None:
    X, y, groups = labelled
    plain = SeiqaRegressor(LEARNERS, n_splits=3, label_range=(0, 5)).fit(X, y, groups)
    told = SeiqaRegressor(LEARNERS, n_splits=3, label_range=(0, 5))
    told.fit(X, y, groups, orders=orders)
    gone = orders.X[orders.gone]
    assert plain.predict(gone).min() > 3
    assert told.predict(gone).max() < 0.5 * plain.predict(gone).min()
    np.testing.assert_allclose(told.predict(X), plain.predict(X), atol=0.02)
    assert (told.oof_[UNRELATED] == 0).all()
    assert told.unrelated_ is not None
    assert plain.unrelated_ is None


@pytest.mark.parametrize("name", ["ranker", "ranker@2"])
def test_rankers_alone_learn_which_row_is_above(
    name: str, labelled: tuple[pd.DataFrame, np.ndarray, np.ndarray], orders: Orders
) -> None:
    pairs = [(MADE * k + above, MADE * k + 4) for k in range(GROUPS) for above in range(4)]
    known = replace(orders, pairs=np.array(pairs))

    def kept(given: Orders) -> tuple[float, pd.DataFrame]:
        stack = SeiqaRegressor([name, "gp"], n_splits=3).fit(*labelled, orders=given)
        said = stack.predict_learners(orders.X)
        above, below = (said[name].to_numpy()[known.pairs[:, side]] for side in (0, 1))
        return float(np.mean(above > below)), said

    (before, plain), (after, told) = kept(orders), kept(known)
    assert after > before + 0.1
    assert np.array_equal(plain["gp"], told["gp"])


def test_an_erased_part_costs_what_labelled_rows_can_bear(
    labelled: tuple[pd.DataFrame, np.ndarray, np.ndarray], orders: Orders
) -> None:
    X, y, groups = labelled
    blind = replace(orders, edited=np.zeros_like(orders.edited))
    stack = SeiqaRegressor(LEARNERS, n_splits=3, label_range=(0, 5))
    erased = orders.X[orders.edited]
    before = stack.fit(X, y, groups, orders=blind).predict(erased)
    assert stack.edited_ is None
    told = SeiqaRegressor(LEARNERS, n_splits=3, label_range=(0, 5))
    told.fit(X, y, groups, orders=orders)
    assert told.edit_cost_ == MOST
    np.testing.assert_allclose(told.predict(erased), (1 - MOST) * before, rtol=0.02)
    np.testing.assert_allclose(told.predict(X), stack.predict(X), atol=0.02)
    assert (told.oof_[EDITED_SHARE] < 0.05).all()
    found = told.predict_interval(orders.X)
    np.testing.assert_array_equal(found["edited"], orders.edited)
    shown = found[orders.edited]
    assert (shown["high"] - shown["score"] > before - shown["score"]).all()


def test_the_largest_cost_that_held_out_labels_can_bear_is_chosen() -> None:
    y = np.linspace(1, 5, 50)
    edited = np.zeros(50)
    assert affordable_cost(y, edited, 0.0, y) == MOST
    edited[::3] = 1  # rows that the learners score correctly as they are
    assert affordable_cost(y, edited, 0.0, y) == 0
    scored_too_high = np.where(edited > 0, y / 0.8, y)
    assert affordable_cost(scored_too_high, edited, 0.0, y) == pytest.approx(0.2)


def test_no_gate_is_learned_if_all_or_none_are_gone(
    labelled: tuple[pd.DataFrame, np.ndarray, np.ndarray], orders: Orders
) -> None:
    X, y, groups = labelled
    for rows in (np.flatnonzero(orders.gone), np.flatnonzero(~orders.gone)):
        told = SeiqaRegressor(LEARNERS, n_splits=3).fit(X, y, groups, orders=orders.take(rows))
        assert told.unrelated_ is None
        assert (told.predict_learners(X)[UNRELATED] == 0).all()


def test_a_saved_gate_gives_the_same_scores(
    labelled: tuple[pd.DataFrame, np.ndarray, np.ndarray], orders: Orders, tmp_path: Path
) -> None:
    X, y, groups = labelled
    told = SeiqaRegressor(("ridge",), n_splits=3).fit(X, y, groups, orders=orders)
    save_bundle(tmp_path / "bundle", told, recipe={}, card={"label_kind": "MOS"})
    again = load_bundle(tmp_path / "bundle").regressor
    assert np.array_equal(again.predict(orders.X), told.predict(orders.X))


def test_constructed_rows_are_familiar(
    labelled: tuple[pd.DataFrame, np.ndarray, np.ndarray], orders: Orders
) -> None:
    X, y, groups = labelled
    gone = orders.X[orders.gone]
    plain = SeiqaRegressor(LEARNERS, n_splits=3).fit(X, y, groups).predict_interval(gone)
    told = SeiqaRegressor(LEARNERS, n_splits=3).fit(X, y, groups, orders=orders)
    assert plain["unfamiliar"].all()
    assert not told.predict_interval(gone)["unfamiliar"].any()
    assert len(told.oof_) == len(X)


def test_what_shows_nothing_is_not_unfamiliar_however_far_it_is_from_all_rows(
    labelled: tuple[pd.DataFrame, np.ndarray, np.ndarray], orders: Orders
) -> None:
    X, y, groups = labelled
    told = SeiqaRegressor(LEARNERS, n_splits=3).fit(X, y, groups, orders=orders)
    gone, shown = (orders.X[rows].assign(detail=30.0) for rows in (orders.gone, ~orders.gone))
    assert (told.predict_learners(gone)[UNRELATED] > 0.8).all()
    assert not told.predict_interval(gone)["unfamiliar"].any()
    assert told.predict_interval(shown)["unfamiliar"].all()


def test_nothing_made_of_a_held_out_group_is_learned_from(
    labelled: tuple[pd.DataFrame, np.ndarray, np.ndarray], orders: Orders
) -> None:
    X, y, groups = labelled
    held = 2
    fold = np.flatnonzero(groups != held), np.flatnonzero(groups == held)

    def predicted(some: Orders) -> pd.DataFrame:
        table = check_training_table(X, y, groups, orders=some)
        return predict_held_out(table, fold, ["gp", "ridge@2", "consensus"], 0)

    poisoned = orders.X.copy()
    poisoned[orders.groups == held] = 1e6
    pd.testing.assert_frame_equal(
        predicted(orders), predicted(replace(orders, X=poisoned)), check_exact=True
    )
    donors = orders.donors.copy()
    donors[:MADE] = held  # rows of group 0 that hold pixels of the held-out one
    poisoned[:MADE] = 1e6
    fewer = orders.within(np.setdiff1d(np.arange(GROUPS), [0]))
    pd.testing.assert_frame_equal(
        predicted(fewer),
        predicted(replace(orders, X=poisoned, donors=donors)),
        check_exact=True,
    )


def test_an_evaluation_measures_labels_only(
    labelled: tuple[pd.DataFrame, np.ndarray, np.ndarray], orders: Orders
) -> None:
    X, y, groups = labelled
    found = evaluate(SeiqaRegressor(LEARNERS, n_splits=3), X, y, groups, orders=orders, n_splits=3)
    assert found.figures.n == len(y) == len(found.predictions)
    assert found.regressor.predict(orders.X[orders.gone]).max() < y.min() + 1
    assert UNRELATED not in found.predictions


def test_kinds_of_distortion_and_orders_go_together(
    labelled: tuple[pd.DataFrame, np.ndarray, np.ndarray], orders: Orders
) -> None:
    X, y, groups = labelled
    kinds = np.where(np.arange(len(y)) % 2, "blur", "noise")
    told = SeiqaRegressor(("gp", "svr"), n_splits=3)
    told.fit(X, y, groups, kinds=kinds, orders=orders)
    assert told.predict(orders.X[orders.gone]).max() < y.min() + 1


def test_scores_keep_their_order_above_what_shows_nothing() -> None:
    score = np.array([-2.0, -0.5, 0.2, 1.0, 4.9, 3.0, -2.5])
    gone = np.array([0.0, 0.0, 0.0, 0.0, 0.0, 1.0, 1.0])
    found = pulled_down(score, gone, (-1.0, 5.0))
    assert found[5:].tolist() == [-1, -1]
    assert (np.diff(found[:5]) > 0).all()
    assert found[0] > -1
    np.testing.assert_allclose(found[2:5], score[2:5])
