"""BaggedFusion: bounded weights, searched on many draws of the groups and averaged."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from seiqa_models.core.arrays import FloatMatrix, FloatVector
from seiqa_models.core.metrics import SROCC_SHARE
from seiqa_models.fusions.registry import fusion
from seiqa_models.fusions.search import Surrogate
from seiqa_models.fusions.searched import SearchedFusion


@fusion("bagged")
class BaggedFusion(SearchedFusion):
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

    def _check_parameters(self) -> None:
        super()._check_parameters()
        if self.shrinkage < 0:
            raise ValueError(f"shrinkage is {self.shrinkage}, expected 0 or more")
        if self.n_draws < 1:
            raise ValueError(f"n_draws is {self.n_draws}, expected 1 or more")

    def _searched(
        self, predictions: FloatMatrix, y: FloatVector, groups: NDArray[Any], bound: float
    ) -> FloatVector:
        """The mean of the weights found on draws of the groups with replacement."""
        codes, _ = pd.factorize(groups)
        n_groups = int(codes.max()) + 1
        rows_of = [np.flatnonzero(codes == group) for group in range(n_groups)]
        rng = np.random.default_rng(0)
        total = np.zeros(predictions.shape[1])
        for _ in range(self.n_draws):
            rows = np.concatenate([rows_of[g] for g in rng.integers(n_groups, size=n_groups)])
            surrogate = Surrogate(predictions[rows], y[rows], self.srocc_share)
            total += surrogate.best(bound, self.shrinkage)
        return np.asarray(total / self.n_draws)
