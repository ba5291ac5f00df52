"""What the readers of the formats hand over: a header and cells, as they stand in the file."""

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
"""A table of numbers has some hundreds; dense blocks are one column each."""


@dataclass(frozen=True)
class Grid:
    """Cells below a header.

    Attributes
    ----------
    header : list of str
        Headings as they are written.
    header_row : int
        Number of the header's row in the file, from 1.
    cells : DataFrame, columns by position
        Text; of a parquet file also numbers. May be wider than the header.
    rows : int64 [n]
        Number of every row in the file.
    decimal_comma : Commas
    """

    header: list[str]
    header_row: int
    cells: pd.DataFrame
    rows: NDArray[np.int64]
    decimal_comma: Commas

    @property
    def texts(self) -> list[int]:
        """Positions of the columns of text."""
        return [k for k, kind in enumerate(self.cells.dtypes) if kind == "str"]

    def filled(self, column: int) -> NDArray[np.bool_]:
        """Which cells of a column of text hold more than blanks, bool [n]."""
        texts = pa.array(self.cells[column])  # pandas takes a millisecond a column for it
        filled: NDArray[np.bool_] = pc.not_equal(pc.utf8_trim_whitespace(texts), "").to_numpy(
            zero_copy_only=False
        )
        return filled
