"""AsIs: a column that is a score already, unchanged."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.utils.validation import validate_data

from seiqa_models.core.arrays import FloatMatrix, FloatVector
from seiqa_models.core.frames import known_rows


class AsIs(RegressorMixin, BaseEstimator):
    """Predicts the values of one column: the one with the smallest mean absolute error.

    Attributes
    ----------
    column_ : int
    """

    def fit(self, X: ArrayLike, y: ArrayLike) -> AsIs:
        """Choose the column of X float [n, p] that is closest to y float [n]."""
        checked = validate_data(self, X, y, dtype=np.float64, y_numeric=True)
        values: FloatMatrix = checked[0]
        self.column_ = int(np.argmin(np.abs(values - checked[1][:, None]).mean(axis=0)))
        return self

    def predict(self, X: ArrayLike) -> FloatVector:
        """The column's values, float64 [n]."""
        values = known_rows(self, X, "column_")
        return values[:, self.column_]
