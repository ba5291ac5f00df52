"""A CSV manifest, one row per pair: `ref, dist[, mos, group, split, distortion, pair_id]`.

Paths are relative to the manifest; a name that is there in another Unicode form, or only with
slashes for backslashes, is found. A column named `pseudo_label` instead of `mos` says that a
program made the labels up. Without `split`, labelled rows are for training and the others to be
scored. `distortion` names the kind of distortion, in any words. Rows keep the manifest's order.
"""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from seiqa_features.datasets.listing import Files
from seiqa_features.datasets.pairs import SPLITS, Found, Pair, parse_label


def matches(path: Path) -> bool:
    """Whether it is a .csv file."""
    return path.is_file() and path.suffix.lower() == ".csv"


def read(path: Path) -> Found:
    """All pairs in the manifest's order, and everything that is wrong."""
    found = Found(path)
    try:
        table = read_rows(path)
    except (ValueError, OSError) as error:  # pandas' parser and decoding errors are ValueErrors
        found.problems.append(f"{path}: cannot be read as CSV ({str(error).strip()})")
        return found
    missing = [name for name in ("ref", "dist") if name not in table]
    if missing:
        found.problems.append(
            f"{path}: no column {' and '.join(missing)}; expected ref, dist[, mos, group, split,"
            f" distortion, pair_id], found {', '.join(map(str, table.columns)) or 'nothing'}"
        )
        return found
    label = "pseudo_label" if "pseudo_label" in table else "mos"
    found.label_kind = "pseudo-label" if label == "pseudo_label" else "MOS"
    records, files = table.to_dict("records"), Files(path.parent)
    for row, cells, pair_id in zip(table.index + 2, records, pair_ids(table), strict=True):
        stripped = {str(key): str(cell).strip() for key, cell in cells.items()}
        _read_row(stripped, pair_id, label, row, files, found)
    return found


def read_rows(path: Path) -> pd.DataFrame:
    """A CSV file as text, cell by cell, without its blank lines; index + 2 is the line number.

    Raises
    ------
    ValueError, OSError
        It is no CSV file, or its rows do not fit its header.
    """
    rows = pd.read_csv(
        path, dtype=str, keep_default_na=False, skip_blank_lines=False, encoding="utf-8-sig"
    )
    if not isinstance(rows.index, pd.RangeIndex):  # pandas takes surplus cells for an index
        raise ValueError("rows have more cells than the header; quote a cell that holds a comma")
    return rows[(rows != "").any(axis=1)]


def pair_ids(rows: pd.DataFrame) -> list[str]:
    """Each row's pair_id: its own, or its line number in the file."""
    own = rows["pair_id"] if "pair_id" in rows else [""] * len(rows)
    lines = rows.index + 2
    return [str(name).strip() or f"row-{row:06d}" for row, name in zip(lines, own, strict=True)]


def _read_row(
    cells: dict[str, str], pair_id: str, label: str, row: int, files: Files, found: Found
) -> None:
    where = f"{found.source} row {row}"
    if not cells["ref"] or not cells["dist"]:
        found.problems.append(f"{where}: ref and dist must both name an image")
        return
    mos = None
    if cells.get(label):
        mos = parse_label(cells[label], where=f"{where} ({cells['dist']})", found=found)
        if mos is None:
            return
    split = cells.get("split", "").lower() or ("test" if mos is None else "train")
    if split not in SPLITS:
        found.problems.append(f"{where}: split {split!r} is none of {', '.join(SPLITS)}")
        return
    found.pairs.append(
        Pair(
            pair_id=pair_id,
            ref=files.find(cells["ref"]),
            dist=files.find(cells["dist"]),
            split=split,
            mos=mos,
            group=cells.get("group") or None,
            distortion=cells.get("distortion") or None,
        )
    )
