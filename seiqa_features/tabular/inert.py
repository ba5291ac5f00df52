"""Escaping of cells that spreadsheets would run as formulas, in files meant to be opened in them.

Excel, LibreOffice and Google Sheets run a CSV cell that begins with = + - or @ (also after a tab
or a line end) when the file is opened, and untrusted names may be such cells. Such text is prefixed
with an apostrophe, as OWASP advises ("CSV Injection"); numbers such as -1.5 are unchanged. The
table reader removes the apostrophe again, so that our own files can be read back.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd

from seiqa_features.remote.places import local_copy
from seiqa_features.tabular.numbers import read_number

_FORMULA = re.compile(r"'*[=+\-@\t\r\n]")
_INERT = re.compile(r"'+[=+\-@\t\r\n]")


def inert(text: str) -> str:
    """The text, prefixed with an apostrophe if a spreadsheet would run it.

    >>> inert("=1+1"), inert("-1.5"), inert("a=b")
    ("'=1+1", '-1.5', 'a=b')
    """
    return f"'{text}" if _FORMULA.match(text) and read_number(text) is None else text


def restored(text: str) -> str:
    """The inverse of `inert`."""
    return text[1:] if _INERT.match(text) else text


def inert_csv(rows: pd.DataFrame, *, header: bool = True) -> str:
    """The rows as CSV, with column names and text made inert; the index is left out."""
    return _mapped(rows, inert).to_csv(index=False, header=header, lineterminator="\n")


def read_inert_csv(path: Path, types: Any) -> pd.DataFrame:
    """One of our CSV files, with its original text; an empty cell is the empty text.

    Parameters
    ----------
    types : type or dict of type
        Of all columns, or of some by name; the others' are found by pandas.

    Raises
    ------
    OSError
        It cannot be read.
    """
    with local_copy(path) as file:
        return restored_table(pd.read_csv(file, dtype=types, keep_default_na=False))


def restored_table(rows: pd.DataFrame) -> pd.DataFrame:
    """The rows of one of our CSV files with the original column names and text."""
    return _mapped(rows, restored)


def _mapped(rows: pd.DataFrame, change: Callable[[str], str]) -> pd.DataFrame:
    def cell(value: object) -> object:
        return change(value) if isinstance(value, str) else value

    changed = rows.copy(deep=False)
    for name in rows:
        if rows[name].dtype in ("str", "object"):
            changed[name] = rows[name].map(cell)
    return changed.rename(columns=cell)
