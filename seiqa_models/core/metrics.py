"""Agreement between predicted and human scores.

All correlations are computed on the raw scores, without the logistic mapping that some image
quality papers fit before PLCC, as in the SeIQA challenge (arXiv 2604.11207). A constant input
orders nothing, so its correlation is defined as 0.0 here.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

from seiqa_models.core.arrays import FloatVector

SROCC_SHARE = 0.6
"""Weight of SROCC in the challenge's final score; the rest is the weight of PLCC."""


def srocc(y: ArrayLike, prediction: ArrayLike) -> float:
    """Spearman's rank correlation in [-1, 1]; ties get their mean rank.

    Parameters
    ----------
    y, prediction : array-like of float [n]
        Human scores and predicted scores.

    Raises
    ------
    ValueError
        Lengths differ, or a value is not finite; the argument is named. The same holds for
        every metric in this module.

    Examples
    --------
    >>> srocc([1, 2, 3, 4], [10, 20, 40, 30])
    0.8
    """
    truth, guess = checked(y, prediction)
    return _pearson(stats.rankdata(truth), stats.rankdata(guess))


def plcc(y: ArrayLike, prediction: ArrayLike) -> float:
    """Pearson's linear correlation in [-1, 1], on the raw scores."""
    return _pearson(*checked(y, prediction))


def krocc(y: ArrayLike, prediction: ArrayLike) -> float:
    """Kendall's rank correlation (tau-b, ties corrected) in [-1, 1]."""
    truth, guess = checked(y, prediction)
    if np.ptp(truth) == 0 or np.ptp(guess) == 0:
        return 0.0
    return float(stats.kendalltau(truth, guess).statistic)


def rmse(y: ArrayLike, prediction: ArrayLike) -> float:
    """Root mean squared error, 0 or more, in the unit of the labels."""
    truth, guess = checked(y, prediction)
    return float(np.sqrt(np.mean((truth - guess) ** 2)))


def final_score(y: ArrayLike, prediction: ArrayLike) -> float:
    """The challenge's score 0.6·SROCC + 0.4·PLCC, in [-1, 1]."""
    return SROCC_SHARE * srocc(y, prediction) + (1 - SROCC_SHARE) * plcc(y, prediction)


def unit_range(values: FloatVector) -> FloatVector:
    """Values float64 [n] scaled to 0..1; constant ones become 0."""
    spread = np.ptp(values)
    scaled: FloatVector = (values - values.min()) / (spread if spread > 0 else 1.0)
    return scaled


def _pearson(a: FloatVector, b: FloatVector) -> float:
    if np.ptp(a) == 0 or np.ptp(b) == 0:
        return 0.0
    a, b = unit_range(a), unit_range(b)  # squares of very small values would underflow
    a, b = a - a.mean(), b - b.mean()
    r = float(a @ b / np.linalg.norm(a) / np.linalg.norm(b))
    return min(1.0, max(-1.0, r))


def checked(y: ArrayLike, prediction: ArrayLike) -> tuple[FloatVector, FloatVector]:
    """Both as float64 [n].

    Raises
    ------
    ValueError
        Lengths differ, or a value is not finite.
    """
    vectors = []
    for name, values in (("y", y), ("prediction", prediction)):
        vector = np.asarray(values, dtype=np.float64)
        if vector.ndim != 1 or len(vector) == 0:
            raise ValueError(f"{name} has shape {vector.shape}, expected [n] with n >= 1")
        if not np.isfinite(vector).all():
            raise ValueError(f"{name} has {int((~np.isfinite(vector)).sum())} non-finite values")
        vectors.append(vector)
    truth, guess = vectors
    if len(truth) != len(guess):
        raise ValueError(f"prediction has {len(guess)} values, y has {len(truth)}")
    return truth, guess
