"""Requirements on a feature table with labels, checked before anything is fitted."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from seiqa_models.core.arrays import FloatVector, Names, Rows
from seiqa_models.core.canonical import canonical_rows, codes_of
from seiqa_models.core.columns import scalar_matrix, split_columns
from seiqa_models.core.errors import KindsError, TableError
from seiqa_models.core.orders import Orders

LARGEST = 1e30
"""Largest feature value: sums of squares stay finite, and single precision can hold it."""

MIN_ROWS_TO_FIT = 4
MIN_ROWS_TO_EVALUATE = 10
MIN_GROUPS_TO_FIT = 2
MIN_GROUPS_TO_EVALUATE = 3
FEW_GROUPS = 15
"""Results on fewer groups are reported with a caution."""


@dataclass(frozen=True)
class TrainingTable:
    """A checked table: features X [n, columns], labels y [n], group codes [n].

    ``order`` [n], ``kinds`` [n] and ``collections`` [n] are None if not given. Groups, kinds and
    collections are numbered from 0 in the order of their names. If no groups were given, each row
    is its own group, ``grouped`` is False and the numbers are positions. ``orders`` are constructed
    orders of the same groups with the same numbering, or None. ``names`` are those of the
    collections, by code.
    """

    X: pd.DataFrame
    y: FloatVector
    groups: Rows
    order: FloatVector | None
    kinds: Rows | None = None
    grouped: bool = True
    collections: Rows | None = None
    orders: Orders | None = None
    names: tuple[str, ...] = ()

    @property
    def named_collections(self) -> Names | None:
        """Name of the collection of every row; None if none was given."""
        return None if self.collections is None else np.array(self.names, object)[self.collections]

    @property
    def laboratories(self) -> Rows:
        """``collections``, for callers that require them.

        Raises
        ------
        ValueError
            The table has none.
        """
        if self.collections is None:
            raise ValueError("the table names no collections")
        return self.collections

    def in_canonical_order(self) -> tuple[TrainingTable, Rows]:
        """Columns by name and rows by content, so that no fit depends on their order.

        Returns
        -------
        TrainingTable
        rows : int [n]
            Position of each of its rows in this table.
        """
        table = self.by_column_name()
        groups = self.groups if self.grouped else None
        rows = canonical_rows(table.X, table.y, groups, table.order, table.kinds, table.collections)
        if not np.array_equal(rows, np.arange(len(rows))):
            table = table.take(rows)
        return (table if self.grouped else replace(table, groups=np.arange(len(rows)))), rows

    def by_column_name(self) -> TrainingTable:
        """The columns sorted by name, so that no fit depends on their order."""
        columns = sorted(self.X.columns)
        orders = self.orders and replace(self.orders, X=self.orders.X[columns])
        return replace(self, X=self.X[columns], orders=orders)

    def take(self, rows: Rows) -> TrainingTable:
        """The given rows, by position, and the orders of their groups."""
        return TrainingTable(
            self.X.iloc[rows],
            self.y[rows],
            self.groups[rows],
            None if self.order is None else self.order[rows],
            None if self.kinds is None else self.kinds[rows],
            self.grouped,
            None if self.collections is None else self.collections[rows],
            self.orders and self.orders.within(np.unique(self.groups[rows])),
            self.names,
        )


def check_training_table(
    X: pd.DataFrame,
    y: ArrayLike,
    groups: ArrayLike | None = None,
    order: ArrayLike | None = None,
    kinds: ArrayLike | None = None,
    collections: ArrayLike | None = None,
    orders: Orders | None = None,
    *,
    min_rows: int = MIN_ROWS_TO_FIT,
    min_groups: int = MIN_GROUPS_TO_FIT,
) -> TrainingTable:
    """Check a table of n rows and its labels; without groups each row is its own group.

    Parameters
    ----------
    X : DataFrame
        Scalars (float) and dense blocks (fixed_size_list<float32>), a column each.
    y, order : array-like of float [n]
        Labels, and positions in file order.
    groups, kinds, collections : array-like [n]
        Text or numbers; equal values belong together.
    orders : Orders, optional
        Constructed rows with the same columns.
    min_rows, min_groups : int
        Fewer are an error.

    Raises
    ------
    TableError
        Too few rows or groups; labels, groups, order or collections have the wrong length or
        missing values; constant labels; no feature column, one of an unknown type, or a number
        beyond ±1e30; constructed orders without groups, or without one of the columns.
    KindsError
        Kinds have the wrong length or missing values.
    """
    if not isinstance(X, pd.DataFrame):
        raise TableError(f"X is a {type(X).__name__}, expected a pandas DataFrame")
    scalars, dense = split_columns(X)
    if not scalars + dense:
        raise TableError("the table has no feature column: nothing can be learned from it")
    _require_moderate(X, scalars)
    if len(X) < min_rows:
        raise TableError(
            f"the table has {len(X)} labelled rows, at least {min_rows} are needed: "
            "add labelled pairs"
        )
    labels = _finite("label", y, X)
    if np.ptp(labels) == 0:
        raise TableError(f"every label is {labels[0]:g}: nothing can be learned from one value")
    codes = np.arange(len(X)) if groups is None else _codes("group", groups, len(X), TableError)
    require_groups(codes, min_groups)
    if orders is not None:
        if groups is None:
            raise TableError("constructed orders need the groups of the labelled rows: give groups")
        orders = orders.beside(X, codes_of(groups)[1])
        _require_moderate(orders.X, scalars)
    return TrainingTable(
        X,
        labels,
        codes,
        None if order is None else _finite("order", order, X),
        None if kinds is None else _codes("kind", kinds, len(X), KindsError),
        groups is not None,
        None if collections is None else _codes("collection", collections, len(X), TableError),
        orders,
        () if collections is None else tuple(map(str, codes_of(collections)[1])),
    )


def _require_moderate(X: pd.DataFrame, scalars: list[str]) -> None:
    """Refuse numbers whose squares would overflow; infinite values are clipped later."""
    values = scalar_matrix(X, scalars)
    large = (np.abs(values) > LARGEST) & np.isfinite(values)
    if large.any():
        row, column = np.argwhere(large)[0]
        raise TableError(
            f"column {scalars[column]!r} holds {values[row, column]:.3g} in row {_name(X, row)}:"
            f" no feature is beyond ±{LARGEST:g}; take its logarithm, correct it or drop the column"
        )


def _name(X: pd.DataFrame, position: int) -> str:
    """How messages name a row: text in quotes, numbers plain."""
    name = X.index[position]
    return repr(name) if isinstance(name, str) else str(name)


def _finite(what: str, values: ArrayLike, X: pd.DataFrame) -> FloatVector:
    try:
        kind = np.asarray(values).dtype
        if kind.kind in "cmM":  # NumPy would drop the imaginary part, and make times nanoseconds
            raise TypeError(f"they have type {kind}")
        vector = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError, RuntimeError) as error:
        raise TableError(f"{what}s are not all numbers: {error}") from error
    if vector.shape != (len(X),):
        raise TableError(f"{what}s have shape {vector.shape}, the table has {len(X)} rows")
    finite = np.isfinite(vector)
    if not finite.all():
        row = _name(X, int(np.argmin(finite)))
        raise TableError(
            f"{int((~finite).sum())} {what}s are missing or not finite, first in row {row}: "
            "give the rows that have one"
        )
    if (large := np.abs(vector) > LARGEST).any():
        place = int(np.argmax(large))
        raise TableError(
            f"{what} {vector[place]:.3g} in row {_name(X, place)}: none is beyond ±{LARGEST:g}"
        )
    return vector


def _codes(what: str, values: ArrayLike, n_rows: int, error: type[TableError]) -> Rows:
    try:
        codes, _ = codes_of(values)
    except (TypeError, ValueError):
        found = type(values).__name__
        raise error(f"{what}s are a {found}, expected a value for each of {n_rows} rows") from None
    if len(codes) != n_rows:
        raise error(f"{what}s have {len(codes)} values, the table has {n_rows} rows")
    if (codes < 0).any():
        raise error(f"{int((codes < 0).sum())} rows have no {what}: every row needs one")
    return codes


def require_groups(codes: Rows, needed: int) -> None:
    """Check that there are enough groups; codes int [n] number them from 0.

    Raises
    ------
    TableError
        There are fewer than needed.
    """
    found = int(codes.max()) + 1
    if found < needed:
        groups = "all rows are in one group" if found == 1 else f"there are only {found} groups"
        raise TableError(
            f"{groups} (one reference image each): an honest estimate leaves whole references out "
            f"and needs at least {needed}: add pairs of other references"
        )
