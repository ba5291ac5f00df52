"""The SeIQA challenge layout: Train/Val/Test × Ref/Dist, labels in Train/Train_scores.xlsx or .csv.

A pair is one file name in both folders; the suffix does not count, and subfolders are not read. A
sheet's first column holds the picture's name (with or without suffix; Excel may have turned 000017
into 17), the second its label. A header that says "pseudo" marks labels that a program made up.
"""

from __future__ import annotations

import sys
from pathlib import Path

import pandas as pd

from seiqa_features.datasets.listing import by_name, composed, list_pictures, stem
from seiqa_features.datasets.manifest import read_rows
from seiqa_features.datasets.pairs import SPLITS, Found, Pair, parse_label
from seiqa_features.files import path_text

LABEL_RANGE = (0.0, 5.0)


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
    sheets = [folder / f"{folder.name}_scores{suffix}" for suffix in (".xlsx", ".csv")]
    sheet = next((path for path in sheets if path.is_file()), None)
    if sheet is None:
        return {}, False
    try:
        if sheet.suffix == ".xlsx":
            table = pd.read_excel(sheet, dtype=str, keep_default_na=False)
        else:
            table = read_rows(sheet)
    except Exception as error:  # openpyxl and the CSV parser raise a dozen kinds
        found.problems.append(f"{sheet}: cannot be read as a table ({str(error).strip()})")
        return dict.fromkeys(names), True
    if table.shape[1] < 2:
        found.problems.append(f"{sheet}: expected two columns, picture name and score")
        return dict.fromkeys(names), True
    if "pseudo" in str(table.columns[1]).lower():
        found.label_kind = "pseudo-label"

    known = set(names)
    by_number = {name.lstrip("0"): name for name in names if name.isdecimal()}
    labels: dict[str, float | None] = {}
    cells, texts = table.iloc[:, 0], table.iloc[:, 1]
    for row, cell, text in zip(table.index + 2, cells, texts, strict=True):
        where = f"{sheet} row {row} ({cell})"
        name = _picture_name(str(cell).strip(), known, by_number)
        if name is None:
            found.problems.append(f"{where}: no such pair in {folder}; remove the row or add it")
        elif name in labels:
            found.problems.append(f"{where}: picture appears twice in the sheet; keep one row")
            labels[name] = None  # neither of the two can be trusted
        else:
            labels[name] = parse_label(text, where=where, found=found)
    return labels, True


def _picture_name(cell: str, known: set[str], by_number: dict[str, str]) -> str | None:
    """The picture that a cell means, by its name or, where a sheet made a number of it, by that."""
    name = composed(stem(cell))
    if composed(cell) in known or name in known:
        return composed(cell) if composed(cell) in known else name
    name = name.removesuffix(".0")
    if name in known:
        return name
    return by_number.get(name.lstrip("0")) if name.isdecimal() else None
