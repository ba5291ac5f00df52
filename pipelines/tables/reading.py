"""Tables of numbers with the roles of their columns; several tables are several collections."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pandas as pd

from seiqa_features.datasets.collections import collection_name
from seiqa_features.errors import DataError
from seiqa_features.tabular.numbers import read_number
from seiqa_features.tabular.reading import TextTable, read_text_table
from seiqa_models.audit.tables import Roles, feature_columns, labelled_rows


@dataclass(frozen=True)
class Labelled:
    """The labelled rows of one table, or of several.

    Attributes
    ----------
    rows : DataFrame
        Every column; indexed by the row's number in the file, of several tables by
        ``collection/number``.
    features : DataFrame
        The same rows' features: the columns without a role that every table has.
    roles : Roles
        Columns by the names they have in `rows`.
    collections : Series of str or None
        Collection of each row; None if there is only one.
    unlabelled : int
        Number of rows that have no label.
    left_out : list of str
        Columns without a role that only some of the tables have.
    """

    rows: pd.DataFrame
    features: pd.DataFrame
    roles: Roles
    collections: pd.Series | None
    unlabelled: int
    left_out: list[str]

    @property
    def shared_groups(self) -> list[str]:
        """The groups that more than one collection has."""
        if self.collections is None:
            return []
        owners = self.collections.groupby(self.rows[self.roles.group]).nunique()
        return [str(name) for name in owners.index[owners > 1]]


def read_labelled(paths: Sequence[Path], roles: Roles) -> Labelled:
    """The labelled rows of all tables.

    Each of several tables is a collection named after its folder and file, unless the roles name a
    column of collections. A group of the same name in two tables is one group.

    Raises
    ------
    DataError
        A table cannot be read, lacks a column or rows, or a label is not a number; two tables have
        the same name, or no feature in common.
    TableError
        One has columns that must not be features, or no label.
    """
    if len(paths) == 1:
        return _one(*by_role(read_text_table(paths[0]), roles))
    names = [collection_name(path) for path in paths]
    if twice := [name for name, count in Counter(names).items() if count > 1]:
        raise DataError(
            [f"{', '.join(map(str, paths))}: two tables are called {twice[0]}; rename one, and give"
             " each table once"]
        )  # fmt: skip
    tables = [read_text_table(path) for path in paths]
    parts = [
        _named(name, _one(*by_role(table, _known(roles, table, tables))), roles)
        for name, table in zip(names, tables, strict=True)
    ]
    kept = [name for name in parts[0].features if all(name in part.features for part in parts[1:])]
    if not kept:
        raise DataError(
            [f"{', '.join(map(str, paths))}: no feature column is in every table; {paths[0]} has"
             f" {_some(parts[0].features)}, {paths[-1]} has {_some(parts[-1].features)}; give them"
             " the same names"]
        )  # fmt: skip
    every = dict.fromkeys(name for part in parts for name in part.features)
    rows = pd.concat([part.rows for part in parts])
    if roles.order is not None:
        rows[roles.order] = _one_after_the_other(parts, roles.order)
    return Labelled(
        rows,
        pd.concat([part.features[kept] for part in parts]),
        roles,
        pd.concat([part.collections for part in parts if part.collections is not None]),
        sum(part.unlabelled for part in parts),
        [str(name) for name in every if name not in kept],
    )


def _one(table: pd.DataFrame, roles: Roles) -> Labelled:
    features = feature_columns(table, roles)
    rows = labelled_rows(table, roles)
    collections = None if roles.collection is None else rows[roles.collection]
    return Labelled(rows, features, roles, collections, len(table) - len(rows), [])


def _known(roles: Roles, table: TextTable, tables: Sequence[TextTable]) -> Roles:
    """The roles without the columns to drop that only another table has."""
    elsewhere = [other for other in tables if other is not table]
    return replace(
        roles,
        drop=tuple(
            name
            for name in roles.drop
            if table.find(name) is not None or not any(other.find(name) for other in elsewhere)
        ),
    )


def _named(name: str, part: Labelled, roles: Roles) -> Labelled:
    """One of several tables: rows with its name in front, roles' columns called alike in all."""
    asked = {
        getattr(part.roles, role): column
        for role in ("label", "group", "order", "kind", "collection")
        if (column := getattr(roles, role)) is not None
    }
    index = pd.Index([f"{name}/{row}" for row in part.rows.index], name="row")
    rows = part.rows.rename(columns=asked).set_axis(index)
    collections = pd.Series(name, index, dtype="str")
    if roles.collection is not None:
        collections = rows[roles.collection]
    return replace(part, rows=rows, features=part.features.set_axis(index), collections=collections)


def _one_after_the_other(parts: Sequence[Labelled], order: str) -> pd.Series:
    """File order of all rows: that of the first table, then that of the second, and so on."""
    found, start = [], 0.0
    for part in parts:
        column = part.rows[order]
        found.append(column - column.min() + start)
        start = float(found[-1].max()) + 1
    whole: pd.Series = pd.concat(found)
    return whole


def _some(features: pd.DataFrame) -> str:
    return ", ".join(map(str, features.columns[:3])) + (", …" if features.shape[1] > 3 else "")


def by_role(table: TextTable, roles: Roles) -> tuple[pd.DataFrame, Roles]:
    """The table with typed columns, and the roles with column names as spelled in its header.

    Its index holds the rows' numbers in the file.

    Label, order and every column without a role become float64 (NaN if a cell is missing), group,
    kind and collection text (missing if a cell is empty). Columns to drop are left unchanged, and
    so is a column without a role that is not entirely numeric: it is not a feature.

    Raises
    ------
    DataError
        A role's column is missing, there are no rows, or labels or order are not all numbers.
    """
    spelled = dict(zip(roles.columns, table.columns(roles.columns), strict=True))
    if not len(table.rows):
        raise DataError([f"{table.source}: no rows in it, expected a header and one row per pair"])
    roles = replace(
        roles,
        label=spelled[roles.label],
        group=spelled[roles.group],
        order=roles.order and spelled[roles.order],
        kind=roles.kind and spelled[roles.kind],
        collection=roles.collection and spelled[roles.collection],
        drop=tuple(spelled[name] for name in roles.drop),
    )
    texts = [name for name in (roles.group, roles.kind, roles.collection) if name is not None]
    kept = {*texts, *roles.drop}
    numbers = table.numbers([name for name in table.cells.columns if name not in kept])
    for name in filter(None, (roles.label, roles.order)):
        if name in numbers:
            _require_numbers(table, name, numbers[name])
    typed = table.cells.copy(deep=False)
    typed[numbers.columns] = numbers
    for name in texts:
        text = table.text(name)
        typed[name] = text.mask(text == "")
    return typed.set_axis(pd.Index(table.rows, name="row")), roles


def features_of(table: TextTable, names: Sequence[str]) -> tuple[pd.DataFrame, list[str]]:
    """Features under the names used by a model, and their spelling in the table's header.

    Raises
    ------
    DataError
        One is missing, or is not entirely numeric.
    """
    spelled = table.columns(names)
    features = table.numbers(spelled)
    for name in spelled:
        _require_numbers(table, name, features[name])
    return features.set_axis(list(names), axis=1), spelled


def _require_numbers(table: TextTable, name: str, column: pd.Series) -> None:
    """Refuse a text column; the message shows its first non-numeric cell."""
    if column.dtype != "str":
        return
    cells = table.number_text(name)
    odd = [row for row, cell in enumerate(cells) if read_number(cell) is None]
    more = f" (nor are {len(odd) - 1} cells below)" if odd[1:] else ""
    raise DataError(
        [f"{table.where(odd[0])}: {cells[odd[0]]!r} in column {name!r} is not a number{more}"]
    )
