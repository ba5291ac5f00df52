"""BoundedFusion: weights over learners, searched on the score that counts.

SROCC depends on the weights only through the order of the fused scores. It is piecewise constant,
its gradient is zero wherever it exists, and gradient methods such as SLSQP stop where they start.
So SROCC is first replaced by the correlation with the labels' ranks. The surrogate is smooth, and
since a correlation is linear in its standardised target, it is one correlation only:

    s · corr(Pw, rank y) + (1 - s) · corr(Pw, y) = corr(Pw, t) · ‖t‖,   t = s · r̂ + (1 - s) · ŷ

with r̂ and ŷ the ranks and labels, centred and of norm 1. It depends on P through its covariances
alone. From its optimum the weights are then moved in finite steps on the true objective: some
weight goes from one learner to another as long as the objective rises, then the step is halved.

The best mixture on a few groups owes part of its lead over the best learner to chance. So, unless
the caller fixes the shrinkage, it is met halfway: the weights are the mean of the two.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats
from scipy.optimize import minimize
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.utils.validation import check_is_fitted, validate_data

from seiqa_models.core.arrays import FloatMatrix, FloatVector
from seiqa_models.core.metrics import SROCC_SHARE, final_score
from seiqa_models.core.splits import make_folds

SHRINKAGES = (0.1, 0.03, 0.01, 0.003, 0.001, 0.0)
"""Pulls to equal weights that are compared by cross-validation, strongest first."""

_CV_FOLDS = 5

_STEPS = tuple(0.5**k for k in range(3, 9))
"""Weight moved at once, from 1/8 down to 1/256."""

_LEAST_GAIN = 1e-4
"""A smaller gain counts as none: on new rows it is noise, and the smooth optimum does better."""


class BoundedFusion(RegressorMixin, BaseEstimator):
    """Weighted mean of predictions, weights in [0, max_weight] with sum 1, that maximises

        srocc_share · SROCC + (1 - srocc_share) · PLCC - shrinkage · ‖w - uniform‖²

    on the rows it is fitted to, which must be out-of-fold predictions. Deterministic.

    Parameters
    ----------
    max_weight : float
        Largest weight of one learner, in (0, 1]; with m learners at least 1/m is allowed, else
        no weights would sum to 1.
    shrinkage : float, optional
        Pull towards equal weights, 0 or more. By default the one of :data:`SHRINKAGES` whose
        weights, found on some groups, score best on the others; the result then goes halfway to
        as much weight as allowed on the best learner. Without that, five development sets lost
        .0007 on the mean, one with 10 references .002; draws of 5 to 10 references lost nothing.
    srocc_share : float
        In [0, 1]; by default that of the challenge's final score.

    Attributes
    ----------
    weights_ : float64 [m]
    shrinkage_ : float
    """

    def __init__(
        self,
        max_weight: float = 1.0,
        shrinkage: float | None = None,
        srocc_share: float = SROCC_SHARE,
    ) -> None:
        self.max_weight = max_weight
        self.shrinkage = shrinkage
        self.srocc_share = srocc_share

    def fit(self, P: ArrayLike, y: ArrayLike, groups: ArrayLike | None = None) -> BoundedFusion:
        """Search the weights.

        Parameters
        ----------
        P : array-like of float [n, m]
            Out-of-fold predictions.
        y : array-like of float [n]
        groups : array-like [n], optional
            Kept whole when the shrinkage is chosen; by default each row is its own.

        Raises
        ------
        ValueError
            A parameter is out of range.
        """
        self._check_parameters()
        checked = validate_data(self, P, y, dtype=np.float64, y_numeric=True)
        predictions: FloatMatrix = checked[0]
        labels: FloatVector = checked[1].astype(np.float64)
        bound = max(self.max_weight, 1 / predictions.shape[1])
        if self.shrinkage is None:
            codes = np.arange(len(labels)) if groups is None else np.asarray(groups)
            self.shrinkage_ = self._chosen_shrinkage(predictions, labels, codes, bound)
        else:
            self.shrinkage_ = self.shrinkage
        objective = _Objective(predictions, labels, self.srocc_share, self.shrinkage_)
        smooth = _Surrogate(predictions, labels, self.srocc_share).best(bound, self.shrinkage_)
        favourite = _favourite(objective, predictions.shape[1], bound)
        found = [_climb(start, objective, bound) for start in (smooth, favourite)]
        best = max(found, key=lambda end: end[1])[0]
        self.weights_ = (best + favourite) / 2 if self.shrinkage is None else best
        return self

    def predict(self, P: ArrayLike) -> FloatVector:
        """Fused scores float64 [n] of predictions P [n, m]."""
        check_is_fitted(self, "weights_")
        fused: FloatVector = validate_data(self, P, dtype=np.float64, reset=False) @ self.weights_
        return fused

    def _check_parameters(self) -> None:
        if not 0 < self.max_weight <= 1:
            raise ValueError(f"max_weight is {self.max_weight}, expected a value in (0, 1]")
        if self.shrinkage is not None and self.shrinkage < 0:
            raise ValueError(f"shrinkage is {self.shrinkage}, expected 0 or more")
        if not 0 <= self.srocc_share <= 1:
            raise ValueError(f"srocc_share is {self.srocc_share}, expected a value in [0, 1]")

    def _chosen_shrinkage(
        self, predictions: FloatMatrix, y: FloatVector, groups: ArrayLike, bound: float
    ) -> float:
        """The shrinkage with the best mean score on held-out groups; ties go to the strongest."""
        if predictions.shape[1] == 1 or len(np.unique(np.asarray(groups))) < 2:
            return SHRINKAGES[0]
        totals = np.zeros(len(SHRINKAGES))
        for train, test in make_folds(groups, n_splits=_CV_FOLDS, seed=0):
            surrogate = _Surrogate(predictions[train], y[train], self.srocc_share)
            for i, shrinkage in enumerate(SHRINKAGES):
                fused = predictions[test] @ surrogate.best(bound, shrinkage)
                totals[i] += final_score(y[test], fused)
        return SHRINKAGES[int(np.argmax(totals))]


class _Surrogate:
    """corr(Pw, t) as a smooth function of the weights; see the module's docstring."""

    def __init__(self, predictions: FloatMatrix, y: FloatVector, srocc_share: float) -> None:
        ranks = stats.rankdata(y)
        target = srocc_share * _unit(ranks[:, None]) + (1 - srocc_share) * _unit(y[:, None])
        centred = predictions - predictions.mean(axis=0)
        scale = np.linalg.norm(centred) or 1.0
        self.covariance = (centred / scale).T @ (centred / scale)
        self.with_target = ((centred / scale).T @ target)[:, 0]

    def best(self, bound: float, shrinkage: float) -> FloatVector:
        """Weights in [0, bound] with sum 1 that maximise the penalised surrogate."""
        m = len(self.with_target)
        uniform = np.full(m, 1 / m)
        if m == 1 or bound <= 1 / m:
            return uniform

        def cost(weights: FloatVector) -> tuple[float, FloatVector]:
            part = self.covariance @ weights
            norm = np.sqrt(max(weights @ part, np.finfo(np.float64).tiny))
            correlation = float(weights @ self.with_target / norm)
            away = weights - uniform
            gradient = self.with_target / norm - correlation / norm**2 * part
            return float(shrinkage * away @ away) - correlation, 2 * shrinkage * away - gradient

        found = minimize(
            cost,
            uniform,
            jac=True,
            method="SLSQP",
            bounds=[(0, bound)] * m,
            constraints={"type": "eq", "fun": lambda w: w.sum() - 1, "jac": np.ones_like},
            options={"ftol": 1e-10, "maxiter": 500},
        )
        weights = np.maximum(found.x, 0)
        weights /= weights.sum()
        # Rounding may leave the bound passed by a hair: a hair of equal weights puts that right.
        excess = max(weights.max() - bound, 0.0)
        share = excess / (weights.max() - 1 / m) if excess else 0.0
        mended: FloatVector = np.minimum(weights + share * (uniform - weights), bound)
        return mended


class _Objective:
    """The penalised score of many weight vectors at once, W [m, k] → [k]."""

    def __init__(
        self, predictions: FloatMatrix, y: FloatVector, srocc_share: float, shrinkage: float
    ) -> None:
        self.predictions = predictions
        self.srocc_share = srocc_share
        self.shrinkage = shrinkage
        self.label = _unit(y[:, None])[:, 0]
        self.label_ranks = _unit(stats.rankdata(y)[:, None])[:, 0]

    def __call__(self, weights: FloatMatrix) -> FloatVector:
        fused = self.predictions @ weights
        spearman = self.label_ranks @ _unit(stats.rankdata(fused, axis=0))
        pearson = self.label @ _unit(fused)
        distance = ((weights - 1 / len(weights)) ** 2).sum(axis=0)
        value: FloatVector = (
            self.srocc_share * spearman
            + (1 - self.srocc_share) * pearson
            - self.shrinkage * distance
        )
        return value


def _unit(columns: FloatMatrix) -> FloatMatrix:
    """Columns centred and of norm 1; a constant column becomes zero, so that it correlates 0."""
    spread = np.ptp(columns, axis=0)
    centred = columns - columns.mean(axis=0)
    norm = np.linalg.norm(centred, axis=0)
    unit: FloatMatrix = np.divide(centred, norm, out=np.zeros_like(centred), where=spread > 0)
    return unit


def _favourite(objective: _Objective, m: int, bound: float) -> FloatVector:
    """As much as allowed on the learner that scores best so, the rest spread evenly."""
    if m == 1:
        return np.ones(1)
    rest = (1 - bound) / (m - 1)
    capped = np.where(np.eye(m, dtype=bool), bound, rest)
    best: FloatVector = capped[:, int(np.argmax(objective(capped)))]
    return best


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
            if values[best] <= value + _LEAST_GAIN:
                break
            weights, value = candidates[:, best].copy(), float(values[best])
    return weights, value
