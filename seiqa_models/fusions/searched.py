"""SearchedFusion: what fusions whose weights are searched have in common."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import clone

from seiqa_models.core.arrays import FloatMatrix, FloatVector
from seiqa_models.fusions.protocol import HeldOut, Predictions
from seiqa_models.fusions.robustness import robust_weights, tells_enough
from seiqa_models.fusions.weighted import WeightedFusion


class SearchedFusion(WeightedFusion):
    """Base of fusions that search weights in [0, max_weight] of sum 1.

    Their parameters include ``max_weight`` and ``srocc_share``; the search is `_searched`.
    """

    max_weight: float
    srocc_share: float

    def fit(
        self,
        P: Predictions,
        y: ArrayLike,
        groups: ArrayLike | None = None,
        unseen: HeldOut | None = None,
    ) -> Self:
        """Search the weights.

        Parameters
        ----------
        P : DataFrame or float [n, m]
            Out-of-fold predictions.
        y : array-like of float [n]
        groups : array-like [n], optional
            Kept whole by the search; by default each row is its own group.
        unseen : HeldOut, optional
            Rows whose groups and kinds of distortion no learner has seen. If given, the weights are
            moved so that they also hold up there; see :mod:`seiqa_models.fusions.robustness`.

        Raises
        ------
        ValueError
            A parameter is out of range.
        """
        self._check_parameters()
        predictions, labels = self._read(P, y)
        codes = np.arange(len(labels)) if groups is None else np.asarray(groups)
        bound = max(self.max_weight, 1 / predictions.shape[1])
        self.weights_ = self._searched(predictions, labels, codes, bound)
        if unseen is not None and tells_enough(unseen):
            goal = clone(self).fit(*unseen).weights_
            familiar = HeldOut(predictions, labels, codes)
            self.weights_ = robust_weights(self.weights_, goal, familiar, unseen)
        return self

    def _searched(
        self, predictions: FloatMatrix, y: FloatVector, groups: NDArray[Any], bound: float
    ) -> FloatVector:
        """The best weights float64 [m], none above the bound."""
        raise NotImplementedError

    def _check_parameters(self) -> None:
        if not 0 < self.max_weight <= 1:
            raise ValueError(f"max_weight is {self.max_weight}, expected a value in (0, 1]")
        if not 0 <= self.srocc_share <= 1:
            raise ValueError(f"srocc_share is {self.srocc_share}, expected a value in [0, 1]")
