"""Numbers from text cells, for columns that should contain numbers.

A number is written in ASCII digits with a decimal point and an optional exponent, or is inf. An
empty cell, or NaN, NA, N/A, #N/A, null or None in any case, is missing. Anything else is not a
number: 1_000, 1,000.5, 0x1F, 5 dB and #DIV/0! are text.
"""

from __future__ import annotations

import math
import re

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

_MISSING = frozenset({"", "nan", "na", "n/a", "#n/a", "null", "none"})
_NUMBER = re.compile(r"[+-]?(?:(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?|inf(?:inity)?)", re.I | re.A)
_COMMA = re.compile(r"[+-]?\d*,\d+(?:e[+-]?\d+)?", re.I | re.A)
_THOUSANDS = re.compile(r"[+-]?[1-9]\d{0,2}(?:,\d{3})+", re.A)


def is_missing(text: str) -> bool:
    """Whether a cell in a number column marks a missing value."""
    return text.strip().lower() in _MISSING


def read_number(text: str) -> float | None:
    """The number in a cell, NaN if it is missing, None if the cell is not a number.

    >>> read_number(" 1E2 "), read_number("NA"), read_number("1,5")
    (100.0, nan, None)
    """
    if is_missing(text):
        return math.nan
    cell = text.strip()
    return float(cell) if _NUMBER.fullmatch(cell) else None


def read_numbers(cells: pd.Series) -> pd.Series | None:
    """A column as float64, or None if it has a cell for which `read_number` returns None.

    Numbers are rounded correctly: Python and Arrow agree to the last bit.
    """
    texts = pc.utf8_trim_whitespace(pa.array(cells, pa.large_string()))
    texts = pc.if_else(pc.equal(texts, ""), pa.scalar(None, pa.large_string()), texts)
    try:
        values = pc.cast(texts, pa.float64()).to_numpy(zero_copy_only=False)
    except pa.ArrowInvalid:  # markers of missing values, or not numbers
        found = [read_number(cell) for cell in cells]
        if None in found:
            return None
        values = found
    return pd.Series(values, index=cells.index, name=cells.name, dtype="float64")


def with_points(columns: pd.DataFrame, *, sure: bool) -> pd.DataFrame:
    """Number columns with decimal commas replaced by decimal points; text columns are unchanged.

    Parameters
    ----------
    columns : DataFrame of str
        Columns of one file.
    sure : bool
        Whether the dialect of the file implies decimal commas. Otherwise some number must show it,
        because 1,234 alone may also mean one thousand two hundred and thirty-four.

    Raises
    ------
    ValueError
        Numbers have both commas and points, or commas that may separate thousands.
    """
    if not any(_holds(columns[name], ",").any() for name in columns):
        return columns
    commas: dict[str, list[str]] = {}
    points: dict[str, list[str]] = {}
    for name in map(str, columns):
        cells = columns[name].str.strip()
        with_comma = [cell for cell in cells[_holds(cells, ",")] if _COMMA.fullmatch(cell)]
        numbers = cells[[read_number(cell) is not None for cell in cells]]
        if 2 * (len(with_comma) + len(numbers)) <= len(cells):
            continue  # a text column with occasional numbers
        commas |= {name: with_comma} if with_comma else {}
        with_point = numbers[_holds(numbers, ".")].tolist()
        points |= {name: with_point} if with_point else {}
    if not commas:
        return columns
    name, first = next((name, cells[0]) for name, cells in commas.items())
    if points:
        other, second = next((name, cells[0]) for name, cells in points.items())
        raise ValueError(
            f"decimals have a comma in column {name!r} ({first}) and a point in column {other!r}"
            f" ({second}); write all of them alike"
        )
    if not sure and all(_THOUSANDS.fullmatch(cell) for used in commas.values() for cell in used):
        raise ValueError(
            f"column {name!r}: {first} may be {first.replace(',', '.')} or"
            f" {first.replace(',', '')}; write it with a decimal point, or without the comma"
        )
    return columns.assign(**{name: _pointed(columns[name]) for name in commas})


def _holds(cells: pd.Series, mark: str) -> pd.Series:
    return cells.str.contains(mark, regex=False)


def _pointed(cells: pd.Series) -> pd.Series:
    return cells.where(~cells.str.strip().str.fullmatch(_COMMA), cells.str.replace(",", "."))
