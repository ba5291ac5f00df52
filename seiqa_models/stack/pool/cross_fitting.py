"""Cross-fitting: predictions of the training rows by learners that have not seen them.

The fusion, the calibration and the intervals are fitted to these, the pool to all rows.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from joblib import delayed

from seiqa_models.core.arrays import FloatMatrix, FloatVector, Rows
from seiqa_models.core.checks import TrainingTable
from seiqa_models.core.columns import AGREEMENT
from seiqa_models.core.splits import Fold, laboratory_folds, make_folds
from seiqa_models.core.threads import in_processes
from seiqa_models.core.transfer import unseen_folds
from seiqa_models.fusions.protocol import HeldOut
from seiqa_models.stack.intervals import ConformalInterval, Held
from seiqa_models.stack.pool.fitting import predict_held_out

MANY_ROWS, MANY_GROUPS = 50_000, 500
"""With more rows and at least this many groups, a learner fitted on half of them is nearly as good
as one fitted on most of them, and two inner folds are enough."""


def inner_splits(n_splits: int, groups: Rows) -> int:
    """Number of inner folds for rows of these groups, int [n] from 0."""
    many = len(groups) > MANY_ROWS and groups.max() + 1 >= MANY_GROUPS
    return min(n_splits, 2) if many else n_splits


@dataclass(frozen=True)
class CrossFit:
    """Out-of-fold predictions of a training table.

    Attributes
    ----------
    table : TrainingTable
        The predicted rows.
    by_group : DataFrame of float64
        Every row, in table order, predicted by learners that have not seen its group: columns as
        returned by :meth:`seiqa_models.stack.pool.fitted.FittedPool.predict`.
    unseen : list of (Fold, DataFrame)
        The same for the test rows of folds whose training rows share neither group nor kind of
        distortion with them; empty if the kinds are unknown.
    elsewhere : list of HeldOut
        The rows of each collection, predicted by learners that have seen nothing of it; empty if
        there is only one, or if this was not asked for.
    """

    table: TrainingTable
    by_group: pd.DataFrame
    unseen: list[tuple[Fold, pd.DataFrame]]
    elsewhere: list[HeldOut] = field(default_factory=list)

    @property
    def new_kinds(self) -> HeldOut | None:
        """The predictions of unseen kinds with their labels; None if there are none."""
        if not self.unseen:
            return None
        rows = np.concatenate([test for (_, test), _ in self.unseen])
        predictions = pd.concat([part for _, part in self.unseen])
        return HeldOut(predictions, self.table.y[rows], self.table.groups[rows])

    def interval(
        self,
        values: FloatMatrix,
        fuse: Callable[[pd.DataFrame], FloatVector],
        random_state: int,
    ) -> ConformalInterval:
        """The interval that covers the residuals of all these predictions.

        Parameters
        ----------
        values : float64 [n, p]
            The table's rows as returned by the fitted preparation, followed by those of its
            constructed orders.
        fuse : callable
            From predictions to scores.
        random_state : int
            Seed for choosing the rows that the interval keeps.
        """

        def measured(rows: Rows, known: Rows, part: pd.DataFrame) -> Held:
            residuals = self.table.y[rows] - fuse(part)
            return Held(rows, known, residuals, part[AGREEMENT].to_numpy())

        every, groups = np.arange(len(self.table.y)), self.table.groups
        if self.table.orders is not None and len(values) > len(groups):
            groups = np.concatenate([groups, self.table.orders.groups])
        return ConformalInterval(random_state).fit(
            values,
            groups,
            measured(every, every, self.by_group),
            [measured(test, train, part) for (train, test), part in self.unseen],
        )


def cross_fit(
    table: TrainingTable,
    names: Sequence[str],
    *,
    n_splits: int,
    random_state: int,
    directions: Mapping[str, int] | None,
    n_jobs: int,
    elsewhere: bool = False,
) -> CrossFit:
    """Predict every row with a pool fitted without its group and, if known, also without its kind.

    Parameters
    ----------
    table : TrainingTable
        In canonical order.
    names : sequence of str
        Members of the pool.
    n_splits, random_state, directions, n_jobs
        As for :class:`seiqa_models.stack.regressor.SeiqaRegressor`.
    elsewhere : bool
        Whether every collection is also predicted from the others.
    """
    n_splits = inner_splits(n_splits, table.groups)
    folds = make_folds(table.groups, table.order, n_splits=n_splits, seed=random_state)
    cells = unseen_folds(folds, table.kinds, seed=random_state)
    abroad: list[Fold] = []
    if elsewhere and table.collections is not None:
        abroad = laboratory_folds(folds, table.groups, table.collections)
    tasks = [
        delayed(predict_held_out)(table, fold, names, random_state, directions)
        for fold in [*folds, *cells, *abroad]
    ]
    predicted = in_processes(n_jobs, len(tasks))(tasks)
    by_row = np.argsort(np.concatenate([test for _, test in folds]))
    by_group = pd.concat(predicted[: len(folds)]).iloc[by_row]
    first, second = len(folds), len(folds) + len(cells)
    unseen = list(zip(cells, predicted[first:second], strict=True))
    return CrossFit(table, by_group, unseen, _by_collection(table, abroad, predicted[second:]))


def _by_collection(
    table: TrainingTable, folds: list[Fold], predicted: list[pd.DataFrame]
) -> list[HeldOut]:
    """The predictions for the folds' test rows, by collection."""
    if not folds:
        return []
    rows, parts = np.concatenate([test for _, test in folds]), pd.concat(predicted)
    found = []
    for code in np.unique(table.laboratories[rows]):
        at = np.flatnonzero(table.laboratories[rows] == code)
        found.append(HeldOut(parts.iloc[at], table.y[rows[at]], table.groups[rows[at]]))
    return found
