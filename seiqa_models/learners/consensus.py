"""Consensus: the joint verdict of all columns, and how far they agree.

Where the metrics agree, their consensus is hard to beat by anything learned from a few scenes;
where they do not (contrast, saturation, a shift of the mean) it is worthless. It is therefore
accompanied by the agreement a = exp(-(s / s₀)²) of each row, s its spread and s₀ the median spread
in training (see :mod:`seiqa_models.learners.components`), which a stack uses as a gate.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.utils import Tags
from sklearn.utils.validation import check_is_fitted, validate_data

from seiqa_models.core.arrays import FloatVector
from seiqa_models.core.curves import bend, rising_curve
from seiqa_models.learners.components import OrientedComponents, spreads
from seiqa_models.learners.oriented import Directions

_ROWS_PER_KNOT = 10
_KNOTS = (2, 5)
"""Minimum and maximum number of knots; two (a straight line) for few rows."""


class Consensus(RegressorMixin, BaseEstimator):
    """First component of the oriented ranks, mapped to the label by a curve of up to 5 knots.

    The curve is fitted on the half of the training rows whose columns agree most.

    Parameters
    ----------
    directions : sequence of int [p], optional
        Of :func:`seiqa_models.learners.oriented.signs`.

    Attributes
    ----------
    component_ : OrientedComponents
    x_, z_ : float64 [knots]; slope_ : float
        The curve; see :mod:`seiqa_models.core.curves`.
    median_spread_ : float
        s₀ above.
    least_agreement_ : float
        Smallest agreement of the training rows that the component was fitted on; the columns of
        rows below it do not agree.
    """

    def __init__(self, directions: Directions = None) -> None:
        self.directions = directions

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.regressor_tags.poor_score = True  # columns with nothing in common have no consensus
        return tags

    def fit(self, X: ArrayLike, y: ArrayLike) -> Consensus:
        """Fit X float [n, p] and y float [n]."""
        checked = validate_data(self, X, y, dtype=np.float64, y_numeric=True, ensure_min_samples=2)
        label: FloatVector = checked[1].astype(np.float64)
        self.component_ = OrientedComponents(1, directions=self.directions).fit(checked[0], label)
        spread = spreads(self.component_.ranks_.transform(checked[0]))
        # A single column always agrees with itself, in any unit.
        self.median_spread_ = float(np.median(spread)) or 1.0
        self.least_agreement_ = float(self._agreement(np.array([self.component_.limit_]))[0])
        agreeing = spread <= np.median(spread)
        score = self.component_.transform(checked[0])[agreeing, 0]
        knots = int(np.clip(len(score) // _ROWS_PER_KNOT, *_KNOTS))
        self.x_, self.z_, self.slope_ = rising_curve(score, label[agreeing], knots)
        if len(self.x_) < 2:  # no information on the label: the consensus is constant
            self.z_, self.slope_ = np.full(1, label.mean()), 0.0
        return self

    def predict(self, X: ArrayLike) -> FloatVector:
        """The consensus of the columns, float64 [n], in the unit of the labels."""
        check_is_fitted(self, "x_")
        values = validate_data(self, X, dtype=np.float64, reset=False)
        return bend((self.x_, self.z_, self.slope_), self.component_.transform(values)[:, 0])

    def agreement(self, X: ArrayLike) -> FloatVector:
        """How far the columns agree, float64 [n] in 0..1; exp(-1) at the median spread."""
        check_is_fitted(self, "x_")
        values = validate_data(self, X, dtype=np.float64, reset=False)
        return self._agreement(spreads(self.component_.ranks_.transform(values)))

    def _agreement(self, spread: FloatVector) -> FloatVector:
        return np.asarray(np.exp(-((spread / self.median_spread_) ** 2)))
