"""BaggedFusion: bounded weights, searched on many draws of the groups and averaged."""

from __future__ import annotations

from typing import Self

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from sklearn.base import clone

from seiqa_models.core.arrays import FloatMatrix, FloatVector, Rows
from seiqa_models.core.metrics import SROCC_SHARE
from seiqa_models.fusions.protocol import HeldOut, Predictions
from seiqa_models.fusions.registry import fusion
from seiqa_models.fusions.robustness import robust_weights, tells_enough
from seiqa_models.fusions.search import Surrogate
from seiqa_models.fusions.weighted import WeightedFusion


@fusion("bagged")
class BaggedFusion(WeightedFusion):
    """Weighted mean of predictions, with weights averaged over draws of the groups.

    Weights found on a few scenes depend partly on chance. Averaged over draws with replacement,
    they are close to equal with few groups, and close to the best weights with many. On each draw
    the weights are those of :class:`seiqa_models.fusions.search.Surrogate` with a fixed, small pull
    to equal weights.

    Parameters
    ----------
    max_weight : float
        Largest weight of one learner, in (0, 1]; with m learners at least 1/m is allowed.
    shrinkage : float
        Pull towards equal weights, 0 or more.
    n_draws : int
        Number of bootstrap draws of the groups, 1 or more.
    srocc_share : float
        In [0, 1]; by default that of the challenge's final score.

    Attributes
    ----------
    weights_ : float64 [m]
    """

    def __init__(
        self,
        max_weight: float = 0.35,
        shrinkage: float = 0.001,
        n_draws: int = 20,
        srocc_share: float = SROCC_SHARE,
    ) -> None:
        self.max_weight = max_weight
        self.shrinkage = shrinkage
        self.n_draws = n_draws
        self.srocc_share = srocc_share

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
            Drawn whole; by default each row is its own group.
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
        codes = np.arange(len(labels)) if groups is None else pd.factorize(np.asarray(groups))[0]
        self.weights_ = self._averaged(predictions, labels, codes)
        if unseen is not None and tells_enough(unseen):
            goal = clone(self).fit(*unseen).weights_
            familiar = HeldOut(predictions, labels, codes)
            self.weights_ = robust_weights(self.weights_, goal, familiar, unseen)
        return self

    def _check_parameters(self) -> None:
        if not 0 < self.max_weight <= 1:
            raise ValueError(f"max_weight is {self.max_weight}, expected a value in (0, 1]")
        if self.shrinkage < 0:
            raise ValueError(f"shrinkage is {self.shrinkage}, expected 0 or more")
        if self.n_draws < 1:
            raise ValueError(f"n_draws is {self.n_draws}, expected 1 or more")
        if not 0 <= self.srocc_share <= 1:
            raise ValueError(f"srocc_share is {self.srocc_share}, expected a value in [0, 1]")

    def _averaged(self, predictions: FloatMatrix, y: FloatVector, codes: Rows) -> FloatVector:
        bound = max(self.max_weight, 1 / predictions.shape[1])
        n_groups = int(codes.max()) + 1
        rows_of = [np.flatnonzero(codes == group) for group in range(n_groups)]
        rng = np.random.default_rng(0)
        total = np.zeros(predictions.shape[1])
        for _ in range(self.n_draws):
            rows = np.concatenate([rows_of[g] for g in rng.integers(n_groups, size=n_groups)])
            surrogate = Surrogate(predictions[rows], y[rows], self.srocc_share)
            total += surrogate.best(bound, self.shrinkage)
        return np.asarray(total / self.n_draws)
