"""Excel workbooks: the cells of the first visible non-empty sheet, as text.

The values saved by Excel are read, including those of formulas. Hidden rows and columns are read
like the others, as in Excel's own CSV export, with a warning; hidden sheets are not. Contents are
counted before they are parsed: a workbook is a zip archive, and a small one may unpack to any size.
"""

from __future__ import annotations

import io
import logging
import math
import re
import warnings
import zipfile
from collections.abc import Sequence
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import IO, Any
from xml.etree import ElementTree

import numpy as np
import openpyxl
import pandas as pd
from openpyxl.utils import get_column_letter, range_boundaries

from seiqa_features.tabular.grid import MAX_COLUMNS, Grid

MAX_CELLS = 300_000
"""Limit on cells and rows of a sheet and texts of a workbook: openpyxl parses it in seconds."""

MAX_RANGES = 30_000
"""Limit on merged cells and on columns with a width of their own: Excel has 16 384 columns."""

MAX_ROW = 1_048_576  # Excel's last
MAX_PADDED = 10 * MAX_CELLS
"""Limit on cells including those that openpyxl adds to pad rows."""

MAX_BYTES = 60_000_000
"""Limit on the unpacked size of sheets and texts: four times that of `MAX_CELLS` long numbers."""

MAX_BYTES_BESIDE = 1_000_000
"""Limit on the unpacked size of any other part: styles, the list of sheets."""

_SHOWN = 8
_ENCRYPTED = b"\xd0\xcf\x11\xe0"  # a protected workbook, or one from Excel 2003
_TYPES = "[Content_Types].xml"  # in every file of Office Open XML
_LARGE = re.compile(r"worksheets/[^/]+$|sharedStrings")
_COUNTED = re.compile(rb"<(?:\w+:)?(?:c|row|si)[\s/>]")
_RANGE = re.compile(rb"<(?:\w+:)?(?:col|mergeCell)[\s/>]")
_MARKED = re.compile(rb"hidden=|<(?:\w+:)?(?:f|mergeCell)[\s/>]")
_MAIN = "{*}"  # ElementTree wildcard: ordinary and strict workbooks use different namespaces

_log = logging.getLogger(__name__)


def read_excel(path: Path, wanted: str | None) -> Grid:
    """The cells of the requested sheet, or of the first visible one that is not blank.

    Raises
    ------
    ValueError
        It is not a workbook, is too large, or contains merged cells or formulas without a result;
        the message is one line.
    OSError
        It cannot be read.
    """
    _require_bounded(path)
    with path.open("rb") as file, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # openpyxl warns about extensions that it ignores
        workbook = _opened(file)
        sheet, rows = _first_filled(workbook, wanted)
        workbook.close()
    others = [name for name in workbook.sheetnames if name != sheet.title]
    if others and wanted is None:
        _log.warning("%s: sheet %r is read, not %s", path, sheet.title, _some(others))
    width = max(map(len, rows.values()))
    _require_plain(path, sheet._worksheet_path, range(min(rows), max(rows) + 1), width)
    (header_row, header), *body = rows.items()
    cells = [[*row, *[""] * (width - len(row))] for _, row in body]
    frame = pd.DataFrame(cells, columns=range(width), dtype="str")
    return Grid(header, header_row, frame, np.array([n for n, _ in body], np.int64), "maybe")


def _require_bounded(path: Path) -> None:
    """Refuse workbooks whose sizes and counts would take minutes or gigabytes to parse."""
    with path.open("rb") as file:
        if file.read(4) == _ENCRYPTED:
            raise ValueError("it is protected by a password or of Excel 2003; save it as .xlsx")
    try:
        archive = zipfile.ZipFile(path)
    except zipfile.BadZipFile:
        raise ValueError("it is not an Excel workbook (.xlsx)") from None
    with archive:
        parts = [part for part in archive.infolist() if part.filename.endswith((".xml", ".rels"))]
        large = [part for part in parts if _LARGE.search(part.filename)]
        sizes = [sum(part.file_size for part in large) - MAX_BYTES]
        sizes += [part.file_size - MAX_BYTES_BESIDE for part in parts if part not in large]
        if max(sizes) > 0:
            raise ValueError("it unpacks to too many bytes; save the sheet as .csv")
        if _TYPES not in archive.namelist():
            raise ValueError("it is not an Excel workbook (.xlsx)")
        for part in large:
            content = archive.read(part)
            if len(_COUNTED.findall(content)) > MAX_CELLS:
                raise ValueError(f"more than {MAX_CELLS} cells; save the sheet as .csv")
            if len(_RANGE.findall(content)) > MAX_RANGES:
                raise ValueError("too many merged cells or columns; save the sheet as .csv")


def _opened(file: IO[bytes]) -> Any:
    try:
        return openpyxl.load_workbook(file, read_only=True, data_only=True, keep_links=False)
    except Exception as error:  # KeyError, ValueError, OSError, … for parts it lacks
        if isinstance(error, OSError) and error.errno is not None:  # the disk's
            raise
        said = " ".join(str(error).split())
        raise ValueError(f"no sheets can be found in it; save it as .xlsx ({said})") from None


def _first_filled(workbook: Any, wanted: str | None) -> tuple[Any, dict[int, list[str]]]:
    """The first readable sheet that is not blank, and its rows."""
    for sheet in workbook.worksheets:
        if sheet.title == wanted if wanted else sheet.sheet_state == "visible":
            rows = _filled_rows(sheet)
            if rows:
                return sheet, rows
    hidden = [sheet.title for sheet in workbook.worksheets if sheet.sheet_state != "visible"]
    charts = [sheet.title for sheet in workbook.chartsheets]
    if wanted:
        raise ValueError(f"no sheet {wanted}, or nothing in it")
    if not workbook.worksheets and charts:
        raise ValueError(f"all of its sheets are charts ({_some(charts)}); expected cells")
    rest = f"; hidden sheets ({_some(hidden)}) are not read, unhide the one that counts"
    raise ValueError(f"no visible sheet holds anything{rest if hidden else ''}")


def _filled_rows(sheet: Any) -> dict[int, list[str]]:
    """Row number → cells up to the last filled one, without blank rows."""
    sheet.reset_dimensions()  # the size stated in a sheet may be wrong
    rows: dict[int, list[str]] = {}
    padded = 0
    for number, values in enumerate(sheet.iter_rows(values_only=True), 1):
        padded += len(values)
        if number > MAX_ROW or padded > MAX_PADDED:
            raise ValueError("cells lie too far apart; move the table to the sheet's first column")
        cells = [_text(value) for value in values]
        while cells and not cells[-1].strip():
            cells.pop()
        if len(cells) > MAX_COLUMNS:
            raise ValueError(f"row {number} has {len(cells)} cells; expected at most {MAX_COLUMNS}")
        if cells:
            rows[number] = cells
    return rows


def _text(value: object) -> str:
    """A value as text; both 17 and 17.0 in the file become the text 17."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).upper()
    if isinstance(value, float):
        whole = math.isfinite(value) and value.is_integer() and abs(value) < 1e15
        return str(int(value)) if whole else repr(value)
    if isinstance(value, datetime):
        midnight = value.time() == time()
        return value.date().isoformat() if midnight else value.isoformat(" ")
    if isinstance(value, date | time):
        return value.isoformat()
    if isinstance(value, timedelta):
        return str(value)
    return str(value)


def _require_plain(path: Path, part: str, used_rows: range, width: int) -> None:
    """Refuse merged cells and formulas without a result, and warn that hidden rows are read."""
    with zipfile.ZipFile(path) as archive:
        content = archive.read(part)
    if not _MARKED.search(content):
        return
    rows: list[int] = []
    columns: dict[str, None] = {}  # in order, each once
    row = 0
    for _, element in ElementTree.iterparse(io.BytesIO(content)):
        kind = element.tag.rpartition("}")[2]
        hidden = element.get("hidden") in ("1", "true")
        if kind == "row":
            row = int(element.get("r", row + 1))
            rows += [row] if hidden and row in used_rows else []
            element.clear()
        elif kind == "col" and hidden:
            first, last = (int(element.get(end, 0)) for end in ("min", "max"))
            found = range(max(first, 1), min(last, width) + 1)
            columns.update(dict.fromkeys(map(get_column_letter, found)))
        elif kind == "c":
            _require_computed(element)
        elif kind == "mergeCell":
            _require_outside(element.get("ref", ""), used_rows, width)
    for what, hidden_ones in (("rows", rows), ("columns", list(columns))):
        if hidden_ones:
            _log.warning(
                "%s: hidden %s are read like the others: %s", path, what, _some(hidden_ones)
            )


def _require_computed(cell: ElementTree.Element) -> None:
    formula = cell.find(f"{_MAIN}f")
    if formula is None or cell.findtext(f"{_MAIN}v") or cell.get("t") in ("str", "inlineStr"):
        return
    raise ValueError(
        f"cell {cell.get('r')} holds a formula without its result; open the workbook in Excel or"
        " LibreOffice and save it"
    )


def _require_outside(reference: str, used_rows: range, width: int) -> None:
    left, top, _, bottom = (edge or 0 for edge in range_boundaries(reference))
    if left <= width and used_rows.start <= bottom and top < used_rows.stop:
        raise ValueError(f"cells {reference} are merged; unmerge them and fill in each")


def _some(names: Sequence[object]) -> str:
    return ", ".join(map(str, names[:_SHOWN])) + (", …" if len(names) > _SHOWN else "")
