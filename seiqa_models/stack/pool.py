"""The pool: learners behind one preparation, fitted, and predicting rows they have not seen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from sklearn.dummy import DummyRegressor

from seiqa_models.core.arrays import FloatMatrix, FloatVector, Rows
from seiqa_models.core.checks import TrainingTable
from seiqa_models.core.predictions import AGREEMENT, CONSENSUS
from seiqa_models.core.splits import Fold
from seiqa_models.core.threads import one_core
from seiqa_models.learners.consensus import Consensus
from seiqa_models.learners.registry import make_learner
from seiqa_models.plugins.calls import (
    fit_named,
    plain_scikit_learn,
    predict_named,
    row_arguments,
)
from seiqa_models.stack.preparation import Preparation
from seiqa_models.stack.representations import (
    ALL,
    components_of,
    forms,
    make_representation,
    member,
)

Directions = Mapping[str, int]
"""Column → 1 where more is better, -1 where less is; of others the labels are to tell."""


@dataclass(frozen=True)
class FittedPool:
    """A fitted preparation, and what was fitted on the rows that come out of it.

    Representations are held by name, learners by that of their member of the pool. Everything runs
    on one thread: the number of threads can change the last digit.
    """

    preparation: Preparation
    representations: dict[str, Any]
    learners: dict[str, Any]
    consensus: Any

    def predict(self, X: pd.DataFrame) -> pd.DataFrame:
        """What :meth:`predict_prepared` gives, for the rows of a feature table."""
        with one_core(), plain_scikit_learn():
            values = self.preparation.transform(X)
        return self.predict_prepared(values).set_axis(X.index)

    def predict_prepared(self, values: FloatMatrix) -> pd.DataFrame:
        """Each member's predictions, the consensus and the agreement, float64 columns by name."""
        with one_core(), plain_scikit_learn():
            read = _read(self.representations, values)
            predictions = {
                name: predict_named(f"learner {name!r}", learner, read[member(name).representation])
                for name, learner in self.learners.items()
            }
            predictions[CONSENSUS] = np.asarray(self.consensus.predict(values), np.float64)
            known = isinstance(self.consensus, Consensus)
            predictions[AGREEMENT] = (
                self.consensus.agreement(values) if known else np.zeros(len(values))
            )
        return pd.DataFrame(predictions)


def check_members(names: Sequence[str]) -> None:
    """Find out about a member that there is not before anything is fitted.

    Raises
    ------
    ValueError
        There is no member, one is there twice, or a learner or representation is unknown.
    """
    if not names or len(set(names)) < len(names):
        raise ValueError(f"learners is {list(names)}, expected one or more different names")
    for name in names:
        learner, form = member(name)
        make_learner(learner, random_state=0)
        make_representation(form)


def fit_pool(
    table: TrainingTable,
    names: Sequence[str],
    random_state: int,
    directions: Directions | None = None,
) -> tuple[FittedPool, FloatMatrix]:
    """Fit all that a :class:`FittedPool` holds; also the prepared rows, cross-fitted.

    Raises
    ------
    ValueError
        A learner's or representation's name is unknown.
    TableError
        There are fewer rows than a representation has components.
    """
    with one_core(), plain_scikit_learn():
        preparation = Preparation()
        values = preparation.fit_transform(table.X, table.y, table.groups)
    y, kinds, collections = table.y, table.kinds, table.collections
    del table  # dense blocks taken for this fit alone go before the learners need memory
    known = [(directions or {}).get(name, 0) for name in preparation.columns_]
    learnable = _learnable(values, y)
    with one_core(), plain_scikit_learn():
        consensus = (Consensus(known) if learnable else DummyRegressor()).fit(values, y)
        representations = {
            name: _told(make_representation(name if learnable else ALL), known).fit(values, y)
            for name in forms(names)
        }
        read = _read(representations, values)
    learners = {}
    for name in names:
        learner, form = member(name)
        first_is_best = [1, *[0] * (read[form].shape[1] - 1)]
        told = known if components_of(name) is None else first_is_best
        learners[name] = fit_learner(learner, read[form], y, random_state, kinds, told, collections)
    return FittedPool(preparation, representations, learners, consensus), values


def fit_learner(
    name: str,
    values: FloatMatrix,
    y: FloatVector,
    random_state: int,
    kinds: Rows | None = None,
    directions: Sequence[int] | None = None,
    collections: Rows | None = None,
) -> Any:
    """A learner, fitted to rows [n, columns] and their labels, and told what is known beside them.

    That are the kinds and collections of the rows [n], and the directions [columns].

    A small fold can be left with one label or no varying column: its mean is all there is.

    Raises
    ------
    LearnerError
        The learner raised anything.
    """
    if not _learnable(values, y):
        return DummyRegressor().fit(values, y)
    learner = _told(make_learner(name, random_state=random_state), directions)
    extra = row_arguments(learner, kinds=kinds, collections=collections)
    with one_core():
        return fit_named(f"learner {name!r}", learner, values, y, **extra)


def _read(representations: Mapping[str, Any], values: FloatMatrix) -> dict[str, FloatMatrix]:
    """The rows in each representation, in one memory layout, which can change a last digit."""
    values = np.ascontiguousarray(values)
    return {
        name: np.ascontiguousarray(form.transform(values), np.float64)
        for name, form in representations.items()
    }


def _learnable(values: FloatMatrix, y: FloatVector) -> bool:
    return bool(values.shape[1] > 0 and np.ptp(y) > 0)


def _told(estimator: Any, directions: Sequence[int] | None) -> Any:
    """The estimator with every parameter called ``directions``, however deep, set to these."""
    own = [name for name in estimator.get_params() if name.rpartition("__")[2] == "directions"]
    return estimator.set_params(**dict.fromkeys(own, directions))


def predict_held_out(
    table: TrainingTable,
    fold: Fold,
    names: Sequence[str],
    random_state: int,
    directions: Directions | None = None,
) -> pd.DataFrame:
    """Fit a pool on the training rows of a fold; its predictions of the held-out rows."""
    train, test = fold
    pool, _ = fit_pool(table.take(train), names, random_state, directions)
    return pool.predict(table.X.iloc[test])
