"""Fitting the pool: the preparation, its members and everything else learned on prepared rows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.dummy import DummyRegressor
from sklearn.pipeline import Pipeline

from seiqa_models.core.arrays import FloatMatrix, FloatVector, Rows
from seiqa_models.core.checks import TrainingTable
from seiqa_models.core.splits import Fold
from seiqa_models.core.threads import one_core
from seiqa_models.learners.consensus import Consensus, Fallback
from seiqa_models.learners.registry import make_learner
from seiqa_models.plugins.calls import fit_named, plain_scikit_learn, row_arguments
from seiqa_models.stack.dense import DENSE, DenseBlocks
from seiqa_models.stack.displacement import DisplacementCost
from seiqa_models.stack.edited import EditedGate
from seiqa_models.stack.gate import Gate
from seiqa_models.stack.pool.fitted import Directions, FittedPool, read_in_forms
from seiqa_models.stack.preparation import Preparation
from seiqa_models.stack.representations import (
    ALL,
    components_of,
    forms,
    make_representation,
    member,
)
from seiqa_models.stack.unrelated import UnrelatedGate

GateT = TypeVar("GateT", bound=Gate)


def fit_pool(
    table: TrainingTable,
    names: Sequence[str],
    random_state: int,
    directions: Directions | None = None,
) -> tuple[FittedPool, FloatMatrix]:
    """Fit all parts of a :class:`FittedPool`; also return the cross-fitted prepared rows.

    If the table has constructed orders, their rows come last in the result.

    Raises
    ------
    ValueError
        A learner's or representation's name is unknown.
    TableError
        There are fewer rows than a representation has components.
    """
    y, kinds, collections, groups = table.y, table.kinds, table.collections, table.groups
    with one_core(), plain_scikit_learn():
        preparation = Preparation()
        more = None if table.orders is None else table.orders.X
        values = preparation.fit_transform(table.X, y, groups, more)
        made, gates = _gates(table, preparation, values)
        pairs = np.empty((0, 2), np.intp) if table.orders is None else table.orders.pairs
        displacement = DisplacementCost().fit(values, y, groups, preparation.columns_)
        if displacement is not None:
            y = displacement.without(y, values)
        blocks = DenseBlocks().fit(table.X) if DENSE in forms(names) else None
        dense = None if blocks is None else blocks.transform(table.X)
    del table  # frees dense blocks copied for this fit before the learners need memory
    known = [(directions or {}).get(name, 0) for name in preparation.columns_]
    learnable = _learnable(values, y)
    with one_core(), plain_scikit_learn():
        consensus = (Consensus(known) if learnable else DummyRegressor()).fit(values, y)
        fallback = Fallback(directions=known).fit(values, y, groups) if learnable else None
        scalar = _scalar_representations(names, values, y, known)
        representations = scalar if blocks is None else {**scalar, DENSE: blocks}
        read = read_in_forms(representations, values, dense)
        made_read = read_in_forms(scalar, made, None) if len(pairs) else {}
    learners = {}
    for name in names:
        learner, form = member(name)
        first_is_best = [1, *[0] * (read[form].shape[1] - 1)]
        told = known if components_of(name) is None else first_is_best
        learners[name] = fit_learner(
            learner, read[form], y, random_state, kinds,
            None if form == DENSE else told, collections, groups,
            blocks.blocks_ if blocks is not None and form == DENSE else None,
            (made_read[form], pairs) if form in made_read else None,
        )  # fmt: skip
    parts = preparation, representations, learners, consensus, fallback, *gates, displacement
    return FittedPool(*parts), np.concatenate([values, made])


def _scalar_representations(
    names: Sequence[str], values: FloatMatrix, y: FloatVector, known: Sequence[int]
) -> dict[str, Any]:
    """The members' representations fitted to prepared rows, by name; all columns if y is equal."""
    learnable = _learnable(values, y)
    return {
        name: _told(make_representation(name if learnable else ALL), directions=known).fit(
            values, y
        )
        for name in forms(names)
        if name != DENSE
    }


def _gates(
    table: TrainingTable, preparation: Preparation, values: FloatMatrix
) -> tuple[FloatMatrix, tuple[UnrelatedGate | None, EditedGate | None]]:
    """Prepared rows of the constructed orders, and the gates; none that has too little to learn."""
    orders = table.orders
    if orders is None or not len(orders.X):
        return np.empty((0, values.shape[1])), (None, None)
    made = preparation.transform(orders.X)

    def fitted(gate: GateT, some: FloatMatrix, chosen: NDArray[np.bool_]) -> GateT | None:
        learnable = values.shape[1] > 0 and chosen.any() and not chosen.all()
        return gate.fit(values, some, chosen) if learnable else None

    unrelated = fitted(UnrelatedGate(), made, orders.gone)
    # Whether another picture counts as edited as well does not matter: it has the lowest score.
    shown = ~orders.gone
    return made, (unrelated, fitted(EditedGate(), made[shown], orders.edited[shown]))


def fit_learner(
    name: str,
    values: FloatMatrix,
    y: FloatVector,
    random_state: int,
    kinds: Rows | None = None,
    directions: Sequence[int] | None = None,
    collections: Rows | None = None,
    groups: Rows | None = None,
    blocks: Sequence[tuple[str, int]] | None = None,
    orders: tuple[FloatMatrix, Rows] | None = None,
) -> Any:
    """A learner fitted to rows [n, columns], their labels and any known side information.

    That is kinds, collections and groups of the rows [n], the directions [columns], name and width
    of the dense blocks if these are the columns, and constructed orders: rows [m, columns] and
    pairs [k, 2] of them.

    If a small fold has only one distinct label or no varying column, its mean is predicted.

    Raises
    ------
    LearnerError
        The learner raised an exception.
    """
    if not _learnable(values, y):
        return DummyRegressor().fit(values, y)
    learner = make_learner(name, random_state=random_state)
    learner = _told(_told(learner, directions=directions), blocks=blocks)
    extra = row_arguments(learner, kinds=kinds, collections=collections, groups=groups)
    with one_core():
        if orders is not None:
            extra |= _order_arguments(learner, orders, values, y)
        return fit_named(f"learner {name!r}", learner, values, y, **extra)


def _order_arguments(
    learner: Any, orders: tuple[FloatMatrix, Rows], values: FloatMatrix, y: FloatVector
) -> dict[str, Any]:
    """Constructed orders as the argument of ``fit``, if the learner has one.

    A pipeline hands it to its last step as it is, so its rows are scaled here like the others.
    """
    taken = row_arguments(learner, orders=orders)
    if taken and isinstance(learner, Pipeline) and len(learner) > 1:
        rows, pairs = orders
        scaled = clone(learner[:-1]).fit(values, y).transform(rows)
        return row_arguments(learner, orders=(scaled, pairs))
    return taken


def _learnable(values: FloatMatrix, y: FloatVector) -> bool:
    return bool(values.shape[1] > 0 and np.ptp(y) > 0)


def _told(estimator: Any, **fact: Any) -> Any:
    """The estimator with every parameter of this name, at any depth, set to this value."""
    ((name, value),) = fact.items()
    own = [key for key in estimator.get_params() if key.rpartition("__")[2] == name]
    return estimator.set_params(**dict.fromkeys(own, value))


def predict_held_out(
    table: TrainingTable,
    fold: Fold,
    names: Sequence[str],
    random_state: int,
    directions: Directions | None = None,
) -> pd.DataFrame:
    """Predictions of a fold's held-out rows by a pool fitted on its training rows."""
    train, test = fold
    pool, _ = fit_pool(table.take(train), names, random_state, directions)
    return pool.predict(table.X.iloc[test])
