"""Increasing curves with few parameters from one label scale to another, by least squares."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from scipy.optimize import least_squares

from seiqa_models.core.arrays import FloatVector, Rows
from seiqa_models.core.splits import make_folds

_MOST_BENT = (0.75, 0.24)
"""Bounds of bend and twist: their sum stays below 1, so that the curve is increasing everywhere."""


@dataclass(frozen=True)
class ScaleMap:
    """A rising curve: start + rise · (u + bend · u(1-u) + twist · u(1-u)(1-2u)), u in 0..1.

    Attributes
    ----------
    low, high : float
        Labels at u = 0 and u = 1; beyond them the curve continues as a straight line.
    start, rise : float
        Value at ``low``, and its increase from there to ``high``.
    bend, twist : float
        0 for a straight line.
    """

    low: float
    high: float
    start: float
    rise: float
    bend: float = 0.0
    twist: float = 0.0

    def __call__(self, labels: FloatVector) -> FloatVector:
        """The labels on the other scale, float64 [n]."""
        u = (np.asarray(labels, np.float64) - self.low) / (self.high - self.low)
        inside = np.clip(u, 0.0, 1.0)
        beyond = u - inside
        turned = inside * (1 - inside)
        curve = inside + self.bend * turned + self.twist * turned * (1 - 2 * inside)
        slope = np.where(beyond < 0, 1 + self.bend + self.twist, 1 - self.bend + self.twist)
        return np.asarray(self.start + self.rise * (curve + slope * beyond))


def map_between(
    labels: FloatVector,
    predicted: FloatVector,
    groups: Rows,
    expected: ScaleMap,
    home: ScaleMap,
    ends: tuple[float | None, float | None],
) -> ScaleMap:
    """The map of a collection: a curve if it predicts left-out scenes better than a line does.

    Parameters
    ----------
    labels, predicted : float64 [n]
        The collection's labels, and held-out predictions on the common scale.
    groups : int [n]
        Codes of the scenes.
    expected : ScaleMap
        From a label on the common scale to its expected prediction.
    home : ScaleMap
        The range of the common scale is that of its values.
    ends : (float or None, float or None)
        Labels of an undistorted picture on the collection's scale and on the common one; both are
        needed to have an effect.
    """

    def fitted(rows: Rows, bent: bool) -> ScaleMap:
        return _least_squares(labels[rows], predicted[rows], expected, home, ends, bent=bent)

    every = np.arange(len(labels))
    if len(np.unique(groups)) < 2:
        return fitted(every, False)
    errors = {False: 0.0, True: 0.0}
    for train, test in make_folds(groups, n_splits=5, seed=0):
        for bent in errors:
            missed = predicted[test] - expected(fitted(train, bent)(labels[test]))
            errors[bent] += float(missed @ missed)
    return fitted(every, errors[True] < errors[False])


def _least_squares(
    labels: FloatVector,
    predicted: FloatVector,
    expected: ScaleMap,
    home: ScaleMap,
    ends: tuple[float | None, float | None],
    *,
    bent: bool,
) -> ScaleMap:
    """The map m for which expected(m(label)) is closest to the prediction."""
    first = straight(labels, np.array([home.start, home.start + home.rise]))
    own, common = ends

    def missed(curve: ScaleMap) -> FloatVector:
        errors = predicted - expected(curve(labels))
        if own is None or common is None:
            return np.asarray(errors)
        # As much weight as all rows together: the anchor is known, not estimated.
        off = (curve(np.array([own]))[0] - common) * np.sqrt(len(labels))
        return np.append(errors, off)

    return _fitted(first, missed, bent=bent)


def expectation(labels: FloatVector, predicted: FloatVector) -> ScaleMap:
    """The expected prediction as an increasing curve of the label; both are float64 [n]."""
    return _fitted(straight(labels, predicted), lambda curve: predicted - curve(labels), bent=True)


def _fitted(first: ScaleMap, missed: Callable[[ScaleMap], FloatVector], *, bent: bool) -> ScaleMap:
    """The least-squares curve for the residuals `missed`, starting from `first`."""
    span = abs(first.rise) or 1.0
    free = 4 if bent else 2

    def curve(values: FloatVector) -> ScaleMap:
        start, rise, bend, twist = (*values.tolist(), 0.0, 0.0)[:4]
        return replace(
            first, start=first.start + span * start, rise=span * rise, bend=bend, twist=twist
        )

    bounds = np.array([(-10.0, 10.0), (1e-3, 10.0), *((-limit, limit) for limit in _MOST_BENT)])
    begin = np.array([0.0, 1.0, 0.0, 0.0])
    found = least_squares(
        lambda values: missed(curve(values)) / span, begin[:free], bounds=bounds[:free].T
    )
    return curve(found.x)


def straight(labels: FloatVector, values: FloatVector) -> ScaleMap:
    """The straight line from the range of the labels [n] to that of the values [m]."""
    low, high = float(labels.min()), float(labels.max())
    high = high if high > low else low + 1.0
    start, end = float(values.min()), float(values.max())
    return ScaleMap(low, high, start, end - start)
