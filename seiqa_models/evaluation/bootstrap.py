"""Intervals of agreement with human scores, from a bootstrap that draws whole groups."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from seiqa_models.core.arrays import FloatMatrix, FloatVector, Rows
from seiqa_models.core.canonical import codes_of
from seiqa_models.core.metrics import (
    SROCC_SHARE,
    checked,
    final_score,
    krocc,
    plcc,
    rmse,
    srocc,
    unit_range,
)

BOOTSTRAP_CELLS = 2_000_000
"""Resamples are drawn in chunks of about this many (resample, row) cells, 16 MB per array."""


def score_summary(
    y: ArrayLike,
    prediction: ArrayLike,
    groups: ArrayLike,
    *,
    n_boot: int = 1000,
    seed: int = 0,
) -> dict[str, Any]:
    """All metrics at once, JSON-ready: srocc, plcc, krocc, rmse, final and interval.

    ``interval`` is the 95 % bootstrap interval [low, high] of ``final``, see
    :func:`bootstrap_interval`. Whole groups are drawn, because the rows of one reference are
    similar and drawing single rows would make the interval too narrow.
    """
    truth, guess = checked(y, prediction)
    return {
        "srocc": srocc(truth, guess),
        "plcc": plcc(truth, guess),
        "krocc": krocc(truth, guess),
        "rmse": rmse(truth, guess),
        "final": final_score(truth, guess),
        "interval": bootstrap_interval(truth, guess, groups, n_boot=n_boot, seed=seed),
    }


def bootstrap_interval(
    y: ArrayLike,
    prediction: ArrayLike,
    groups: ArrayLike,
    *,
    n_boot: int = 1000,
    seed: int = 0,
) -> list[float]:
    """95 % bootstrap interval [low, high] of `final_score`, groups drawn with replacement.

    It is Student's interval, final ± t(n - 1) · standard error for n groups, on Fisher's scale
    z = artanh(final) (Fisher, "On the probable error of a coefficient of correlation", Metron 1,
    1921), where the distribution is close to symmetric near the ends of the range; see also
    :func:`standard_error`. With a single group the interval is the whole range [-1, 1].
    """
    truth, guess = checked(y, prediction)
    codes, names = codes_of(groups)
    if len(codes) != len(truth):
        raise ValueError(f"groups has {len(codes)} values, y has {len(truth)}")
    if len(names) < 2:
        return [-1.0, 1.0]
    truth, guess = unit_range(truth), unit_range(guess)
    rng = np.random.default_rng(seed)
    even = np.full(len(names), 1 / len(names))
    chunk = max(1, BOOTSTRAP_CELLS // len(truth))
    finals = [
        resampled_finals(truth, guess, rng.multinomial(len(names), even, size)[:, codes])
        for size in chunk_sizes(n_boot, chunk)
    ]
    reach = student_reach(_fisher(np.concatenate(finals)), len(names))
    centre = _fisher(final_score(truth, guess))
    return [float(np.tanh(centre - reach)), float(np.tanh(centre + reach))]


def fresh_interval(
    final: float, interval: Sequence[float], *, groups: int, fresh: int
) -> list[float]:
    """95 % interval [low, high] of the final on a few new groups.

    The interval of a final is that of its mean over many new groups. A few of them differ from this
    mean as well, so that on Fisher's scale their interval is wider by √(1 + groups / fresh), as in
    Student's prediction interval for the mean of a second sample.

    Parameters
    ----------
    final, interval : float, sequence of float [2]
        An estimate, and its interval by :func:`bootstrap_interval`.
    groups : int
        Number of groups that they are based on.
    fresh : int
        Number of new groups.

    Examples
    --------
    >>> [round(end, 3) for end in fresh_interval(0.9, [0.85, 0.934], groups=6, fresh=2)]
    [0.778, 0.957]
    """
    centre, (low, high) = _fisher(final), _fisher(interval)
    reach = (high - low) / 2 * np.sqrt(1 + groups / fresh)
    return [float(np.tanh(centre - reach)), float(np.tanh(centre + reach))]


def student_reach(resampled: FloatVector, groups: int) -> float:
    """Half the width of Student's 95 % interval, from a figure of resamples of 2 or more groups."""
    return float(special.stdtrit(groups - 1, 0.975) * standard_error(resampled, groups))


def standard_error(resampled: FloatVector, groups: int) -> float:
    """Standard error of a figure, from its values [b] on resamples of 2 or more groups.

    Resamples of n groups vary less than samples, by √((n - 1) / n) (Hesterberg, "What Teachers
    Should Know About the Bootstrap", The American Statistician 69(4), 2015).
    """
    return float(np.std(resampled, ddof=1) * np.sqrt(groups / (groups - 1)))


def _fisher(final: ArrayLike) -> FloatVector:
    """Fisher's z of correlations; those of 1 and -1 count as a hair less, so that z is finite."""
    return np.arctanh(np.clip(final, -1 + 1e-9, 1 - 1e-9))


def resampled_finals(truth: FloatVector, guess: FloatVector, counts: Rows) -> FloatVector:
    """``final_score`` of resamples, given as the number of draws of each row, counts [b, n].

    Equivalent to repeating the rows, but nothing is sorted more than once.
    """
    weights = counts.astype(np.float64)
    spearman = _weighted_pearson(
        _weighted_ranks(truth, weights), _weighted_ranks(guess, weights), weights
    )
    pearson = _weighted_pearson(
        np.broadcast_to(truth, weights.shape), np.broadcast_to(guess, weights.shape), weights
    )
    return SROCC_SHARE * spearman + (1 - SROCC_SHARE) * pearson


def _weighted_ranks(values: FloatVector, weights: FloatMatrix) -> FloatMatrix:
    """Mean rank of each row in each resample [b, n], as if rows were repeated ``weights`` times."""
    order = np.argsort(values, kind="stable")
    _, starts, inverse = np.unique(values[order], return_index=True, return_inverse=True)
    mass = np.add.reduceat(weights[:, order], starts, axis=1)
    middle = np.cumsum(mass, axis=1) - mass / 2
    ranks = np.empty_like(weights)
    ranks[:, order] = middle[:, inverse]
    return ranks


def _weighted_pearson(
    a: FloatMatrix,
    b: FloatMatrix,
    weights: FloatMatrix,
) -> FloatVector:
    total = weights.sum(axis=1, keepdims=True)
    a = a - (weights * a).sum(axis=1, keepdims=True) / total
    b = b - (weights * b).sum(axis=1, keepdims=True) / total
    covariance = (weights * a * b).sum(axis=1)
    norm = np.sqrt((weights * a * a).sum(axis=1) * (weights * b * b).sum(axis=1))
    # The norm of a resample of one repeated value consists of rounding errors only.
    varies = norm > 1e-12 * total[:, 0]
    correlation: FloatVector = np.divide(covariance, norm, out=np.zeros_like(norm), where=varies)
    return correlation


def chunk_sizes(total: int, chunk: int) -> list[int]:
    """Sizes of chunks that add up to `total`, all but the last equal to `chunk`."""
    full, rest = divmod(total, chunk)
    return [chunk] * full + [rest] * (rest > 0)
