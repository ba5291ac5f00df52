"""A manifest, one row per pair: `ref, dist[, mos or dmos, group, split, distortion, pair_id]`.

Any table that `seiqa_features.tabular` reads. Paths are relative to the manifest; a name that is
there in another Unicode form, or only with slashes for backslashes, is found. A column named
`pseudo_label` instead of `mos` says that a program made the labels up. A column `dmos` holds
difference scores, which are higher the worse the picture is: the label is −DMOS. Without `split`,
labelled rows are for training and the others to be scored. `distortion` names the kind of
distortion, in any words. Rows keep the manifest's order.
"""

from __future__ import annotations

import logging
from pathlib import Path

import pandas as pd

from seiqa_features.datasets.listing import Files
from seiqa_features.datasets.pairs import SPLITS, Found, Pair, parse_label
from seiqa_features.errors import DataError
from seiqa_features.tabular.names import column_key, nearest
from seiqa_features.tabular.numbers import is_missing
from seiqa_features.tabular.reading import TextTable, is_table, read_text_table

LABELS = ("mos", "pseudo_label", "dmos")
COLUMNS = ("ref", "dist", *LABELS, "group", "split", "distortion", "pair_id")

_OTHER_WORDS = {
    "mos": ("score", "label", "rating", "quality"),
    "split": ("set", "subset", "fold", "partition"),
}
"""What others call a column; named, never read."""

_log = logging.getLogger(__name__)


def matches(path: Path) -> bool:
    """Whether it is called like a table."""
    return is_table(path)


def read(path: Path) -> Found:
    """All pairs in the manifest's order, and everything that is wrong."""
    try:
        return read_pairs(read_text_table(path))
    except DataError as error:
        return Found(path, problems=error.problems)


def read_pairs(table: TextTable) -> Found:
    """The pairs that a table lists, in its order, and everything that is wrong.

    Raises
    ------
    DataError
        Labels whose decimals can be read in two ways.
    """
    found = Found(table.source)
    columns = {name: column for name in COLUMNS if (column := table.find(name)) is not None}
    _say_near(table, columns)
    if missing := [name for name in ("ref", "dist") if name not in columns]:
        found.problems.append(
            f"{table.source}: no column {' and '.join(missing)}; expected ref, dist[, mos, group,"
            f" split, distortion, pair_id], found {table.shown()}"
        )
        return found
    labels = [name for name in LABELS if name in columns]
    if len(labels) > 1:
        found.problems.append(
            f"{table.source}: has columns {' and '.join(labels)}; keep the one to learn from"
        )
        return found
    label = labels[0] if labels else "mos"
    found.label_kind = "pseudo-label" if label == "pseudo_label" else "MOS"
    found.turned = "−DMOS" if label == "dmos" else None
    texts = {name: _shared(table.text(column)) for name, column in columns.items()}
    if label in columns:
        texts["label"] = _shared(table.number_text(columns[label]))
    files = Files(table.source.parent)
    for position, pair_id in enumerate(pair_ids(table)):
        cells = {name: cells[position] for name, cells in texts.items()}
        _read_row(cells, pair_id, table.where(position), files, found)
    return found


def pair_ids(table: TextTable) -> list[str]:
    """Each row's pair_id: its own, or its number in the file."""
    column = table.find("pair_id")
    own = [""] * len(table.rows) if column is None else table.text(column)
    return [name or f"row-{row:06d}" for row, name in zip(table.rows, own, strict=True)]


def _shared(cells: pd.Series) -> list[str]:
    """The cells, equal ones as one object: a million rows may name a few pictures."""
    codes, values = pd.factorize(cells)
    texts = values.tolist()
    return [texts[code] for code in codes]


def _say_near(table: TextTable, columns: dict[str, str]) -> None:
    """Name columns that nothing reads although they seem to mean one that is."""
    for name in table.cells.columns:
        if name in columns.values():
            continue
        key = column_key(name)
        known = (column for column, words in _OTHER_WORDS.items() if key in words)
        near = next(known, None) or nearest(name, COLUMNS)
        if near is not None and near not in columns:
            _log.warning("%s: column %r is not read; did you mean %s?", table.source, name, near)


def _read_row(cells: dict[str, str], pair_id: str, where: str, files: Files, found: Found) -> None:
    if not cells["ref"] or not cells["dist"]:
        found.problems.append(f"{where}: ref and dist must both name an image")
        return
    mos = None
    if not is_missing(cells.get("label", "")):
        mos = parse_label(cells["label"], where=f"{where} ({cells['dist']})", found=found)
        if mos is None:
            return
        if "dmos" in cells:
            mos = 0.0 - mos  # a DMOS of 0 stays 0, and not -0
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
