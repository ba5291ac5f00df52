"""Whether one system is better than another: a paired bootstrap on the same held-out rows."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from seiqa_models.core.arrays import FloatVector
from seiqa_models.core.canonical import codes_of
from seiqa_models.core.metrics import final_score
from seiqa_models.evaluation.bootstrap import group_resamples, standard_error, student_reach


def compare(
    y: ArrayLike,
    a: ArrayLike,
    b: ArrayLike,
    groups: ArrayLike,
    *,
    n_boot: int = 1000,
    seed: int = 0,
    finals: tuple[FloatVector, FloatVector] | None = None,
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
    finals : (float64 [n_boot], float64 [n_boot]), optional
        Those of both systems, if known; see
        :func:`seiqa_models.evaluation.bootstrap.group_resamples`.

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
    if finals is None:
        drawn = group_resamples(y, {"a": a, "b": b}, groups, n_boot=n_boot, seed=seed)
        finals = drawn["a"], drawn["b"]
    differences = finals[0] - finals[1]
    if not len(differences):
        return {"difference": difference, "interval": [-2.0, 2.0], "p_value": 1.0}
    count = len(codes_of(groups)[1])
    reach = student_reach(differences, count)
    return {
        "difference": difference,
        "interval": [difference - reach, difference + reach],
        "p_value": _p_value(difference, standard_error(differences, count), count),
    }


def _p_value(difference: float, error: float, groups: int) -> float:
    """Two-sided p-value of Student's t; 1 for two systems that do not differ at all."""
    if difference == 0:
        return 1.0
    with np.errstate(divide="ignore"):  # without error, t is infinite
        return float(2 * special.stdtr(groups - 1, -np.abs(difference) / np.float64(error)))
