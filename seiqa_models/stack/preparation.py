"""Preparation: any feature table → a finite float matrix that every learner can read."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import check_is_fitted

from seiqa_models.core.arrays import FloatMatrix, Names
from seiqa_models.stack.meta import RidgeMeta


class Preparation(TransformerMixin, BaseEstimator, auto_wrap_output_keys=None):  # type: ignore[call-arg]
    """RidgeMeta, then clipping, medians for missing values, and removal of constant columns.

    Values are clipped to the finite range seen in training: an identical pair has an infinite PSNR,
    which must count as "best seen" and not as missing. NaN, an undefined value, becomes the
    training median. Rows without labels widen the range, so that values which occur only in them
    remain distinct.

    Attributes
    ----------
    meta_ : RidgeMeta
    columns_ : list of str
        Names of the output columns: those that vary in training.
    low_, high_, medians_ : float64 [len(columns_)]
    """

    def fit(self, X: pd.DataFrame, y: ArrayLike, groups: ArrayLike | None = None) -> Preparation:
        """Fit on all rows; see `fit_transform`."""
        self.fit_transform(X, y, groups)
        return self

    def fit_transform(
        self,
        X: pd.DataFrame,
        y: ArrayLike,
        groups: ArrayLike | None = None,
        more: pd.DataFrame | None = None,
    ) -> FloatMatrix:
        """Fit, and return the rows with cross-fitted meta-features, float64 [n, len(columns_)].

        ``more`` holds unlabelled rows with the same columns.
        """
        self.meta_ = RidgeMeta()
        table = self.meta_.fit_transform(X, y, groups)
        values = table.to_numpy(np.float64)
        if more is not None and len(more):
            unlabelled = self.meta_.transform(more)[table.columns].to_numpy(np.float64)
            values = np.concatenate([values, unlabelled])
        finite = np.where(np.isfinite(values), values, np.nan)
        # Not np.nanmin: to silence its warning would change the filters of all threads.
        low, high = np.fmin.reduce(finite, axis=0), np.fmax.reduce(finite, axis=0)
        labelled = finite[: len(table)]
        known = np.isfinite(labelled).any(axis=0)
        medians = np.full(values.shape[1], np.nan)
        medians[known] = np.nanmedian(labelled[:, known], axis=0)
        kept = (high > low) & np.isfinite(medians)
        self.columns_ = [str(name) for name in table.columns[kept]]
        self.low_, self.high_, self.medians_ = low[kept], high[kept], medians[kept]
        return self._bounded(table[self.columns_].to_numpy(np.float64))

    def transform(self, X: pd.DataFrame) -> FloatMatrix:
        """Prepare new rows, float64 [n, len(columns_)]."""
        return self._bounded(self._columns(X))

    def get_feature_names_out(
        self,
        input_features: ArrayLike | None = None,  # noqa: ARG002
    ) -> Names:
        """``columns_`` as an array of str."""
        check_is_fitted(self, "columns_")
        return np.array(self.columns_, dtype=object)

    def transform_with_excess(self, X: pd.DataFrame) -> tuple[FloatMatrix, FloatMatrix]:
        """Prepared rows, and how far their values were outside the training range, in units of it.

        Both are float64 [n, len(columns_)]. The excess is negative below the range, 0 inside it and
        for values that are not finite, which mean "best seen" or "undefined".
        """
        values = self._columns(X)
        finite = np.where(np.isfinite(values), values, self.medians_)
        beyond = finite - np.clip(finite, self.low_, self.high_)
        return self._bounded(values), np.asarray(beyond / (self.high_ - self.low_))

    def _columns(self, X: pd.DataFrame) -> FloatMatrix:
        return self.meta_.transform(X)[self.columns_].to_numpy(np.float64)

    def _bounded(self, values: FloatMatrix) -> FloatMatrix:
        bounded = np.clip(values, self.low_, self.high_)
        return np.asarray(np.where(np.isnan(bounded), self.medians_, bounded))
