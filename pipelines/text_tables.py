"""Tables of text: aligned in a terminal of any width, separated by tabs in a file or a pipe."""

from __future__ import annotations

import sys
import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING

from seiqa_features.errors import printable

if TYPE_CHECKING:
    from rich.console import Console

GAP = 2
"""Spaces between the columns of a table."""

LEAST_ROOM = 24
"""Characters of a line below which the last column of a table is not wrapped."""


def show_table(columns: Sequence[str], rows: Sequence[Sequence[str]], *, few: bool = False) -> None:
    """Print a table: aligned in a terminal, with tabs between its cells in a file or a pipe.

    If it is too wide for the terminal, the words of its last column are wrapped; `few` rows are
    shown side by side as columns instead. If that is too wide as well, it is printed row by row, a
    line for each cell.
    """
    from rich.console import Console

    cells = [[printable(cell) for cell in row] for row in (columns, *rows)]
    console = Console(markup=False, highlight=False, soft_wrap=True)
    if not console.is_terminal:
        sys.stdout.writelines("\t".join(row) + "\n" for row in cells)
        return
    turned = [list(column) for column in zip(*cells, strict=True)]
    if few and _room(cells, console.width) < 0 <= _room(turned, console.width):
        cells = turned
    lines = _wrapped(cells, console.width)
    if lines is None:
        _show_records(console, *cells)
        return
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    for row in lines:
        padded = (cell.ljust(width + GAP) for cell, width in zip(row, widths, strict=True))
        sys.stdout.write("".join(padded).rstrip() + "\n")


def _room(cells: Sequence[Sequence[str]], width: int) -> int:
    """Characters left beside the table; below 0 it is too wide."""
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    return width - sum(widths) - GAP * (len(widths) - 1)


def _wrapped(cells: Sequence[Sequence[str]], width: int) -> list[list[str]] | None:
    """The table's lines with its last column wrapped to the width; None if words do not fit."""
    room = _room([row[:-1] for row in cells], width) - GAP
    lines = []
    for row in cells:
        parts = textwrap.wrap(row[-1], max(room, 1), break_long_words=False, break_on_hyphens=False)
        lines.append([*row[:-1], parts[0] if parts else ""])
        lines += [[*[""] * (len(row) - 1), part] for part in parts[1:]]
    longest = max(len(row[-1]) for row in cells)
    enough = room >= min(longest, LEAST_ROOM) and max(len(row[-1]) for row in lines) <= room
    return lines if enough else None


def _show_records(console: Console, names: Sequence[str], *rows: Sequence[str]) -> None:
    """Print each row as a block of lines, "name  value"; long values continue below themselves."""
    from rich.table import Table

    for number, row in enumerate(rows):
        sys.stdout.write("\n" if number else "")
        block = Table.grid(padding=(0, GAP, 0, 0))
        block.add_column(no_wrap=True)
        block.add_column(overflow="fold")
        for name, value in zip(names, row, strict=True):
            block.add_row(name, value)
        console.print(block)
