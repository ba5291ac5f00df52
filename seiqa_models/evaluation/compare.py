"""Whether one system is better than another: a paired bootstrap on the same held-out rows."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from seiqa_models.core.arrays import FloatVector
from seiqa_models.core.metrics import final_score
from seiqa_models.evaluation.bootstrap import group_resamples


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
        Number of resamples; the smallest possible p-value is 2 / (n_boot + 1).
    seed : int
        Seed of the draws.
    finals : (float64 [n_boot], float64 [n_boot]), optional
        Of both systems, from :func:`seiqa_models.evaluation.bootstrap.group_resamples`, if known.

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
    if finals is None:
        drawn = group_resamples(y, {"a": a, "b": b}, groups, n_boot=n_boot, seed=seed)
        finals = drawn["a"], drawn["b"]
    differences = finals[0] - finals[1]
    if not len(differences):
        return {"difference": difference, "interval": [-2.0, 2.0], "p_value": 1.0}
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
