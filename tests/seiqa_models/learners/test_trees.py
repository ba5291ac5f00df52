"""Trees as arrays predict what XGBoost predicts, and believe no array that does not fit."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from xgboost import XGBRegressor

from seiqa_models.learners.trees import BoostedTrees


@pytest.fixture(scope="module")
def rows():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(600, 5))
    X[:, 4] = rng.integers(0, 3, 600)  # values on thresholds
    return X, 3 + X[:, 0] * X[:, 4] + np.abs(X[:, 1]) + 0.1 * rng.normal(size=600)


@pytest.mark.parametrize(
    "settings",
    [
        {"max_depth": 4},
        {"max_depth": 1, "n_estimators": 1},
        {"max_depth": 7, "subsample": 0.5, "colsample_bynode": 0.5},
        {"max_depth": 0, "max_leaves": 5, "grow_policy": "lossguide"},  # uneven
        {"max_depth": 3, "base_score": 100.0},
        {"max_depth": 3, "min_child_weight": 1000},  # nothing to split
    ],
)
def test_the_same_bits_as_xgboost(rows, settings):
    X, y = rows
    model = XGBRegressor(**{"n_estimators": 60, "n_jobs": 1} | settings).fit(X, y)
    trees = BoostedTrees.of_xgboost(model)
    for part in (X, X[:1], X[:0], 10 * X):
        np.testing.assert_array_equal(
            trees.predict(part), model.predict(part) if len(part) else np.empty(0, np.float32)
        )


@pytest.mark.parametrize(
    "change",
    [
        lambda trees: {"columns": trees.columns + 5},
        lambda trees: {"columns": trees.columns - 1},
        lambda trees: {"columns": trees.columns[:-1]},
        lambda trees: {"thresholds": trees.thresholds[:, :-1]},
        lambda trees: {"leaves": trees.leaves[:, :-1]},
        lambda trees: {"leaves": trees.leaves[:, :6], "thresholds": trees.thresholds[:, :5],
                       "columns": trees.columns[:, :5]},
    ],
)  # fmt: skip
def test_arrays_that_do_not_fit_are_refused(rows, change):
    X, y = rows
    trees = BoostedTrees.of_xgboost(XGBRegressor(n_estimators=5, max_depth=3).fit(X, y))
    broken = dataclasses.replace(trees, **change(trees))
    with pytest.raises(ValueError, match="do not fit"):
        broken.predict(X)
