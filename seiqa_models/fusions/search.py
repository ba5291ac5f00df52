"""The search for weights that maximise the final score.

SROCC depends on the weights only through the order of the fused scores. It is piecewise constant,
its gradient is zero wherever it exists, and gradient methods such as SLSQP never leave their
starting point. SROCC is therefore first replaced by the correlation with the labels' ranks. The
surrogate is smooth, and since a correlation is linear in its standardised target, it reduces to a
single correlation:

    s · corr(Pw, rank y) + (1 - s) · corr(Pw, y) = corr(Pw, t) · ‖t‖,   t = s · r̂ + (1 - s) · ŷ

with r̂ and ŷ the ranks and labels, centred and of norm 1. It depends on P only through its
covariances. Starting from its optimum, the weights are then moved in finite steps on the true
objective: weight is moved from one learner to another as long as the objective rises, then the step
is halved.
"""

from __future__ import annotations

import numpy as np
from scipy import stats
from scipy.optimize import minimize

from seiqa_models.core.arrays import FloatMatrix, FloatVector

_STEPS = tuple(0.5**k for k in range(3, 9))
"""Weight moved at once, from 1/8 down to 1/256."""

_LEAST_GAIN = 1e-4
"""Smaller gains are ignored: on new rows they are noise, and the smooth optimum does better."""


class Surrogate:
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
        # Rounding may exceed the bound slightly; mixing in equal weights corrects that.
        excess = max(weights.max() - bound, 0.0)
        share = excess / (weights.max() - 1 / m) if excess else 0.0
        mended: FloatVector = np.minimum(weights + share * (uniform - weights), bound)
        return mended


class Objective:
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
        """Penalised scores float64 [k] of k weight vectors, float64 [m, k]."""
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


def best_learner(objective: Objective, m: int, bound: float) -> FloatVector:
    """The best weights [m] that give one learner as much as allowed and spread the rest evenly."""
    if m == 1:
        return np.ones(1)
    rest = (1 - bound) / (m - 1)
    capped = np.where(np.eye(m, dtype=bool), bound, rest)
    best: FloatVector = capped[:, int(np.argmax(objective(capped)))]
    return best


def climb(weights: FloatVector, objective: Objective, bound: float) -> tuple[FloatVector, float]:
    """Repeat the best exchange of one step between two learners, then halve the step.

    Starts at weights float64 [m] with sum 1 and none above ``bound``; returns the weights found and
    the value of the objective there.
    """
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
