"""The runner-up's thirteen learners."""

from __future__ import annotations

import numpy as np

from seiqa_models.learners.registry import LEARNERS, make_learner
from seiqa_models.learners.runner_up import FACTORIES


def test_all_thirteen_are_registered_and_read_columns_scaled_to_one():
    assert len(FACTORIES) == 13
    assert set(FACTORIES) <= set(LEARNERS)
    for name in FACTORIES:
        assert type(make_learner(name, random_state=0)[0]).__name__ == "MinMaxScaler"


def test_neighbours_make_do_with_few_rows():
    X, y = np.arange(4.0)[:, None], np.arange(4.0)
    for name in ("runner_up_knn5", "runner_up_knn15"):
        fitted = make_learner(name, random_state=0).fit(X, y)
        np.testing.assert_allclose(fitted.predict(X), 1.5)


def test_constants_are_the_stated_ones():
    def parameters(name):
        return make_learner(f"runner_up_{name}", random_state=0)[-1].get_params()

    stated = {
        "catboost": {"iterations": 1000, "learning_rate": 0.03, "depth": 6, "l2_leaf_reg": 5.0},
        "xgboost": {"n_estimators": 500, "learning_rate": 0.03, "max_depth": 5, "subsample": 0.8},
        "lightgbm": {"n_estimators": 500, "num_leaves": 15, "colsample_bytree": 0.8},
        "svr_rbf": {"kernel": "rbf", "C": 5.0, "epsilon": 0.1},
        "svr_poly": {"kernel": "poly", "C": 2.0},
        "ridge": {"alpha": 100.0},
        "knn5": {"n_neighbors": 5},
        "knn15": {"n_neighbors": 15},
        "forest": {"n_estimators": 500, "max_depth": 10},
        "extra_trees": {"n_estimators": 500, "max_depth": 10},
        "ranker": {"hidden": (192, 64), "dropout": 0.12, "max_epochs": 380, "patience": 35},
    }
    for name, expected in stated.items():
        found = parameters(name)
        assert {key: found[key] for key in expected} == expected
