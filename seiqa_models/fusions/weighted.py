"""Weighted-mean fusions without a weight search: equal weights, best member, greedy selection."""

from __future__ import annotations

from typing import Self

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.utils import Tags
from sklearn.utils.validation import validate_data

from seiqa_models.core.arrays import FloatMatrix, FloatVector
from seiqa_models.core.frames import known_rows
from seiqa_models.core.metrics import final_score
from seiqa_models.fusions.protocol import Predictions
from seiqa_models.fusions.registry import fusion


class WeightedFusion(RegressorMixin, BaseEstimator):
    """Base of fusions with ``weights_``: checks the predictions and computes the weighted mean.

    Attributes
    ----------
    weights_ : float64 [m]
        0 or more, sum 1.
    """

    weights_: FloatVector

    def predict(self, P: Predictions) -> FloatVector:
        """Fused scores float64 [n] of predictions P [n, m]."""
        fused: FloatVector = known_rows(self, P, "weights_") @ self.weights_
        return fused

    def __sklearn_tags__(self) -> Tags:
        """Tag as poor: a mean of columns that do not predict the label does not either."""
        tags = super().__sklearn_tags__()
        tags.regressor_tags.poor_score = True
        return tags

    def _read(self, P: Predictions, y: ArrayLike) -> tuple[FloatMatrix, FloatVector]:
        """Predictions float64 [n, m] and labels float64 [n], checked; the columns are noted."""
        predictions, labels = validate_data(self, P, y, dtype=np.float64, y_numeric=True)
        return predictions, labels.astype(np.float64)


@fusion("mean")
class MeanFusion(WeightedFusion):
    """Mean of all learners; nothing is fitted.

    Attributes
    ----------
    weights_ : float64 [m]
    """

    def fit(self, P: Predictions, y: ArrayLike, groups: ArrayLike | None = None) -> Self:  # noqa: ARG002
        """Note how many learners there are: P float [n, m], y float [n]."""
        predictions, _ = self._read(P, y)
        self.weights_ = np.full(predictions.shape[1], 1 / predictions.shape[1])
        return self


@fusion("best_single")
class BestSingleFusion(WeightedFusion):
    """The one learner with the best final score on the out-of-fold predictions.

    Attributes
    ----------
    weights_ : float64 [m]
        1 for that learner (the first in case of ties).
    """

    def fit(self, P: Predictions, y: ArrayLike, groups: ArrayLike | None = None) -> Self:  # noqa: ARG002
        """Choose by P float [n, m] and labels y float [n]."""
        predictions, labels = self._read(P, y)
        finals = [final_score(labels, column) for column in predictions.T]
        self.weights_ = np.eye(len(finals))[int(np.argmax(finals))]
        return self


@fusion("greedy")
class GreedyFusion(WeightedFusion):
    """Greedy selection with repetition.

    Starting from an empty sum, the learner that most raises the final score of the sum is added
    repeatedly; the weights are the counts after the best round (Caruana et al., Ensemble Selection
    from Libraries of Models, ICML 2004).

    Parameters
    ----------
    rounds : int
        Number of learners added, 1 or more.

    Attributes
    ----------
    weights_ : float64 [m]
    """

    def __init__(self, rounds: int = 25) -> None:
        self.rounds = rounds

    def fit(self, P: Predictions, y: ArrayLike, groups: ArrayLike | None = None) -> Self:  # noqa: ARG002
        """Select by P float [n, m] and labels y float [n].

        Raises
        ------
        ValueError
            ``rounds`` is less than 1.
        """
        if self.rounds < 1:
            raise ValueError(f"rounds is {self.rounds}, expected 1 or more")
        predictions, labels = self._read(P, y)
        counts: FloatVector = np.zeros(predictions.shape[1])
        best, best_score = counts, -np.inf
        for _ in range(self.rounds):
            total = predictions @ counts
            scores = [final_score(labels, total + column) for column in predictions.T]
            counts = counts + np.eye(len(counts))[int(np.argmax(scores))]
            if max(scores) > best_score:
                best, best_score = counts, max(scores)
        self.weights_ = best / best.sum()
        return self
