"""Delimited text files: detection of encoding and separator, and the cells as text.

csv.Sniffer is not used to find the separator: it counts characters, does not know which line is the
header, and fails on files of one or two rows.
"""

from __future__ import annotations

import codecs
import csv
import io
import itertools
import logging
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from seiqa_features.tabular.grid import MAX_COLUMNS, Commas, Grid
from seiqa_features.tabular.inert import restored
from seiqa_features.tabular.names import require_distinct

SEPARATORS = {",": "comma", ";": "semicolon", "\t": "tab", "|": "bar"}
BYTE_ORDER_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),  # before UTF-16, whose BOM is its prefix
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
SAMPLE = 100  # number of rows used to test a separator
_SEARCHED = 100 * SAMPLE  # rows among which they are sought: a file may have a million blank ones

_COMMAS: dict[str, Commas] = {",": "never", ";": "always"}
_NAMED = re.compile(r"sep=([,;\t|])(?:\r\n?|\n)", re.I)  # Excel's own declaration
_LINE = re.compile(r"[^\r\n]*(?:\r\n|\r|\n)|[^\r\n]+\Z")

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Dialect:
    """How cells are separated; `blanks`: whether blanks before a quote belong to the separator."""

    separator: str
    blanks: bool

    @classmethod
    def of(cls, separator: str, text: str) -> Dialect:
        """The dialect of a text whose separator is known."""
        return cls(separator, f'{separator} "' in text)

    def records(self, lines: Iterator[str]) -> Iterator[list[str]]:
        """Rows of cells; quoted cells may contain separators and line ends."""
        return csv.reader(lines, delimiter=self.separator, skipinitialspace=self.blanks)


def read_delimited(path: Path) -> Grid:
    """The cells of a .csv, .tsv or .txt file.

    Raises
    ------
    ValueError
        It is not text, or contains no recognisable table; the message is one line.
    OSError
        It cannot be read.
    """
    text = _decoded(path.read_bytes(), path)
    first = 1
    if named := _NAMED.match(text):
        text, first = text[named.end() :], 2
    dialect = Dialect.of(named[1], text) if named else _dialect(text)
    header, skipped, body = _header(text, dialect)
    del text  # saves memory for files of a million rows
    header, header_row = [restored(name) for name in header], first + skipped
    require_distinct(header)  # before pandas gets a hundred thousand equal names
    cells = _cells(body, dialect, len(header))
    if "'" in body:
        cells = cells.apply(_restored)
    rows = np.arange(header_row + 1, header_row + 1 + len(cells))
    return Grid(header, header_row, cells, rows, _COMMAS.get(dialect.separator, "maybe"))


def _decoded(content: bytes, path: Path) -> str:
    if content.startswith(b"PK\x03\x04"):
        raise ValueError("it is a zip archive; an Excel workbook has a name that ends in .xlsx")
    encoding, start = next(
        ((name, len(mark)) for mark, name in BYTE_ORDER_MARKS if content.startswith(mark)),
        ("utf-8", 0),
    )
    try:
        text = content[start:].decode(encoding)
    except UnicodeDecodeError:
        if start:
            raise ValueError(f"its byte order mark says {encoding}, which it is not") from None
        try:
            text = content.decode("cp1252")
        except UnicodeDecodeError:
            raise ValueError("neither UTF-8 nor Windows-1252 text; save it as UTF-8") from None
        _log.warning("%s: not UTF-8, read as Windows-1252", path)
    if 10 * text.count("\0") > len(text):  # a single NUL in a cell is acceptable
        raise ValueError("it is full of NULs: no text, or UTF-16 without a byte order mark")
    return text


def _dialect(text: str) -> Dialect:
    """The separator that splits the header into cells such that no later row is wider."""
    fits: dict[str, bool] = {}  # whether all sample rows have exactly as many cells as the header
    others = []
    for separator in SEPARATORS:
        records = Dialect.of(separator, text).records(_lines(text))
        try:
            searched = itertools.islice(records, _SEARCHED)
            sample = itertools.islice(filter(_is_filled, searched), SAMPLE)
            first, *widths = (len(row) for row in sample)
        except (csv.Error, ValueError):  # a cell of 128 KB, or no row at all
            continue
        if first > 1 and max(widths, default=0) <= first:
            fits[separator] = min(widths, default=first) == first
        elif first > 1:
            others.append(separator)
    exact = [separator for separator, exactly in fits.items() if exactly]
    likely = exact or list(fits) or others or [","]
    if len(likely) > 1:
        names = " and ".join(SEPARATORS[separator] for separator in likely)
        raise ValueError(
            f"{names} may both separate its cells; put quotes around cells that hold one of them"
        )
    return Dialect.of(likely[0], text)


def _header(text: str, dialect: Dialect) -> tuple[list[str], int, str]:
    """The first row that is not blank, the number of rows before it, and the text after it."""
    consumed = 0

    def lines() -> Iterator[str]:
        nonlocal consumed
        for line in _lines(text):
            consumed += len(line)
            yield line

    try:
        for skipped, row in enumerate(dialect.records(lines())):
            if _is_filled(row):
                return row, skipped, text[consumed:]
    except csv.Error as error:
        raise ValueError(f"its header cannot be read ({error})") from None
    raise ValueError("it is empty; expected a header and one row per pair")


def _lines(text: str) -> Iterator[str]:
    """Lines with their line ends, without copying the whole text."""
    return (match[0] for match in _LINE.finditer(text))


def _is_filled(row: list[str]) -> bool:
    return any(cell.strip() for cell in row)


def _cells(body: str, dialect: Dialect, width: int) -> pd.DataFrame:
    """The rows below the header as text, including blank rows; short rows get empty cells."""
    if width > MAX_COLUMNS:
        raise ValueError(f"it has {width} columns; expected at most {MAX_COLUMNS}")
    try:
        if (
            next(_widths(body, dialect), 0) <= width + 1
        ):  # pandas would turn a wider first row into an index
            return _parsed(body, dialect, width + 1)
    except pd.errors.ParserError as error:
        if "EOF inside string" in str(error):
            raise ValueError("an opening quote is never closed") from None
    # A row has several more cells than the header, which is acceptable if they are empty.
    widest = max(_widths(body, dialect))
    if widest > MAX_COLUMNS:
        raise ValueError(f"a row has {widest} cells; expected at most {MAX_COLUMNS}")
    return _parsed(body, dialect, widest)


def _widths(body: str, dialect: Dialect) -> Iterator[int]:
    try:
        for row in dialect.records(_lines(body)):
            yield len(row)
    except csv.Error as error:
        raise ValueError(f"its rows cannot be read ({error})") from None


def _parsed(body: str, dialect: Dialect, width: int) -> pd.DataFrame:
    cells: pd.DataFrame = pd.read_csv(
        io.BytesIO(body.encode()),
        sep=dialect.separator,
        skipinitialspace=dialect.blanks,
        header=None,
        names=range(width),
        dtype=str,
        na_filter=False,
        skip_blank_lines=False,
    )
    return cells


def _restored(cells: pd.Series) -> pd.Series:
    quoted = cells.str.startswith("'")
    return cells.mask(quoted, cells[quoted].map(restored)) if quoted.any() else cells
