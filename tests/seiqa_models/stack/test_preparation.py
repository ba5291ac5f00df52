"""Preparation: bounds, missing values and constant columns."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from seiqa_models.learners.registry import make_learner
from seiqa_models.learners.scaling import PartialWhitening, RankNormal
from seiqa_models.stack.preparation import Preparation

TRAIN = pd.DataFrame(
    {
        "psnr": [20.0, 30.0, 40.0, np.inf],
        "holes": [1.0, np.nan, 3.0, 8.0],
        "constant": [1.0, 1.0, 1.0, 1.0],
        "half_constant": [2.0, np.nan, 2.0, 2.0],
        "empty": [np.nan] * 4,
    }
)
LABELS = [1.0, 2.0, 3.0, 4.0]


def test_infinite_is_the_best_seen_and_nan_the_median():
    values = Preparation().fit_transform(TRAIN, LABELS)
    np.testing.assert_array_equal(values, [[20, 1], [30, 3], [40, 3], [40, 8]])


def test_columns_that_say_nothing_are_dropped():
    assert Preparation().fit(TRAIN, LABELS).columns_ == ["psnr", "holes"]


def test_new_rows_are_treated_as_the_training_rows_were():
    new = TRAIN.iloc[:3].assign(psnr=[np.nan, -np.inf, 99.0], holes=[0.0, 2.0, np.nan])
    values = Preparation().fit(TRAIN, LABELS).transform(new)
    np.testing.assert_array_equal(values, [[30, 1], [20, 2], [40, 3]])


def test_excess_is_in_units_of_the_training_range_and_0_for_what_is_not_finite():
    new = TRAIN.iloc[:4].assign(psnr=[50.0, 10.0, 25.0, np.inf], holes=[8.0, 1.0, -6.0, np.nan])
    preparation = Preparation().fit(TRAIN, LABELS)
    values, excess = preparation.transform_with_excess(new)
    np.testing.assert_array_equal(values, preparation.transform(new))
    np.testing.assert_array_equal(excess, [[0.5, 0], [-0.5, 0], [0, -1], [0, 0]])


def test_meta_feature_is_cross_fitted_in_fit_transform_only(make_table):
    X, y, groups = make_table(d=200)
    preparation = Preparation()
    cross_fitted = preparation.fit_transform(X[["embedding"]], y, groups)
    full = preparation.transform(X[["embedding"]])
    truth = y.to_numpy()
    assert np.mean((full[:, 0] - truth) ** 2) < 0.5 * np.mean((cross_fitted[:, 0] - truth) ** 2)


def test_normal_scores_are_those_of_scikit_learn():
    rng = np.random.default_rng(0)
    train = np.column_stack(
        [
            rng.normal(size=300),
            np.round(rng.normal(size=300), 1),  # ties
            np.maximum(rng.normal(size=300), 0),  # ties at the bound
            1e-6 * rng.normal(size=300),
        ]
    )
    ranks = RankNormal(bound=2.5).fit(train)
    new = np.vstack([train, 2 * train, train + 1e-8])
    expected = np.clip(ranks.quantiles_.transform(new), -2.5, 2.5)
    np.testing.assert_array_equal(ranks.transform(new), expected)


def test_partial_whitening_evens_out_the_components():
    rng = np.random.default_rng(0)
    shared = rng.normal(size=(400, 1))
    X = shared + 0.1 * rng.normal(size=(400, 3))

    def spread(power):
        values = PartialWhitening(power).fit(X).transform(X)
        assert np.mean(values**2) == pytest.approx(1)
        eigenvalues = np.linalg.eigvalsh(np.cov(values.T))
        return eigenvalues[-1] / eigenvalues[0]

    raw = np.linalg.eigvalsh(np.cov(X.T))
    assert spread(0.0) == pytest.approx(raw[-1] / raw[0], rel=1e-6)
    assert spread(0.5) == pytest.approx(np.sqrt(raw[-1] / raw[0]), rel=0.2)
    assert spread(1.0) < 2


def test_partial_whitening_survives_constant_columns_and_one_row():
    assert np.isfinite(PartialWhitening().fit_transform(np.ones((5, 3)))).all()
    assert np.isfinite(PartialWhitening().fit_transform(np.ones((1, 2)))).all()


def test_names_of_what_comes_out(make_table):
    X, y, groups = make_table(d=5)
    X = X.assign(constant=1.0)
    preparation = Preparation().fit(X, y, groups)
    names = ["similarity", "distance", "chaff", "embedding__ridge"]
    assert preparation.get_feature_names_out().tolist() == names == preparation.columns_
    assert preparation.meta_.get_feature_names_out().tolist() == [*names[:3], "constant", names[3]]
    learner = make_learner("gp", random_state=0).fit(preparation.transform(X), y)
    after_scaling = learner[:-1].get_feature_names_out(names)
    assert len(after_scaling) == 3 * len(names)
