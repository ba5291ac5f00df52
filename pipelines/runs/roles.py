"""Columns of a table by their roles: labels, order and features are numbers, the rest is text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pandas as pd

from seiqa_features.errors import DataError
from seiqa_features.tabular.numbers import read_number
from seiqa_features.tabular.reading import TextTable
from seiqa_models.audit.tables import Roles


def by_role(table: TextTable, roles: Roles) -> tuple[pd.DataFrame, Roles]:
    """The table with a type for every column, and the roles as its header spells their columns.

    Label, order and every column without a role become float64 (NaN where a cell is missing),
    group and kind text (missing where a cell is empty). Columns to drop stay as they are, and so
    does a column without a role that holds more than numbers: it is no feature.

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
        drop=tuple(spelled[name] for name in roles.drop),
    )
    texts = [name for name in (roles.group, roles.kind) if name is not None]
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
    return typed, roles


def features_of(table: TextTable, names: Sequence[str]) -> tuple[pd.DataFrame, list[str]]:
    """Features by the names that a model knows them by, and how the table's header spells these.

    Raises
    ------
    DataError
        One is missing, or holds more than numbers.
    """
    spelled = table.columns(names)
    features = table.numbers(spelled)
    for name in spelled:
        _require_numbers(table, name, features[name])
    return features.set_axis(list(names), axis=1), spelled


def _require_numbers(table: TextTable, name: str, column: pd.Series) -> None:
    """Refuse a column of text, by its first cell that is no number."""
    if column.dtype != "str":
        return
    cells = table.number_text(name)
    odd = [row for row, cell in enumerate(cells) if read_number(cell) is None]
    more = f" (nor are {len(odd) - 1} cells below)" if odd[1:] else ""
    raise DataError(
        [f"{table.where(odd[0])}: {cells[odd[0]]!r} in column {name!r} is not a number{more}"]
    )
