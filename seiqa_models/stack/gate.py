"""Gate: how surely a row is of one sort of constructed pair.

Labelled rows are not of the sort: a logistic regression tells them, and the constructed rows of
other sorts, from those of the sort. With p its probability, the gate opens as u = max(0, 2 p - 1).

It reads every column twice: its values, and its ranks among these rows. Another photograph is far
from whatever shows the reference in the values of many columns, such as the similarity of colours.
Another texture of like colours is not, but no other rows are between them, so that it is far in
ranks (docs/explanation/constructed-orders.md). Ranks alone would not tell how wide a gap is.
"""

from __future__ import annotations

from typing import Self

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_union
from sklearn.preprocessing import StandardScaler
from sklearn.utils.validation import check_is_fitted

from seiqa_models.core.arrays import FloatMatrix, FloatVector
from seiqa_models.learners.scaling import RankNormal

STRENGTH = 1000.0
"""C of the logistic regression, for weights of the rows that sum to 1."""

_MAX_ITERATIONS = 1000


class Gate(BaseEstimator):
    """A logistic regression on the values and ranks of all prepared columns.

    Attributes
    ----------
    scaler_, model_ : FeatureUnion, LogisticRegression
        In bundles of earlier versions, the scaler is a StandardScaler: values alone.
    """

    def fit(self, labelled: ArrayLike, made: ArrayLike, chosen: ArrayLike) -> Self:
        """Fit to prepared rows.

        The labelled rows, the constructed rows of the sort and those of others have the same total
        weight.

        Parameters
        ----------
        labelled : float64 [n, columns]
            Rows with a label.
        made : float64 [m, columns]
            Constructed rows.
        chosen : bool [m]
            Which of them are of the sort; some are, and some are not.
        """
        known, more = np.asarray(labelled, np.float64), np.asarray(made, np.float64)
        wanted = np.concatenate([np.zeros(len(known), bool), np.asarray(chosen, bool)])
        part = np.concatenate([np.zeros(len(known), np.intp), 1 + wanted[len(known) :]])
        values = np.concatenate([known, more])
        weight = 1 / (3 * np.bincount(part, minlength=3))[part]
        self.scaler_ = make_union(StandardScaler(), RankNormal()).fit(values)
        self.model_ = LogisticRegression(C=STRENGTH, max_iter=_MAX_ITERATIONS)
        self.model_.fit(self.scaler_.transform(values), wanted, weight)
        return self

    def share(self, values: FloatMatrix) -> FloatVector:
        """u of prepared rows [n, columns], float64 [n] in 0..1."""
        check_is_fitted(self, "model_")
        probability = self.model_.predict_proba(self.scaler_.transform(values))[:, 1]
        return np.asarray(np.maximum(0, 2 * probability - 1), np.float64)
