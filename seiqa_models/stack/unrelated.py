"""UnrelatedGate: how likely a degraded picture shows nothing of its reference.

Labelled pairs show the right picture, at worst strongly distorted. A model trained on them fails
on a different picture, a flat colour or noise: one of TID2013's pairs gives these 1.5 of 5, like a
strong blur. Such pairs can be constructed from any reference, and are easily told apart by a
logistic regression on all prepared columns. With p its probability,

    score = bottom + (1 - u) · (score - bottom),   u = max(0, 2 p - 1)

Before that, scores below a tenth of the scale are compressed so that they approach the bottom
without passing it. Their order is kept, so that a picture that still shows something of the
reference scores above one that shows nothing.

Learning the constructed pairs as further rows, with the bottom as target, cost .0035 of final on
held-out scenes of TID2013. The gate costs nothing: of 960 labelled pairs of TID2013 and LIVE u is
above 0.3 for one, the noisiest, which people put at the bottom.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler
from sklearn.utils.validation import check_is_fitted

from seiqa_models.core.arrays import FloatMatrix, FloatVector

STRENGTH = 1000.0
"""C of the logistic regression, for weights of the rows that sum to 1."""

FLOOR = 0.1
"""Share of the scale below which scores are compressed."""

_MAX_ITERATIONS = 1000


class UnrelatedGate(BaseEstimator):
    """How certainly a row's degraded picture is unrelated to its reference.

    Attributes
    ----------
    scaler_, model_ : StandardScaler, LogisticRegression
    """

    def fit(self, labelled: ArrayLike, made: ArrayLike, gone: ArrayLike) -> UnrelatedGate:
        """Fit to prepared rows.

        The labelled rows, the constructed rows that are related and those that are not have the
        same total weight.

        Parameters
        ----------
        labelled : float64 [n, columns]
            Rows with a label; people could still judge how much meaning these pictures keep.
        made : float64 [m, columns]
            Constructed rows.
        gone : bool [m]
            Which of them show nothing of the reference; some are, and some are not.
        """
        known, more = np.asarray(labelled, np.float64), np.asarray(made, np.float64)
        unrelated = np.concatenate([np.zeros(len(known), bool), np.asarray(gone, bool)])
        part = np.concatenate([np.zeros(len(known), np.intp), 1 + unrelated[len(known) :]])
        values = np.concatenate([known, more])
        weight = 1 / (3 * np.bincount(part, minlength=3))[part]
        self.scaler_ = StandardScaler().fit(values)
        self.model_ = LogisticRegression(C=STRENGTH, max_iter=_MAX_ITERATIONS)
        self.model_.fit(self.scaler_.transform(values), unrelated, weight)
        return self

    def share(self, values: FloatMatrix) -> FloatVector:
        """u of prepared rows [n, columns], float64 [n] in 0..1."""
        check_is_fitted(self, "model_")
        probability = self.model_.predict_proba(self.scaler_.transform(values))[:, 1]
        return np.asarray(np.maximum(0, 2 * probability - 1), np.float64)


def pulled_down(score: FloatVector, share: FloatVector, scale: tuple[float, float]) -> FloatVector:
    """Scores float64 [n] with u [n], on a scale (bottom, top) that they may exceed."""
    bottom, top = scale
    knee = FLOOR * (top - bottom)
    height = score - bottom
    height = np.where(height < knee, knee * np.exp(np.minimum(height, knee) / knee - 1), height)
    return np.asarray(bottom + (1 - share) * height)
