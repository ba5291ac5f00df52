"""The SeIQA challenge layout: Train/Val/Test × Ref/Dist, labels in Train/Train_scores.xlsx.

A pair is one file name in both folders; the suffix does not count, and subfolders are not read. A
sheet is any table that `seiqa_features.tabular` reads (.csv, …). Its first column holds the
picture's name (with or without suffix; Excel may have turned 000017 into 17), the second its label.
A header that says "pseudo" marks labels that a program made up.
"""

from __future__ import annotations

import logging
import os
import re
import sys
from pathlib import Path

from seiqa_features.datasets.listing import by_name, composed, list_pictures, stem
from seiqa_features.datasets.pairs import SPLITS, Found, Pair, parse_label
from seiqa_features.errors import DataError
from seiqa_features.files import path_text
from seiqa_features.tabular.numbers import read_number
from seiqa_features.tabular.reading import READERS, TextTable, read_text_table

LABEL_RANGE = (0.0, 5.0)

_DATE = re.compile(r"\d{4}-\d\d-\d\d")
_log = logging.getLogger(__name__)


def matches(path: Path) -> bool:
    """Whether any of Train, Val and Test lies in the folder."""
    return any((path / split.title()).is_dir() for split in SPLITS)


def read(path: Path) -> Found:
    """All pairs in file order, training first, and everything that is wrong."""
    # Neighbouring files of this data set are alike (the label's autocorrelation at lag 1 is .82).
    found = Found(path, label_range=LABEL_RANGE, neighbours_alike=True)
    for split in SPLITS:
        folder = path / split.title()
        if folder.is_dir():
            _read_split(folder, split, found)
    return found


def _read_split(folder: Path, split: str, found: Found) -> None:
    refs = _images(folder / "Ref", found)
    dists = _images(folder / "Dist", found)
    for name in sorted(refs.keys() ^ dists.keys()):
        present, absent = ("Ref", "Dist") if name in refs else ("Dist", "Ref")
        if path := refs.get(name) or dists.get(name):
            found.problems.append(
                f"{path}: no partner named {name} in {folder / absent};"
                f" add it, or remove this one from {present}"
            )
    names = sorted(refs.keys() & dists.keys(), key=_file_order)
    labels, has_sheet = _read_labels(folder, names, found)
    for name in names:
        ref, dist = refs[name], dists[name]
        if ref is None or dist is None:
            continue  # several files share the name, as has been said
        if has_sheet and name not in labels:
            found.problems.append(f"{dist}: no label in {folder.name}_scores; add its row")
            continue
        mos = labels.get(name)
        if has_sheet and mos is None:
            continue  # its row was bad and has been named
        found.pairs.append(Pair(path_text(f"{folder.name}/{name}"), ref, dist, split, mos))


def _file_order(name: str) -> tuple[int, str]:
    """Numbered pictures by number, whether padded (000010) or not (10), then the others by name."""
    return (int(name), name) if name.isdecimal() else (sys.maxsize, name)


def _images(folder: Path, found: Found) -> dict[str, Path | None]:
    """File name without suffix → path, None where several files share the name."""
    paths = list_pictures(folder, found, subfolders=False)
    return by_name(paths, lambda path: stem(path.name), place=folder, found=found)


def _read_labels(
    folder: Path, names: list[str], found: Found
) -> tuple[dict[str, float | None], bool]:
    """Labels by picture name (None where the row was bad), and whether there is a sheet at all."""
    try:
        table = _read_sheet(folder)
    except DataError as error:
        found.problems += error.problems
        return dict.fromkeys(names), True
    if table is None:
        return {}, False
    known = set(names)
    by_number = {name.lstrip("0"): name for name in names if name.isdecimal()}
    labels: dict[str, float | None] = {}
    name_column, label_column = table.cells.columns[:2]
    if "pseudo" in label_column.lower():
        found.label_kind = "pseudo-label"
    texts = table.number_text(label_column)
    for row, (cell, text) in enumerate(zip(table.text(name_column), texts, strict=True)):
        where = f"{table.where(row)} ({cell})"
        name = _picture_name(cell, known, by_number)
        if name is None:
            date = " (Excel took its name for a date)" if _DATE.match(cell) else ""
            found.problems.append(
                f"{where}: no such pair in {folder}{date}; remove the row or add it"
            )
        elif name in labels:
            found.problems.append(f"{where}: picture appears twice in the sheet; keep one row")
            labels[name] = None  # neither of the two can be trusted
        else:
            labels[name] = parse_label(text, where=where, found=found)
    return labels, True


def _read_sheet(folder: Path) -> TextTable | None:
    """The split's label sheet, None where there is none.

    Raises
    ------
    DataError
        It cannot be read, has less than two columns or no header, or there are several.
    """
    paths = [folder / f"{folder.name}_scores{suffix}" for suffix in READERS]
    there = [path for path in paths if os.path.lexists(path)]
    if not there:
        return None
    if len(there) > 1:
        raise DataError([f"{', '.join(map(str, there))}: which one counts? keep one of them"])
    table = read_text_table(there[0])
    header = list(table.cells.columns)
    if len(header) < 2:
        raise DataError([f"{there[0]}: expected two columns, picture name and score"])
    if read_number(header[1]) is not None:
        raise DataError(
            [f"{there[0]}: row {table.header_row} ({', '.join(header[:2])}) reads like a label;"
             " put a header above it: picture_name, score"]
        )  # fmt: skip
    if header[2:]:
        _log.warning("%s: not read: %s", there[0], ", ".join(header[2:]))
    return table


def _picture_name(cell: str, known: set[str], by_number: dict[str, str]) -> str | None:
    """The picture that a cell means, by its name or, where a sheet made a number of it, by that."""
    name = composed(stem(cell))
    if composed(cell) in known or name in known:
        return composed(cell) if composed(cell) in known else name
    name = name.removesuffix(".0")
    if name in known:
        return name
    return by_number.get(name.lstrip("0")) if name.isdecimal() else None
