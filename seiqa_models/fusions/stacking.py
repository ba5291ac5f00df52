"""StackingFusion: a ridge regression on the learners' predictions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Self

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.linear_model import Ridge, RidgeCV
from sklearn.utils.validation import validate_data

from seiqa_models.core.arrays import FloatVector
from seiqa_models.core.frames import known_rows
from seiqa_models.core.splits import make_folds
from seiqa_models.fusions.protocol import Predictions
from seiqa_models.fusions.registry import fusion

ALPHAS = tuple(float(alpha) for alpha in np.logspace(-5, 1, 13))
"""Candidate penalties, in units of the predictions' total variance."""

_CV_FOLDS = 5


@fusion("stacking")
class StackingFusion(RegressorMixin, BaseEstimator):
    """Ridge regression on the learners' predictions.

    Wolpert, Stacked generalization, Neural Networks 5, 1992; Breiman, Stacked regressions, Machine
    Learning 24, 1996.

    It has no ``weights_``: coefficients may be negative, and they need not sum to 1.

    Parameters
    ----------
    alphas : sequence of float
        Candidate penalties, all positive; the one with the smallest squared error on held-out
        groups is chosen.

    Attributes
    ----------
    ridge_ : Ridge
    alpha_ : float
        The chosen one of ``alphas``.
    """

    def __init__(self, alphas: Sequence[float] = ALPHAS) -> None:
        self.alphas = alphas

    def fit(self, P: Predictions, y: ArrayLike, groups: ArrayLike | None = None) -> Self:
        """Fit predictions P float [n, m] to labels y float [n].

        Parameters
        ----------
        P : DataFrame or float [n, m]
            Out-of-fold predictions.
        y : array-like of float [n]
        groups : array-like [n], optional
            Kept whole when the penalty is chosen; by default each row is its own group.

        Raises
        ------
        ValueError
            A penalty is not positive.
        """
        alphas = np.asarray(self.alphas, dtype=np.float64)
        if not len(alphas) or not (alphas > 0).all():
            raise ValueError(f"alphas is {self.alphas}, expected one or more positive numbers")
        predictions, labels = validate_data(self, P, y, dtype=np.float64, y_numeric=True)
        codes = np.arange(len(labels)) if groups is None else np.asarray(groups)
        several = len(np.unique(codes)) > 1
        folds = make_folds(codes, n_splits=_CV_FOLDS, seed=0) if several else None
        unit = float(predictions.var(axis=0).sum() * len(labels)) or 1.0
        chosen = float(RidgeCV(alphas * unit, cv=folds).fit(predictions, labels).alpha_)
        self.alpha_ = float(alphas[int(np.argmin(np.abs(alphas * unit - chosen)))])
        self.ridge_ = Ridge(chosen).fit(predictions, labels)
        return self

    def predict(self, P: Predictions) -> FloatVector:
        """Fused scores float64 [n] of predictions P [n, m]."""
        values = known_rows(self, P, "ridge_")
        return np.asarray(self.ridge_.predict(values), dtype=np.float64)
