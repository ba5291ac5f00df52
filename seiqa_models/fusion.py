"""BoundedFusion: weights over learners, searched on the score that counts.

SROCC depends on the weights only through the order of the fused scores. It is piecewise constant,
its gradient is zero wherever it exists, and gradient methods such as SLSQP stop where they start.
So the weights are moved in finite steps instead: some weight goes from one learner to another as
long as the objective rises, then the step is halved.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.utils.validation import check_is_fitted, validate_data

from seiqa_models.arrays import FloatMatrix, FloatVector
from seiqa_models.metrics import SROCC_SHARE

_STEPS = tuple(0.5**k for k in range(2, 9))
"""Weight moved at once, from 1/4 down to 1/256."""

_TOLERANCE = 1e-9
"""A smaller gain counts as none, so that rounding cannot keep the search going."""


class BoundedFusion(RegressorMixin, BaseEstimator):
    """Weighted mean of predictions, weights in [0, max_weight] with sum 1, that maximises

        0.6 · SROCC + 0.4 · PLCC - shrinkage · ‖w - uniform‖²

    on the rows it is fitted to, which must be out-of-fold predictions. Deterministic.

    Parameters
    ----------
    max_weight : float
        Largest weight of one learner, in (0, 1]; with m learners at least 1/m is allowed, else
        no weights would sum to 1.
    shrinkage : float
        Pull towards equal weights, 0 or more.

    Attributes
    ----------
    weights_ : float64 [m]
    """

    def __init__(self, max_weight: float = 0.5, shrinkage: float = 0.02) -> None:
        self.max_weight = max_weight
        self.shrinkage = shrinkage

    def fit(self, P: ArrayLike, y: ArrayLike) -> BoundedFusion:
        """Search the weights on out-of-fold predictions P [n, m] and labels y [n].

        Raises
        ------
        ValueError
            ``max_weight`` or ``shrinkage`` is out of range.
        """
        if not 0 < self.max_weight <= 1:
            raise ValueError(f"max_weight is {self.max_weight}, expected a value in (0, 1]")
        if self.shrinkage < 0:
            raise ValueError(f"shrinkage is {self.shrinkage}, expected 0 or more")
        checked = validate_data(self, P, y, dtype=np.float64, y_numeric=True)
        predictions, labels = checked[0], checked[1].astype(np.float64)
        objective = _Objective(predictions, labels, self.shrinkage)
        bound = max(self.max_weight, 1 / predictions.shape[1])
        found = [_climb(start, objective, bound) for start in _starts(objective, bound)]
        best = int(np.argmax([value for _, value in found]))
        self.weights_ = found[best][0]
        return self

    def predict(self, P: ArrayLike) -> FloatVector:
        """Fused scores float64 [n] of predictions P [n, m]."""
        check_is_fitted(self, "weights_")
        fused: FloatVector = validate_data(self, P, dtype=np.float64, reset=False) @ self.weights_
        return fused


class _Objective:
    """The penalised final score of many weight vectors at once, W [m, k] → [k]."""

    def __init__(self, predictions: FloatMatrix, y: FloatVector, shrinkage: float) -> None:
        self.predictions = predictions
        self.shrinkage = shrinkage
        self.label = _unit(y[:, None])[:, 0]
        self.label_ranks = _unit(stats.rankdata(y)[:, None])[:, 0]

    def __call__(self, weights: FloatMatrix) -> FloatVector:
        fused = self.predictions @ weights
        spearman = self.label_ranks @ _unit(stats.rankdata(fused, axis=0))
        pearson = self.label @ _unit(fused)
        distance = ((weights - 1 / len(weights)) ** 2).sum(axis=0)
        value: FloatVector = (
            SROCC_SHARE * spearman + (1 - SROCC_SHARE) * pearson - self.shrinkage * distance
        )
        return value


def _unit(columns: FloatMatrix) -> FloatMatrix:
    """Columns centred and of norm 1; a constant column becomes zero, so that it correlates 0."""
    spread = np.ptp(columns, axis=0)
    centred = columns - columns.mean(axis=0)
    norm = np.linalg.norm(centred, axis=0)
    unit: FloatMatrix = np.divide(centred, norm, out=np.zeros_like(centred), where=spread > 0)
    return unit


def _starts(objective: _Objective, bound: float) -> list[FloatVector]:
    """Equal weights, and as much as allowed on each learner in turn, the rest spread evenly."""
    m = objective.predictions.shape[1]
    uniform = np.full(m, 1 / m)
    if m == 1 or bound <= 1 / m:
        return [uniform]
    rest = (1 - bound) / (m - 1)
    capped = [np.where(np.arange(m) == favourite, bound, rest) for favourite in range(m)]
    values = objective(np.column_stack(capped))
    favourites = np.argsort(-values, kind="stable")[:3]
    return [uniform, *(capped[favourite] for favourite in favourites)]


def _climb(weights: FloatVector, objective: _Objective, bound: float) -> tuple[FloatVector, float]:
    """Best exchange of one step between two learners, again and again, then half the step."""
    m = len(weights)
    giver, taker = np.nonzero(~np.eye(m, dtype=bool))
    value = float(objective(weights[:, None])[0])
    for step in _STEPS:
        while len(giver):
            moved = np.minimum(step, np.minimum(weights[giver], bound - weights[taker]))
            candidates = np.repeat(weights[:, None], len(giver), axis=1)
            column = np.arange(len(giver))
            candidates[giver, column] -= moved
            candidates[taker, column] += moved
            values = objective(candidates)
            best = int(np.argmax(values))
            if values[best] <= value + _TOLERANCE:
                break
            weights, value = candidates[:, best].copy(), float(values[best])
    return weights, value
