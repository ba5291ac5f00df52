"""What the observers of one collection add to the score that all collections have in common.

Laboratories disagree about kinds of distortion even where their scales agree: the same loss of
contrast costs more on one screen than on another. A model of several collections learns the mean.
For pictures to be judged as the observers of one of them would, a term of that collection is added:
a Gaussian process of what the common score misses in its held-out rows, on a few components of the
columns. It is multiplied by the share that fits scenes left out from the term best, so that a term
that does not help shrinks to nothing.
"""

from __future__ import annotations

import numpy as np
from sklearn.base import BaseEstimator

from seiqa_models.core.arrays import FloatMatrix, FloatVector, Rows
from seiqa_models.core.checks import TrainingTable
from seiqa_models.core.splits import make_folds
from seiqa_models.core.threads import one_core
from seiqa_models.learners.components import OrientedComponents
from seiqa_models.learners.gaussian_process import ExponentialGP
from seiqa_models.learners.oriented import Directions

SHARES = (0.0, 0.25, 0.5, 0.75, 1.0)
"""Candidates for the share of a collection's term."""

_COMPONENTS = 8


class Observers(BaseEstimator):
    """The terms of all collections, by name.

    Parameters
    ----------
    directions : sequence of int [p], optional
        Of :func:`seiqa_models.learners.oriented.signs`.

    Attributes
    ----------
    components_ : OrientedComponents
        Of the prepared columns, on the rows of all collections.
    terms_ : dict of ExponentialGP
    shares_ : dict of float
        Between 0 (no term) and 1.
    """

    def __init__(self, directions: Directions = None) -> None:
        self.directions = directions

    @one_core()
    def fit(self, values: FloatMatrix, table: TrainingTable, fused: FloatVector) -> Observers:
        """Fit a term for every collection.

        Parameters
        ----------
        values : float64 [n or more, p]
            Prepared rows; those beyond the table's have no label and are not used.
        table : TrainingTable
            Of n rows, with collections and labels on the common scale.
        fused : float64 [n]
            Out-of-fold scores.
        """
        values, y = values[: len(fused)], table.y
        count = min(_COMPONENTS, len(y))
        self.components_ = OrientedComponents(count, directions=self.directions).fit(values, y)
        places, missed = self.components_.transform(values), y - fused
        self.terms_: dict[str, ExponentialGP] = {}
        self.shares_: dict[str, float] = {}
        for code, name in enumerate(table.names):
            rows = table.laboratories == code
            self.shares_[name] = _share(places[rows], missed[rows], table.groups[rows])
            self.terms_[name] = ExponentialGP().fit(places[rows], missed[rows])
        return self

    def predict(self, values: FloatMatrix, name: str) -> FloatVector:
        """What the term of collection `name` adds to scores of prepared rows [n, p]:."""
        term = self.terms_[name].predict(self.components_.transform(values))
        return np.asarray(self.shares_[name] * term)


def _share(places: FloatMatrix, missed: FloatVector, groups: Rows) -> float:
    """The share of the term with the smallest squared error on groups left out from it."""
    if len(np.unique(groups)) < 2:
        return 0.0
    term = np.empty(len(missed))
    for train, test in make_folds(groups, n_splits=5, seed=0):
        term[test] = ExponentialGP().fit(places[train], missed[train]).predict(places[test])
    errors = [float(np.square(missed - share * term).sum()) for share in SHARES]
    return SHARES[int(np.argmin(errors))]
