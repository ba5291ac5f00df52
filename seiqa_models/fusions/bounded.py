"""BoundedFusion: a weighted mean whose weights maximise the final score."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from seiqa_models.core.arrays import FloatMatrix, FloatVector
from seiqa_models.core.metrics import SROCC_SHARE, final_score
from seiqa_models.core.splits import make_folds
from seiqa_models.fusions.registry import fusion
from seiqa_models.fusions.search import Objective, Surrogate, best_learner, climb
from seiqa_models.fusions.searched import SearchedFusion

SHRINKAGES = (0.1, 0.03, 0.01, 0.003, 0.001, 0.0)
"""Strengths of the pull to equal weights compared by cross-validation, strongest first."""

_CV_FOLDS = 5


@fusion("bounded")
class BoundedFusion(SearchedFusion):
    """Weighted mean of predictions, with weights in [0, max_weight] of sum 1, that maximises

        srocc_share · SROCC + (1 - srocc_share) · PLCC - shrinkage · ‖w - uniform‖²

    on the rows it is fitted to, which must be out-of-fold predictions; see
    `seiqa_models.fusions.search` for the method. Deterministic.

    Parameters
    ----------
    max_weight : float
        Largest weight of one learner, in (0, 1]; with m learners at least 1/m is allowed, as
        otherwise no weights would sum to 1.
    shrinkage : float, optional
        Pull towards equal weights, 0 or more. By default the value of `SHRINKAGES` whose weights,
        fitted on some groups, score best on the others.
    srocc_share : float
        In [0, 1]; by default that of the challenge's final score.

    Attributes
    ----------
    weights_ : float64 [m]
    shrinkage_ : float
    """

    def __init__(
        self,
        max_weight: float = 1.0,
        shrinkage: float | None = None,
        srocc_share: float = SROCC_SHARE,
    ) -> None:
        self.max_weight = max_weight
        self.shrinkage = shrinkage
        self.srocc_share = srocc_share

    def _check_parameters(self) -> None:
        super()._check_parameters()
        if self.shrinkage is not None and self.shrinkage < 0:
            raise ValueError(f"shrinkage is {self.shrinkage}, expected 0 or more")

    def _searched(
        self, predictions: FloatMatrix, y: FloatVector, groups: NDArray[Any], bound: float
    ) -> FloatVector:
        """The better of two local optima: from the smooth one, and from the best learner."""
        shrinkage = self.shrinkage
        if shrinkage is None:
            shrinkage = self._chosen_shrinkage(predictions, y, groups, bound)
        self.shrinkage_ = shrinkage
        objective = Objective(predictions, y, self.srocc_share, shrinkage)
        smooth = Surrogate(predictions, y, self.srocc_share).best(bound, shrinkage)
        favourite = best_learner(objective, predictions.shape[1], bound)
        found = [climb(start, objective, bound) for start in (smooth, favourite)]
        return max(found, key=lambda end: end[1])[0]

    def _chosen_shrinkage(
        self, predictions: FloatMatrix, y: FloatVector, groups: ArrayLike, bound: float
    ) -> float:
        """The shrinkage with the best mean score on held-out groups; ties go to the strongest."""
        if predictions.shape[1] == 1 or len(np.unique(np.asarray(groups))) < 2:
            return SHRINKAGES[0]
        totals = np.zeros(len(SHRINKAGES))
        for train, test in make_folds(groups, n_splits=_CV_FOLDS, seed=0):
            surrogate = Surrogate(predictions[train], y[train], self.srocc_share)
            for i, shrinkage in enumerate(SHRINKAGES):
                fused = predictions[test] @ surrogate.best(bound, shrinkage)
                totals[i] += final_score(y[test], fused)
        return SHRINKAGES[int(np.argmax(totals))]
