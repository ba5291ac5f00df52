"""Whether one system is better than another: a paired bootstrap on the same held-out rows."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from seiqa_models.core.canonical import codes_of
from seiqa_models.core.metrics import final_score, unit_range
from seiqa_models.evaluation.bootstrap import (
    BOOTSTRAP_CELLS,
    chunk_sizes,
    resampled_finals,
    standard_error,
    student_reach,
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
        Number of resamples that the standard error is computed from.
    seed : int
        Seed of the draws.

    Returns
    -------
    dict
        ``difference``, final of ``a`` minus final of ``b``; ``interval``, its 95 % Student's
        interval [low, high]; ``p_value``, two-sided, of Student's t with as many degrees of freedom
        as groups less one. With a single group, the interval is [-2, 2] and the p-value 1.

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
    reach = student_reach(differences, len(names))
    return {
        "difference": difference,
        "interval": [difference - reach, difference + reach],
        "p_value": _p_value(difference, standard_error(differences, len(names)), len(names)),
    }


def _p_value(difference: float, error: float, groups: int) -> float:
    """Two-sided p-value of Student's t; 1 for two systems that do not differ at all."""
    if difference == 0:
        return 1.0
    with np.errstate(divide="ignore"):  # without error, t is infinite
        return float(2 * special.stdtr(groups - 1, -np.abs(difference) / np.float64(error)))
