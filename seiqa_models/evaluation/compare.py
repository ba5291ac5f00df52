"""Whether one system is better than another: a paired bootstrap on the same held-out rows."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from seiqa_models.core.arrays import FloatVector
from seiqa_models.core.canonical import codes_of
from seiqa_models.core.metrics import (
    BOOTSTRAP_CELLS,
    chunk_sizes,
    final_score,
    resampled_finals,
    unit_range,
)


def compare(
    y: ArrayLike,
    a: ArrayLike,
    b: ArrayLike,
    groups: ArrayLike,
    *,
    n_boot: int = 1000,
    seed: int = 0,
) -> dict[str, Any]:
    """Compare the final scores of two systems that predicted the same rows.

    Each resample draws whole groups with replacement and scores both systems on them, so that
    whatever makes a group hard for both cancels out (Efron and Tibshirani, An Introduction to the
    Bootstrap, 1993, ch. 13 and 15.4).

    Parameters
    ----------
    y, a, b : array-like of float [n]
        Labels, and the held-out predictions of the two systems.
    groups : array-like [n]
        Rows that are drawn together.
    n_boot : int
        Number of resamples; the smallest possible p-value is 2 / (n_boot + 1).
    seed : int
        Seed of the draws.

    Returns
    -------
    dict
        ``difference``, final of ``a`` minus final of ``b``; ``interval``, its 95 % percentile
        interval [low, high]; ``p_value``, two-sided: twice the share of resamples on the other side
        of 0. With a single group, the interval is [-2, 2] and the p-value 1.

    Raises
    ------
    ValueError
        Lengths differ, or a value is not finite.
    """
    difference = final_score(y, a) - final_score(y, b)
    codes, names = codes_of(groups)
    truth, first, second = (unit_range(np.asarray(v, dtype=np.float64)) for v in (y, a, b))
    if len(codes) != len(truth):
        raise ValueError(f"groups has {len(codes)} values, y has {len(truth)}")
    if len(names) < 2:
        return {"difference": difference, "interval": [-2.0, 2.0], "p_value": 1.0}
    rng = np.random.default_rng(seed)
    even = np.full(len(names), 1 / len(names))
    drawn = []
    for size in chunk_sizes(n_boot, max(1, BOOTSTRAP_CELLS // len(truth))):
        counts = rng.multinomial(len(names), even, size)[:, codes]
        drawn.append(
            resampled_finals(truth, first, counts) - resampled_finals(truth, second, counts)
        )
    differences = np.concatenate(drawn)
    low, high = np.percentile(differences, [2.5, 97.5])
    return {
        "difference": difference,
        "interval": [float(low), float(high)],
        "p_value": _p_value(differences),
    }


def _p_value(differences: FloatVector) -> float:
    """Two-sided p-value; the 1 counts the observed sample, so it is never 0."""
    below, above = np.sum(differences <= 0), np.sum(differences >= 0)
    return float(min(1.0, 2 * (1 + min(below, above)) / (1 + len(differences))))
