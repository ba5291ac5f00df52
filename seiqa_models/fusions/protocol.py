"""The interface of a fusion, required and optional."""

from __future__ import annotations

from typing import NamedTuple, Protocol, Self, runtime_checkable

import pandas as pd
from numpy.typing import ArrayLike

from seiqa_models.core.arrays import FloatMatrix, FloatVector, Rows

Predictions = pd.DataFrame | FloatMatrix
"""Float [n, m], one column per learner; a DataFrame's columns are the learners' names."""


class HeldOut(NamedTuple):
    """Predictions [n, m] of rows that no learner has seen, their labels [n], group codes [n]."""

    predictions: Predictions
    y: FloatVector
    groups: Rows


@runtime_checkable
class Fusion(Protocol):
    """A scikit-learn regressor (it can be cloned) whose inputs are predictions of learners.

    It learns only in ``fit``, from out-of-fold predictions: those of rows whose groups the learners
    have not seen. A stack passes DataFrames to ``fit`` and ``predict``, with the learners' names as
    columns, in the same order. ``predict`` returns values roughly in the unit of the labels; a
    monotone calibration may follow.

    Two things are optional, and no other code relies on them:

    - ``weights_`` : float64 [m], 0 or more, sum 1, in the order of the columns. A fusion whose
      score is a weighted mean sets them in ``fit``; they are included in reports.
    - a parameter ``unseen`` of ``fit``: a `HeldOut` of rows predicted by learners that have
      seen neither the rows' groups nor their kinds of distortion, or None. It is passed if the
      kinds are known and the fusion has the parameter.
    """

    def fit(self, P: Predictions, y: ArrayLike, groups: ArrayLike | None = None) -> Self:
        """Learn to fuse.

        Parameters
        ----------
        P : DataFrame or float [n, m]
            Out-of-fold predictions.
        y : array-like of float [n]
            Labels.
        groups : array-like [n], optional
            Rows with the same value belong together; by default each row is its own group.
        """
        ...

    def predict(self, P: Predictions) -> FloatVector:
        """Fused scores float64 [n] of predictions [n, m]."""
        ...
