"""Common result of the format readers: a header and cells, as in the file."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

Commas = Literal["never", "maybe", "always"]
"""Whether a comma in a number is a decimal comma."""

MAX_COLUMNS = 10_000
"""Tables of numbers have a few hundred columns; dense blocks are one column each."""


@dataclass(frozen=True)
class Grid:
    """Cells below a header.

    Attributes
    ----------
    header : list of str
        Headings as written.
    header_row : int
        Row number of the header in the file, from 1.
    cells : DataFrame, columns by position
        Text; for parquet files also numbers. May be wider than the header.
    rows : int64 [n]
        Row number in the file of every row.
    decimal_comma : Commas
    """

    header: list[str]
    header_row: int
    cells: pd.DataFrame
    rows: NDArray[np.int64]
    decimal_comma: Commas

    @property
    def texts(self) -> list[int]:
        """Positions of the text columns."""
        return [k for k, kind in enumerate(self.cells.dtypes) if kind == "str"]

    def filled(self, column: int) -> NDArray[np.bool_]:
        """Which cells of a text column contain more than blanks, bool [n]."""
        texts = pa.array(self.cells[column])  # pandas would take a millisecond per column
        filled: NDArray[np.bool_] = pc.not_equal(pc.utf8_trim_whitespace(texts), "").to_numpy(
            zero_copy_only=False
        )
        return filled
