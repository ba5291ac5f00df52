"""The thirteen learners of the LoViF 2026 SeIQA runner-up, with its constants (arXiv 2604.11207).

They are registered as ``runner_up_<name>``. Each reads the columns scaled to [0, 1]. Unpublished
settings are left at the library's defaults: those of the Huber loss, the kernels' gamma, the
polynomial's degree. The ranking network's batch size is not known either; 512 puts the task's 510
pairs into one batch.

One correction: the network's early stopping uses rows of its own training part, not those whose
predictions count as out-of-fold.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from sklearn.ensemble import ExtraTreesRegressor, RandomForestRegressor
from sklearn.linear_model import BayesianRidge, HuberRegressor, Ridge
from sklearn.neighbors import KNeighborsRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler
from sklearn.svm import SVR

Factory = Callable[[int, int], Any]
"""``(random_state, n_jobs)`` → an unfitted scikit-learn regressor."""

_HUBER_STEPS = 10_000
"""The library's 100 steps, and 2000 on TID2013's metrics, end before the optimum with a warning."""


class Neighbours(KNeighborsRegressor):
    """Nearest neighbours that use all rows if there are fewer than requested."""

    def fit(self, X: ArrayLike, y: ArrayLike) -> Neighbours:
        """Store the rows X float [n, p] and their labels y float [n]."""
        super().fit(X, y)
        return self

    def predict(self, X: ArrayLike) -> np.typing.NDArray[np.float64]:
        """Mean label of the nearest training rows, float64 [n]."""
        nearest = self.kneighbors(
            X, min(self.n_neighbors, self.n_samples_fit_), return_distance=False
        )
        return np.asarray(self._y[nearest].mean(axis=1), dtype=np.float64)


def catboost(random_state: int, n_jobs: int) -> Any:
    from seiqa_models.learners.boosting import UndatedCatBoost

    return UndatedCatBoost(
        iterations=1000,
        learning_rate=0.03,
        depth=6,
        l2_leaf_reg=5.0,
        random_seed=random_state,
        thread_count=n_jobs,
        allow_writing_files=False,
        verbose=False,
    )


def xgboost(random_state: int, n_jobs: int) -> Any:
    from xgboost import XGBRegressor

    return XGBRegressor(
        n_estimators=500,
        learning_rate=0.03,
        max_depth=5,
        subsample=0.8,
        colsample_bytree=0.8,
        random_state=random_state,
        n_jobs=n_jobs,
    )


def lightgbm(random_state: int, n_jobs: int) -> Any:
    from lightgbm import LGBMRegressor

    return LGBMRegressor(
        n_estimators=500,
        learning_rate=0.03,
        num_leaves=15,
        subsample=0.8,
        subsample_freq=1,
        colsample_bytree=0.8,
        random_state=random_state,
        n_jobs=n_jobs,
        deterministic=True,
        force_row_wise=True,
        verbose=-1,
    )


def forest(random_state: int, n_jobs: int) -> Any:
    return RandomForestRegressor(500, max_depth=10, random_state=random_state, n_jobs=n_jobs)


def extra_trees(random_state: int, n_jobs: int) -> Any:
    return ExtraTreesRegressor(500, max_depth=10, random_state=random_state, n_jobs=n_jobs)


def ranker(random_state: int, n_jobs: int) -> Any:  # noqa: ARG001
    from seiqa_models.learners.networks.ranker import PairwiseRanker

    return PairwiseRanker(
        hidden=(192, 64),
        dropout=0.12,
        learning_rate=2e-3,
        weight_decay=1e-4,
        max_epochs=380,
        patience=35,
        batch_size=512,
        random_state=random_state,
    )


_UNSCALED: dict[str, Factory] = {
    "catboost": catboost,
    "xgboost": xgboost,
    "lightgbm": lightgbm,
    "svr_rbf": lambda *_: SVR(kernel="rbf", C=5.0, epsilon=0.1),
    "svr_poly": lambda *_: SVR(kernel="poly", C=2.0),
    "ridge": lambda *_: Ridge(alpha=100.0),
    "bayesian_ridge": lambda *_: BayesianRidge(),
    "knn5": lambda *_: Neighbours(5, algorithm="brute"),
    "knn15": lambda *_: Neighbours(15, algorithm="brute"),
    "forest": forest,
    "extra_trees": extra_trees,
    "huber": lambda *_: HuberRegressor(max_iter=_HUBER_STEPS),
    "ranker": ranker,
}


def _scaled(factory: Factory) -> Factory:
    def make(random_state: int, n_jobs: int) -> Any:
        return make_pipeline(MinMaxScaler(), factory(random_state, n_jobs))

    return make


FACTORIES: dict[str, Factory] = {
    f"runner_up_{name}": _scaled(factory) for name, factory in _UNSCALED.items()
}
"""The thirteen learners by registered name."""
