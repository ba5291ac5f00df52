"""Scoring files: the pairs to score, the resulting table, and what to say of a single pair."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
from PIL import Image

from pipelines.runs.outputs import cannot_write, require_writable
from seiqa_features.datasets import folders, manifest
from seiqa_features.datasets.pairs import Found
from seiqa_features.errors import DataError, UsageError
from seiqa_features.extraction.connecting import Cluster
from seiqa_features.files import path_text, replacing
from seiqa_features.pictures.sharpness import reference_is_blurrier
from seiqa_features.progress import Progress, unwatched
from seiqa_features.tabular.inert import inert_csv
from seiqa_features.tabular.names import column_key
from seiqa_features.tabular.reading import read_text_table
from seiqa_models.score import Score
from seiqa_models.scorer import Scorer

SUFFIXES = (".csv", ".json", ".parquet")


@dataclass(frozen=True)
class Listed:
    """Pairs to score, and the rows that receive their scores, in the order of `pair_ids`."""

    found: Found
    rows: pd.DataFrame
    pair_ids: list[str]


def list_manifest(path: Path) -> Listed:
    """The pairs of a manifest; its rows are kept unchanged.

    Raises
    ------
    DataError
        It cannot be read as a table, or lists no pair.
    """
    if not manifest.matches(path):
        raise DataError([f"{path}: expected a manifest (.csv, .xlsx, …) with columns ref and dist"])
    table = read_text_table(path)
    found = manifest.read_pairs(table)
    if not found.pairs:
        raise DataError(found.problems or [f"{path}: no image pairs in it"])
    return Listed(found, table.cells, manifest.pair_ids(table))


def list_folders(*, ref: Path, dist: Path) -> Listed:
    """The pairs of two folders, with one row of two paths per pair."""
    found = folders.read(ref=ref, dist=dist)
    paths = [(path_text(pair.ref), path_text(pair.dist)) for pair in found.pairs]
    rows = pd.DataFrame(paths, columns=["ref", "dist"])
    return Listed(found, rows, [pair.pair_id for pair in found.pairs])


def check_output(out: Path, *, inputs: Iterable[Path] = ()) -> None:
    """Fail before hours of scoring if the scores cannot be written; `inputs` must not be replaced.

    Raises
    ------
    UsageError
        The format is unknown, or see `require_writable`.
    OutputError
        See `require_writable`.
    """
    if out.suffix.lower() not in SUFFIXES:
        raise UsageError(f"--out {out}: expected a name that ends in {', '.join(SUFFIXES)}")
    require_writable(out, inputs=inputs)


def score_listed(
    scorer: Scorer,
    listed: Listed,
    out: Path,
    *,
    cache: Path,
    keep_going: bool = False,
    cluster: Cluster | None = None,
    on_image: Progress = unwatched,
    on_pair: Progress = unwatched,
) -> list[str]:
    """Write the rows with columns score, low, high, unfamiliar and agree.

    Returns
    -------
    list[str]
        One line per pair left out; its scores are empty (only with `keep_going`).

    Raises
    ------
    DataError
        The message says what is wrong with the images.
    OutputError
        The file cannot be written.
    StoreError
        The cache cannot be used.
    ClusterError
        The cluster cannot be used.
    """
    scores, left_out = scorer.score_pairs(
        listed.found,
        cache=cache,
        keep_going=keep_going,
        cluster=cluster,
        on_image=on_image,
        on_pair=on_pair,
    )
    columns = scores.reindex(listed.pair_ids).set_axis(listed.rows.index)
    earlier = [name for name in listed.rows if column_key(str(name)) in columns]
    _write(listed.rows.drop(columns=earlier).join(columns), out)
    return left_out


def _write(rows: pd.DataFrame, out: Path) -> None:
    """Write atomically, in the format given by the file name's extension."""
    try:
        with replacing(out) as temporary:
            if out.suffix.lower() == ".parquet":
                rows.to_parquet(temporary, index=False)
            elif out.suffix.lower() == ".json":
                records = rows.astype(object).where(rows.notna(), None).to_dict("records")
                text = json.dumps(records, indent=1, ensure_ascii=False, allow_nan=False)
                temporary.write_text(text + "\n", encoding="utf-8")
            else:
                temporary.write_text(inert_csv(rows), encoding="utf-8")
    except OSError as error:
        raise cannot_write(out, error) from None


def hints(ref: Image.Image, dist: Image.Image) -> list[str]:
    """What about a pair may be a mistake, one line each."""
    lines = []
    if ref.size != dist.size:
        lines.append(
            f"the sizes differ: reference {ref.width}×{ref.height}, degraded"
            f" {dist.width}×{dist.height}; the degraded picture was resized to the reference"
        )
    if reference_is_blurrier(ref, dist):
        lines.append(
            "the reference is blurrier than the degraded picture: are they in this order, REF DIST?"
        )
    return lines


def write_heat_map(path: Path, scored: Score) -> bool:
    """Write a score's heat map as PNG; False if it has none.

    Raises
    ------
    OutputError
        The file cannot be written.
    """
    if scored.heat_map is None:
        return False
    try:
        with replacing(path) as temporary:
            scored.heat_map.save(temporary, "PNG")
    except OSError as error:
        raise cannot_write(path, error) from None
    return True
