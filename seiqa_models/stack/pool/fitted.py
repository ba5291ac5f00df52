"""The pool: learners with a common preparation, fitted, and predicting unseen rows."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from seiqa_models.core.arrays import FloatMatrix, FloatVector
from seiqa_models.core.columns import (
    AGREEMENT,
    BEYOND_SHARE,
    CONSENSUS,
    EDITED_SHARE,
    FALLBACK,
    FALLBACK_SHARE,
    UNRELATED,
)
from seiqa_models.core.threads import one_core
from seiqa_models.learners.consensus import Consensus, Fallback
from seiqa_models.learners.registry import make_learner
from seiqa_models.plugins.calls import plain_scikit_learn, predict_named
from seiqa_models.stack.dense import DENSE
from seiqa_models.stack.displacement import DisplacementCost
from seiqa_models.stack.edited import EditedGate
from seiqa_models.stack.preparation import Preparation
from seiqa_models.stack.representations import (
    make_representation,
    member,
)
from seiqa_models.stack.unrelated import UnrelatedGate

Directions = Mapping[str, int]
"""Column → 1 if higher is better, -1 if lower is; for other columns the labels decide."""


@dataclass(frozen=True)
class FittedPool:
    """A fitted preparation, and the parts fitted on its output.

    Representations are keyed by name, learners by the name of their member of the pool. There is no
    fallback in models saved by earlier versions, or if nothing could be learned, no gates without
    constructed orders, and no cost of displacement without displaced pictures. Everything runs on
    one thread: the number of threads can change the last digit.
    """

    preparation: Preparation
    representations: dict[str, Any]
    learners: dict[str, Any]
    consensus: Any
    fallback: Fallback | None
    unrelated: UnrelatedGate | None
    edited: EditedGate | None
    displacement: DisplacementCost | None

    def predict(self, X: pd.DataFrame) -> pd.DataFrame:
        """Apply :meth:`predict_prepared` to the rows of a feature table."""
        with one_core(), plain_scikit_learn():
            values = self.preparation.transform(X)
        return self.predict_prepared(values, self.dense(X)).set_axis(X.index)

    def dense(self, X: pd.DataFrame) -> FloatMatrix | None:
        """The numbers of the dense blocks [n, width]; None if no member reads them."""
        return self.representations[DENSE].transform(X) if DENSE in self.representations else None

    def predict_prepared(self, values: FloatMatrix, dense: FloatMatrix | None) -> pd.DataFrame:
        """Each member's predictions, float64 columns by name.

        Seven more are the consensus and the agreement, the fallback with its share, the share of
        the consensus in a row worse than the known ones, and how surely a picture is unrelated to
        its reference or edited in a part.

        Parameters
        ----------
        values : float64 [n, p]
            Rows of the fitted preparation.
        dense : float64 [n, width] or None
            The same rows from :meth:`dense`.
        """
        with one_core(), plain_scikit_learn():
            read = read_in_forms(self.representations, values, dense)
            predictions = {
                name: predict_named(f"learner {name!r}", learner, read[member(name).representation])
                for name, learner in self.learners.items()
            }
            consensus, agreement = self._consensus(values)
            predictions |= {CONSENSUS: consensus, AGREEMENT: agreement, FALLBACK: consensus}
            predictions |= dict.fromkeys(
                (FALLBACK_SHARE, BEYOND_SHARE, UNRELATED, EDITED_SHARE), np.zeros(len(values))
            )
            if self.fallback is not None:
                predictions[FALLBACK] = self.fallback.predict(values)
                shares = self.fallback.shares(values, consensus, agreement)
                predictions[FALLBACK_SHARE], predictions[BEYOND_SHARE] = shares
            if self.displacement is not None:
                cost = self.displacement.predict(values)
                for name in (*self.learners, CONSENSUS, FALLBACK):
                    predictions[name] = predictions[name] - cost
            if self.unrelated is not None:
                predictions[UNRELATED] = self.unrelated.share(values)
            if self.edited is not None:
                predictions[EDITED_SHARE] = self.edited.share(values)
        return pd.DataFrame(predictions)

    def _consensus(self, values: FloatMatrix) -> tuple[FloatVector, FloatVector]:
        """The consensus [n] and the agreement [n], which is 0 if nothing could be learned."""
        if isinstance(self.consensus, Consensus):
            return self.consensus.predict_with_agreement(values)
        return np.asarray(self.consensus.predict(values), np.float64), np.zeros(len(values))


def check_members(names: Sequence[str]) -> None:
    """Check the members' names before anything is fitted.

    Raises
    ------
    ValueError
        There are no members, one is repeated, or a learner or representation is unknown.
    """
    listed = isinstance(names, Collection) and not isinstance(names, str)
    if not listed or not all(isinstance(name, str) for name in names):
        raise ValueError(
            f"learners is {names!r}, expected names in a list, such as ['gp', 'ridge']"
        )
    if not names or len(set(names)) < len(names):
        raise ValueError(f"learners is {list(names)}, expected one or more different names")
    for name in names:
        learner, form = member(name)
        make_learner(learner, random_state=0)
        make_representation(form)


def read_in_forms(
    representations: Mapping[str, Any], values: FloatMatrix, dense: FloatMatrix | None
) -> dict[str, FloatMatrix]:
    """The rows in each representation, float64 [n, k], by name.

    All are in one memory layout, which can affect the last digit. ``values`` float64 [n, p] are
    prepared rows, ``dense`` float64 [n, width] the same rows' dense blocks, if any are read.
    """
    values = np.ascontiguousarray(values)
    return {
        name: np.ascontiguousarray(dense if name == DENSE else form.transform(values), np.float64)
        for name, form in representations.items()
    }
