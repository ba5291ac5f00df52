"""Columns oriented so that higher is better, and boosting constrained to be monotone in them.

Some metrics are distances, some similarities. If this is known from a metric's definition, the
labels are not consulted; for other columns, the sign of the rank correlation with the training
labels decides. A model that may use a column in that direction only cannot learn the peculiarities
of a few reference images.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats
from sklearn.base import BaseEstimator, OneToOneFeatureMixin, RegressorMixin, TransformerMixin
from sklearn.utils.validation import validate_data

from seiqa_models.core.arrays import FloatMatrix, FloatVector
from seiqa_models.core.frames import known_rows
from seiqa_models.learners.scaling import RankNormal
from seiqa_models.learners.trees import MAX_BIN, BoostedTrees

Directions = Sequence[int] | None
"""Per column 1 if higher is better, -1 if lower is, 0 if the labels decide; None: 0 for all."""


def signs(X: FloatMatrix, y: FloatVector, directions: Directions = None) -> FloatVector:
    """Each column's direction, float64 [p] of -1, 0 and 1.

    Parameters
    ----------
    X : float64 [n, p]
    y : float64 [n]
        If a direction is not known, the sign of the column's Spearman correlation with y is used.
    directions : sequence of int [p], optional

    Raises
    ------
    ValueError
        The number of directions differs from that of columns.
    """
    ranks = stats.rankdata(X, axis=0)
    label = stats.rankdata(y)
    learned: FloatVector = np.sign(ranks.T @ (label - label.mean()))
    if directions is None:
        return learned
    known = np.asarray(directions, dtype=np.float64)
    if known.shape != learned.shape:
        raise ValueError(f"directions are {known.size}, X has {len(learned)} columns")
    return np.where(known == 0, learned, np.sign(known))


class OrientedRanks(RankNormal):
    """Normal scores of the training ranks, each column multiplied by its sign (:func:`signs`).

    Parameters
    ----------
    bound : float
        Of :class:`seiqa_models.learners.scaling.RankNormal`.
    directions : sequence of int [p], optional
        Of :func:`signs`.

    Attributes
    ----------
    signs_ : float64 [p]
    """

    def __init__(self, bound: float = 2.5, directions: Directions = None) -> None:
        super().__init__(bound)
        self.directions = directions

    def fit(self, X: ArrayLike, y: ArrayLike | None = None) -> OrientedRanks:
        """Learn quantiles and signs of X float [n, p] with labels y float [n]."""
        super().fit(X)
        values, labels = np.asarray(X, np.float64), np.asarray(y, np.float64)
        self.signs_ = signs(values, labels, self.directions)
        return self

    def transform(self, X: ArrayLike) -> FloatMatrix:
        """Oriented normal scores float64 [n, p] in -bound..bound."""
        return super().transform(X) * self.signs_


class OrientedLog(OneToOneFeatureMixin, TransformerMixin, BaseEstimator):
    """Logarithm of each column's distance from the best training value; higher is better.

    A column, oriented by its sign (:func:`signs`), becomes -log(d / median d + floor) with d its
    distance from the training maximum. Unlike ranks this preserves distances between values, and
    unlike the plain columns it separates small degradations as well as large ones.

    Parameters
    ----------
    floor : float
        In units of the median distance; differences well below it are ignored.
    directions : sequence of int [p], optional
        Of :func:`signs`.

    Attributes
    ----------
    signs_, best_, scale_ : float64 [p]
    """

    def __init__(self, floor: float = 0.2, directions: Directions = None) -> None:
        self.floor = floor
        self.directions = directions

    def fit(self, X: ArrayLike, y: ArrayLike) -> OrientedLog:
        """Learn directions, best values and scales of X float [n, p] with labels y float [n]."""
        checked = validate_data(self, X, y, dtype=np.float64, y_numeric=True)
        self.signs_ = signs(checked[0], checked[1].astype(np.float64), self.directions)
        oriented = checked[0] * self.signs_
        self.best_ = oriented.max(axis=0)
        distance = self.best_ - oriented
        middle = np.median(distance, axis=0)
        # If most rows are at the best value, use the mean; if all are, do not scale.
        middle = np.where(middle > 0, middle, distance.mean(axis=0))
        self.scale_ = np.where(middle > 0, middle, 1.0)
        return self

    def transform(self, X: ArrayLike) -> FloatMatrix:
        """Float64 [n, p], increasing with quality; values beyond the training best count as it."""
        values = known_rows(self, X, "scale_")
        distance = np.maximum(self.best_ - values * self.signs_, 0.0)
        closeness: FloatMatrix = -np.log(distance / self.scale_ + self.floor)
        return closeness


class MonotoneBoosting(RegressorMixin, BaseEstimator):
    """Boosted trees (XGBoost) whose prediction never falls as a column gets better.

    Parameters
    ----------
    n_estimators, learning_rate, max_depth, min_child_weight, subsample, colsample_bynode
        Of ``xgboost.XGBRegressor``.
    n_seeds : int
        Number of models averaged, each with its own sample of rows and columns. Three instead of
        one raise the final by .0003 to .0005 on held-out references (TID2013's table and pictures,
        KADID-10k) at three times the cost.
    directions : sequence of int [p], optional
        Of :func:`signs`.
    random_state : int
        Seed of the first model.
    n_jobs : int
        Threads.

    Attributes
    ----------
    boosters_ : list of BoostedTrees
    """

    def __init__(
        self,
        n_estimators: int = 300,
        learning_rate: float = 0.05,
        max_depth: int = 4,
        min_child_weight: float = 5,
        subsample: float = 0.7,
        colsample_bynode: float = 0.5,
        n_seeds: int = 1,
        directions: Directions = None,
        random_state: int = 0,
        n_jobs: int = 1,
    ) -> None:
        self.n_estimators = n_estimators
        self.learning_rate = learning_rate
        self.max_depth = max_depth
        self.min_child_weight = min_child_weight
        self.subsample = subsample
        self.colsample_bynode = colsample_bynode
        self.n_seeds = n_seeds
        self.directions = directions
        self.random_state = random_state
        self.n_jobs = n_jobs

    def fit(self, X: ArrayLike, y: ArrayLike) -> MonotoneBoosting:
        """Fit X float [n, p] and y float [n]."""
        from xgboost import XGBRegressor

        checked = validate_data(self, X, y, dtype=np.float64, y_numeric=True)
        settings: dict[str, Any] = self.get_params()
        seed, n_seeds = settings.pop("random_state"), settings.pop("n_seeds")
        known = signs(checked[0], checked[1].astype(np.float64), settings.pop("directions"))
        directions = tuple(known.astype(int).tolist())
        models = [
            XGBRegressor(
                random_state=seed + i,
                monotone_constraints=directions,
                max_bin=MAX_BIN,
                **settings,
            )
            for i in range(n_seeds)
        ]
        self.boosters_ = [BoostedTrees.of_xgboost(model.fit(*checked)) for model in models]
        return self

    def predict(self, X: ArrayLike) -> FloatVector:
        """Mean prediction float64 [n]."""
        values = known_rows(self, X, "boosters_")
        predictions = [booster.predict(values) for booster in self.boosters_]
        return np.asarray(np.mean(predictions, axis=0, dtype=np.float64))
