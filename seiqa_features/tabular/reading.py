"""The common reader for user-made tables: manifests, label sheets, tables of numbers.

Cells remain text until a column is used as numbers, so that 000123, 1E5 and NA are preserved as
names, and the groups 1, 01 and 1.0 stay distinct.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from seiqa_features.errors import DataError
from seiqa_features.files import require_regular, unreadable
from seiqa_features.remote.places import local_copy
from seiqa_features.tabular.delimited import read_delimited
from seiqa_features.tabular.grid import Commas, Grid
from seiqa_features.tabular.names import column_key, nearest, plain_name, require_distinct
from seiqa_features.tabular.numbers import read_number, read_numbers, with_points

_SHOWN, _LENGTH = 8, 40  # columns listed in a message, and characters per name
_TEXTS = ("str", "category")
_OTHER_SHEETS = (".xls", ".xlsm", ".xlsb", ".ods", ".numbers")


@dataclass(frozen=True)
class TextTable:
    """A table as contained in its file.

    Attributes
    ----------
    source : Path
    header_row : int
        Row number of the header in the file, from 1.
    cells : DataFrame [n, columns]
        Text (dtype str), by plain column name; blank rows are left out. Columns of a parquet file
        keep their type.
    rows : int64 [n]
        Row number in the file of every row.
    decimal_comma : Commas
    """

    source: Path
    header_row: int
    cells: pd.DataFrame
    rows: NDArray[np.int64]
    decimal_comma: Commas = "never"

    @cached_property
    def _by_key(self) -> dict[str, str]:
        return {column_key(name): name for name in self.cells.columns}

    def part(self, start: int, stop: int) -> TextTable:
        """Some of the rows."""
        return replace(self, cells=self.cells.iloc[start:stop], rows=self.rows[start:stop])

    def find(self, name: str) -> str | None:
        """The column that `name` means, as spelled in the file, or None."""
        return self._by_key.get(column_key(name))

    def columns(self, names: Sequence[str]) -> list[str]:
        """The columns that `names` mean, as spelled in the file.

        Raises
        ------
        DataError
            Some are missing; all are listed, with the closest existing name for the first.
        """
        missing = [name for name in names if self.find(name) is None]
        if missing:
            what = "column" if len(missing) == 1 else f"{len(missing)} columns:"
            near = nearest(missing[0], self.cells.columns)
            hint = f"did you mean {near!r}?" if near else f"it has {self.shown()}"
            raise DataError([f"{self.source}: the table lacks {what} {', '.join(missing)}; {hint}"])
        return [self._by_key[column_key(name)] for name in names]

    def shown(self) -> str:
        """The column names (only some if there are many), and whether they look like data."""
        names = list(self.cells.columns)
        shown = ", ".join(name[:_LENGTH] for name in names[:_SHOWN])
        shown += ", …" if len(names) > _SHOWN else ""
        if any("." in name and read_number(name) is not None for name in names):
            return f"{shown} (row {self.header_row} holds numbers; is the header missing?)"
        return shown or "no columns"

    def where(self, position: int) -> str:
        """File and row, for messages."""
        return f"{self.source} row {self.rows[position]}"

    def text(self, name: str) -> pd.Series:
        """The cells of a column as text without surrounding blanks; "" for empty cells."""
        cells = self.cells[name]
        if cells.dtype != "str":
            cells = cells.astype("str").fillna("")
        return cells.str.strip()

    def number_text(self, name: str) -> pd.Series:
        """A number column as text with decimal points, for `read_number`.

        Raises
        ------
        DataError
            As `numbers`.
        """
        return self._with_points([name])[name] if self._is_text(name) else self.text(name)

    def numbers(self, names: Sequence[str]) -> pd.DataFrame:
        """Columns as float64, NaN for missing cells.

        A column that contains anything other than numbers is unchanged; see
        `seiqa_features.tabular.numbers` for the definition of a number.

        Raises
        ------
        DataError
            Numbers have both commas and points, or commas that may separate thousands.
        """
        cells = self._with_points([name for name in names if self._is_text(name)])
        numbers = self.cells[list(names)].copy(deep=False)
        for name in cells:
            if (found := read_numbers(cells[name])) is not None:
                numbers[name] = found
        return numbers

    def _is_text(self, name: str) -> bool:
        return bool(self.cells[name].dtype == "str")

    def _with_points(self, names: list[str]) -> pd.DataFrame:
        """Text columns with decimal commas replaced by points."""
        if self.decimal_comma == "never":
            return self.cells[names]
        try:
            return with_points(self.cells[names], sure=self.decimal_comma == "always")
        except ValueError as error:
            raise DataError([f"{self.source}: {error}"]) from None


def read_text_table(path: Path, *, sheet: str | None = None) -> TextTable:
    """Read a .csv, .tsv, .txt, .xlsx or .parquet file. It may have no rows.

    Parameters
    ----------
    sheet : str, optional
        Sheet of a workbook; by default the first visible one that is not blank.

    Raises
    ------
    DataError
        One line: it cannot be read, contains no recognisable table, has a row wider than the
        header, or has two column names that differ only in case and blanks.
    StoreError
        The object store that it is in refuses, fails or does not answer.
    """
    require_regular(path)
    try:
        with local_copy(path) as file:
            return _table(path, _read_excel(file, sheet) if sheet else _reader(path)(file))
    except OSError as error:
        raise unreadable(path, error) from None
    except DataError:
        raise
    except Exception as error:  # openpyxl, pyarrow and pandas raise a dozen types
        said = " ".join(str(error).split()) or type(error).__name__
        raise DataError([f"{path}: cannot be read as a table: {said}"]) from None


def is_table(path: Path) -> bool:
    """Whether the file name has the suffix of a table."""
    return path.suffix.lower() in READERS and not path.is_dir()


def _reader(path: Path) -> Callable[[Path], Grid]:
    suffix = path.suffix.lower()
    if suffix not in READERS:
        hint = "; save it as .xlsx" if suffix in _OTHER_SHEETS else ""
        raise DataError([f"{path}: expected a table: {', '.join(READERS)}{hint}"])
    return READERS[suffix]


def _read_excel(path: Path, sheet: str | None = None) -> Grid:
    from seiqa_features.tabular.excel import read_excel  # openpyxl takes a tenth of a second

    return read_excel(path, sheet)


def _read_parquet(path: Path) -> Grid:
    def dense(kind: pa.DataType) -> pd.ArrowDtype | None:
        return pd.ArrowDtype(kind) if pa.types.is_fixed_size_list(kind) else None

    table = pq.read_table(path)
    header = table.column_names
    require_distinct(header)  # before pandas gets equal names
    cells: pd.DataFrame = table.to_pandas(types_mapper=dense, ignore_metadata=True)
    for name in header:
        if cells[name].dtype in _TEXTS:
            cells[name] = cells[name].astype("str").fillna("")
    cells = cells.set_axis(range(len(header)), axis=1)
    return Grid(header, 1, cells, np.arange(2, len(cells) + 2), "never")


READERS: dict[str, Callable[[Path], Grid]] = {
    ".csv": read_delimited,
    ".tsv": read_delimited,
    ".txt": read_delimited,
    ".xlsx": _read_excel,
    ".parquet": _read_parquet,
}


def _table(path: Path, grid: Grid) -> TextTable:
    """The grid as a table with plain names, without blank rows and columns."""
    width = len(grid.header)
    filled = {k: grid.filled(k) for k in grid.texts}
    for k in range(width, grid.cells.shape[1]):
        if filled[k].any():
            raise ValueError(_wide(grid, int(filled[k].argmax())))
    names = [plain_name(heading) or f"Unnamed: {k}" for k, heading in enumerate(grid.header)]
    blank = {k for k, cells in filled.items() if not cells.any()}
    kept = [k for k in range(width) if plain_name(grid.header[k]) or k not in blank]
    require_distinct(names[k] for k in kept)
    cells, rows = grid.cells[kept].set_axis([names[k] for k in kept], axis=1), grid.rows
    if len(filled) == grid.cells.shape[1]:
        some = np.logical_or.reduce([filled[k] for k in kept])
        cells, rows = cells[some].reset_index(drop=True), rows[some]
    return TextTable(path, grid.header_row, cells, rows, grid.decimal_comma)


def _wide(grid: Grid, position: int) -> str:
    header = ", ".join(map(str.strip, grid.header))
    return (
        f"row {grid.rows[position]} has more cells than the header (row {grid.header_row}:"
        f" {header[:80]}); name every column, and quote cells that hold the separator"
    )
