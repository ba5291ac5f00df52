"""An increasing piecewise linear curve that maps a score to the label."""

from __future__ import annotations

import numpy as np
from sklearn.isotonic import isotonic_regression

from seiqa_models.core.arrays import FloatVector

_FLATTEST = 0.2
"""Smallest slope of a segment, as a share of the overall slope; any flatter and rows would tie."""

Curve = tuple[FloatVector, FloatVector, float]
"""Scores and labels of the knots, both strictly increasing, and the slope beyond the outer ones."""

IDENTITY: Curve = (np.zeros(1), np.zeros(1), 1.0)


def rising_curve(score: FloatVector, label: FloatVector, n_knots: int) -> Curve:
    """Fit a curve to rows sorted by score and cut into equal parts, with knots at the parts' means.

    Scores and labels are float64 [n]; there are ``n_knots`` parts, 1 or more. The labels of the
    knots are made increasing (isotonic regression). Beyond the outer knots the curve continues with
    its overall slope.

    Returns
    -------
    Curve
        :data:`IDENTITY` for fewer than two knots, or a score that carries no information on the
        label.
    """
    parts = np.array_split(np.argsort(score, kind="stable"), n_knots)
    x = np.array([score[rows].mean() for rows in parts])
    z = isotonic_regression(np.array([label[rows].mean() for rows in parts]))
    apart = np.append(True, np.diff(x) > 0)
    x, z = x[apart], z[apart]
    if len(x) < 2 or z[-1] <= z[0]:
        return IDENTITY
    slope = float((z[-1] - z[0]) / (x[-1] - x[0]))
    steps = np.maximum(np.diff(z), _FLATTEST * slope * np.diff(x))
    raised = np.append(0.0, np.cumsum(steps))
    return x, raised + z.mean() - raised.mean(), slope


def bend(curve: Curve, score: FloatVector) -> FloatVector:
    """Evaluate the curve: labels float64 [n] at scores [n]."""
    x, z, slope = curve
    beyond = score - np.clip(score, x[0], x[-1])
    return np.asarray(np.interp(score, x, z) + slope * beyond)
