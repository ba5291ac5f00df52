"""Cells that a spreadsheet would take for formulas, made inert in files that people open.

Excel, LibreOffice and Google Sheets run a CSV cell that begins with = + - or @ (also behind a tab
or a line end) when the file is opened, and a name from a stranger may be one. Such text gets an
apostrophe in front, as OWASP advises ("CSV Injection"); numbers, -1.5 among them, stay as they are.
The reader of tables takes the apostrophe away again, so that a file of ours can be read back.
"""

from __future__ import annotations

import re
from collections.abc import Callable

import pandas as pd

from seiqa_features.tabular.numbers import read_number

_FORMULA = re.compile(r"'*[=+\-@\t\r\n]")
_INERT = re.compile(r"'+[=+\-@\t\r\n]")


def inert(text: str) -> str:
    """The text, with an apostrophe in front where a spreadsheet would run it.

    >>> inert("=1+1"), inert("-1.5"), inert("a=b")
    ("'=1+1", '-1.5', 'a=b')
    """
    return f"'{text}" if _FORMULA.match(text) and read_number(text) is None else text


def restored(text: str) -> str:
    """What `inert` was given."""
    return text[1:] if _INERT.match(text) else text


def inert_csv(rows: pd.DataFrame) -> str:
    """The rows as CSV, column names and text inert; the index is left out."""
    return _mapped(rows, inert).to_csv(index=False, lineterminator="\n")


def restored_table(rows: pd.DataFrame) -> pd.DataFrame:
    """The rows of a CSV file of ours with their column names and text as they were."""
    return _mapped(rows, restored)


def _mapped(rows: pd.DataFrame, change: Callable[[str], str]) -> pd.DataFrame:
    def cell(value: object) -> object:
        return change(value) if isinstance(value, str) else value

    changed = rows.copy(deep=False)
    for name in rows:
        if rows[name].dtype in ("str", "object"):
            changed[name] = rows[name].map(cell)
    return changed.rename(columns=cell)
