"""Preparation: any feature table → a finite float matrix that every learner can read."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.preprocessing import QuantileTransformer
from sklearn.utils.validation import check_is_fitted, validate_data

from seiqa_models.arrays import FloatMatrix
from seiqa_models.meta import RidgeMeta


class Preparation(TransformerMixin, BaseEstimator):
    """RidgeMeta, then bounds, medians for missing values, and no constant columns.

    Values are clipped to the finite range seen in training: an identical pair has an infinite
    PSNR, which must count as "best seen" and not as missing. NaN, an undefined value, becomes the
    training median.

    Attributes
    ----------
    meta_ : RidgeMeta
    columns_ : list of str
        Names of the columns that come out: those that vary in training.
    low_, high_, medians_ : float64 [len(columns_)]
    """

    def fit(self, X: pd.DataFrame, y: ArrayLike, groups: ArrayLike | None = None) -> Preparation:
        """Fit on all rows; see :meth:`fit_transform`."""
        self.fit_transform(X, y, groups)
        return self

    def fit_transform(
        self, X: pd.DataFrame, y: ArrayLike, groups: ArrayLike | None = None
    ) -> FloatMatrix:
        """Fit, and return the rows with cross-fitted meta-features, float64 [n, len(columns_)]."""
        self.meta_ = RidgeMeta()
        table = self.meta_.fit_transform(X, y, groups)
        values = table.to_numpy(np.float64)
        finite = np.where(np.isfinite(values), values, np.nan)
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "All-NaN slice", RuntimeWarning)
            low, high = np.nanmin(finite, axis=0), np.nanmax(finite, axis=0)
            medians = np.nanmedian(finite, axis=0)
        kept = high > low
        self.columns_ = [str(name) for name in table.columns[kept]]
        self.low_, self.high_, self.medians_ = low[kept], high[kept], medians[kept]
        return self._bounded(table)

    def transform(self, X: pd.DataFrame) -> FloatMatrix:
        """Prepare new rows, float64 [n, len(columns_)]."""
        return self._bounded(self.meta_.transform(X))

    def _bounded(self, table: pd.DataFrame) -> FloatMatrix:
        values = np.clip(table[self.columns_].to_numpy(np.float64), self.low_, self.high_)
        return np.asarray(np.where(np.isnan(values), self.medians_, values))


class RankNormal(TransformerMixin, BaseEstimator):
    """Each column's training ranks as normal scores, bounded.

    Many metrics crowd near their ideal value with a long tail. Ranks spread them evenly, so that
    one kernel width fits all columns, and the bound keeps the tails from ruling the distances. On
    the three development tables this lifted the SVR's final by .002 to .01 over plain scaling.

    Parameters
    ----------
    bound : float
        Largest absolute normal score that is kept.

    Attributes
    ----------
    quantiles_ : QuantileTransformer
    """

    def __init__(self, bound: float = 2.5) -> None:
        self.bound = bound

    def fit(self, X: ArrayLike, y: ArrayLike | None = None) -> RankNormal:  # noqa: ARG002
        """Learn the columns' quantiles; X float [n, p]."""
        values: FloatMatrix = validate_data(self, X, dtype=np.float64)
        self.quantiles_ = QuantileTransformer(
            n_quantiles=min(200, len(values)), output_distribution="normal", random_state=0
        ).fit(values)
        return self

    def transform(self, X: ArrayLike) -> FloatMatrix:
        """Normal scores float64 [n, p] in −bound..bound."""
        check_is_fitted(self, "quantiles_")
        X = validate_data(self, X, dtype=np.float64, reset=False)
        return np.asarray(np.clip(self.quantiles_.transform(X), -self.bound, self.bound))
