"""BoundedFusion: a weighted mean whose weights maximise the final score."""

from __future__ import annotations

from typing import Self

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import clone

from seiqa_models.core.arrays import FloatMatrix, FloatVector
from seiqa_models.core.metrics import SROCC_SHARE, final_score
from seiqa_models.core.splits import make_folds
from seiqa_models.fusions.protocol import HeldOut, Predictions
from seiqa_models.fusions.registry import fusion
from seiqa_models.fusions.robustness import robust_weights, tells_enough
from seiqa_models.fusions.search import Objective, Surrogate, best_learner, climb
from seiqa_models.fusions.weighted import WeightedFusion

SHRINKAGES = (0.1, 0.03, 0.01, 0.003, 0.001, 0.0)
"""Strengths of the pull to equal weights compared by cross-validation, strongest first."""

_CV_FOLDS = 5


@fusion("bounded")
class BoundedFusion(WeightedFusion):
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
            Kept whole when the shrinkage is chosen; by default each row is its own group.
        unseen : HeldOut, optional
            Rows whose groups and kinds of distortion no learner has seen. If given, the weights are
            moved so that they also hold up there; see `seiqa_models.fusions.robustness`.

        Raises
        ------
        ValueError
            A parameter is out of range.
        """
        self._check_parameters()
        predictions, labels = self._read(P, y)
        codes = np.arange(len(labels)) if groups is None else np.asarray(groups)
        bound = max(self.max_weight, 1 / predictions.shape[1])
        self.shrinkage_ = self.shrinkage
        if self.shrinkage_ is None:
            self.shrinkage_ = self._chosen_shrinkage(predictions, labels, codes, bound)
        self.weights_ = self._searched(predictions, labels, bound, self.shrinkage_)
        if unseen is not None and tells_enough(unseen):
            goal = clone(self).fit(*unseen).weights_
            familiar = HeldOut(predictions, labels, codes)
            self.weights_ = robust_weights(self.weights_, goal, familiar, unseen)
        return self

    def _check_parameters(self) -> None:
        if not 0 < self.max_weight <= 1:
            raise ValueError(f"max_weight is {self.max_weight}, expected a value in (0, 1]")
        if self.shrinkage is not None and self.shrinkage < 0:
            raise ValueError(f"shrinkage is {self.shrinkage}, expected 0 or more")
        if not 0 <= self.srocc_share <= 1:
            raise ValueError(f"srocc_share is {self.srocc_share}, expected a value in [0, 1]")

    def _searched(
        self, predictions: FloatMatrix, y: FloatVector, bound: float, shrinkage: float
    ) -> FloatVector:
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
