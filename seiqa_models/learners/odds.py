"""Proportional odds: the most probable latent scores and thresholds of ordered levels.

Levels of one collection are compared by thresholds of its own; the latent score is common to all.
See :mod:`seiqa_models.learners.ordinal` for the model.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from scipy.linalg import cholesky
from scipy.optimize import Bounds, minimize
from scipy.special import expit, log_expit

from seiqa_models.core.arrays import FloatMatrix, FloatVector, Rows

Parts = list[tuple[Rows, Rows]]
"""For each collection, the positions of its rows and their levels from 0."""

_SEARCH = {"maxiter": 500, "ftol": 1e-8}

_LOG_GAPS = (-12.0, 4.0)
"""Bounds of the logarithm of the gap between two thresholds, which must neither vanish nor
overflow."""


def largest_posterior(root: FloatMatrix, parts: Parts) -> tuple[FloatVector, list[FloatVector]]:
    """Mode of the posterior: w [n], with latent scores root @ w, and each part's thresholds.

    ``root`` float64 [n, n] is a square root of the covariance of the latent scores. In w the prior
    is standard normal. The thresholds have a flat prior and are parametrised by the first one and
    the logarithms of the gaps, so that they stay in order.
    """
    n = len(root)
    starts = [np.zeros(n), *(_first_steps(np.bincount(level)) for _, level in parts)]
    ends = np.cumsum([len(steps) for steps in starts])
    places = [slice(*pair) for pair in pairwise(ends)]
    start = np.concatenate(starts)
    lowest, highest = np.full(len(start), -np.inf), np.full(len(start), np.inf)
    for place in places:
        lowest[place.start + 1 : place.stop], highest[place.start + 1 : place.stop] = _LOG_GAPS

    def cost(point: FloatVector) -> tuple[float, FloatVector]:
        weights = point[:n]
        latent, rising = root @ weights, np.zeros(n)
        total, slope = float(weights @ weights) / 2, np.empty(len(point))
        for (rows, level), place in zip(parts, places, strict=True):
            likelihood, rising[rows], slope[place] = _likelihood(latent[rows], point[place], level)
            total -= likelihood
        slope[:n] = -(root.T @ rising - weights)
        return total, slope

    found = minimize(
        cost, start, jac=True, method="L-BFGS-B", bounds=Bounds(lowest, highest), options=_SEARCH
    )
    return found.x[:n], [_thresholds(found.x[place]) for place in places]


def _first_steps(counts: Rows) -> FloatVector:
    """Thresholds that levels of these sizes have if the latent score is zero, as steps."""
    share = np.cumsum(counts)[:-1] / counts.sum()
    start = np.log(share / (1 - share))
    return np.concatenate([start[:1], np.log(np.diff(start))])


def _likelihood(
    latent: FloatVector, steps: FloatVector, level: Rows
) -> tuple[float, FloatVector, FloatVector]:
    """Log likelihood, its slope by latent score, and the slope of its negative by step."""
    counts, gaps = np.bincount(level), np.exp(steps[1:])
    upper, lower = _distances(latent, _thresholds(steps), level)
    inner = counts[1:-1]
    likelihood = (log_expit(upper) + log_expit(-lower)).sum() + inner @ np.log(-np.expm1(-gaps))
    above, below = expit(-upper), expit(lower)
    # Gain from raising each threshold, then summed over those that move with it.
    gain = np.bincount(level, above, len(counts))[:-1]
    gain = gain - np.bincount(level, below, len(counts))[1:]
    moved = np.cumsum(gain[::-1])[::-1]
    wider = moved[1:] * gaps + inner * gaps / np.expm1(gaps)
    return float(likelihood), below - above, -np.concatenate([moved[:1], wider])


def _thresholds(steps: FloatVector) -> FloatVector:
    """Ascending thresholds from the first one and the logarithms of the gaps."""
    return np.cumsum(np.concatenate([steps[:1], np.exp(steps[1:])]))


def _distances(
    latent: FloatVector, thresholds: FloatVector, level: Rows
) -> tuple[FloatVector, FloatVector]:
    """Distance of each latent score to the next threshold, and (negative) to the one below."""
    padded = np.concatenate([[-np.inf], thresholds, [np.inf]])
    return padded[level + 1] - latent, padded[level] - latent


def log_evidence(root: FloatMatrix, parts: Parts) -> float:
    """Laplace's approximation of the labels' log probability at the optimal thresholds.

    Parameters are those of :func:`largest_posterior`.

    Rasmussen and Williams, Gaussian Processes for Machine Learning, 2006, eq. 3.32.
    """
    weights, thresholds = largest_posterior(root, parts)
    latent, curvature, likelihood = root @ weights, np.empty(len(root)), 0.0
    for (rows, level), own in zip(parts, thresholds, strict=True):
        upper, lower = _distances(latent[rows], own, level)
        each = log_expit(upper) + log_expit(-lower) + np.log(-np.expm1(lower - upper))
        likelihood += float(each.sum())
        curvature[rows] = expit(upper) * expit(-upper) + expit(lower) * expit(-lower)
    spread = np.eye(len(root)) + root.T @ (curvature[:, None] * root)
    half_determinant = np.log(np.diag(cholesky(spread, lower=True))).sum()
    return float(likelihood - weights @ weights / 2 - half_determinant)
