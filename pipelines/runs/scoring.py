"""Scoring files: the pairs to score, the resulting table, and what to say of a single pair."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from PIL import Image

from pipelines.runs.outputs import FORMATS, RowFile, cannot_write, require_writable
from seiqa_features.datasets import folders, manifest
from seiqa_features.datasets.pairs import Found, build_pairs, require_usable
from seiqa_features.errors import DataError, UsageError
from seiqa_features.extraction.connecting import Cluster, connected
from seiqa_features.extraction.runner import extract
from seiqa_features.path_texts import path_text
from seiqa_features.pictures.index import ImageIndex
from seiqa_features.pictures.sharpness import reference_is_blurrier
from seiqa_features.progress import Progress, unwatched
from seiqa_features.table.store import Store
from seiqa_features.tabular.names import column_key
from seiqa_features.tabular.reading import read_text_table
from seiqa_features.writing import replacing
from seiqa_models.score import Score
from seiqa_models.scorer import Scorer

SCORED_ROWS = 4096
"""Rows scored and written at a time, wherever their features are computed: the last digits of a
score can depend on how many are predicted together."""

SPREAD_ROWS = 16 * SCORED_ROWS
"""Rows given to a cluster at a time: its actors load their networks once for each such portion."""


@dataclass(frozen=True)
class Listed:
    """Pairs to score, and the rows that receive their scores.

    Attributes
    ----------
    rows : pd.DataFrame [n]
    part : Callable[[int, int], tuple[Found, list[str]]]
        The pairs of the rows from the first to before the second number, and the pair_id of each of
        these rows.
    """

    rows: pd.DataFrame
    part: Callable[[int, int], tuple[Found, list[str]]]

    def parts(self, size: int, first: int = 0, end: int | None = None) -> Iterator[slice]:
        """Rows in portions, at least one."""
        end = len(self.rows) if end is None else end
        for start in range(first, end, size) or (0,):
            yield slice(start, min(start + size, end))


def list_manifest(path: Path) -> Listed:
    """The pairs of a manifest; its rows are kept unchanged.

    Raises
    ------
    DataError
        It cannot be read as a table, lists no pair, or a pair_id appears more than once.
    """
    if not manifest.matches(path):
        raise DataError([f"{path}: expected a manifest (.csv, .xlsx, …) with columns ref and dist"])
    table = read_text_table(path)
    manifest.say_unread(table)
    if problems := manifest.read_pairs(table.part(0, 0)).problems:
        raise DataError(problems)
    if not len(table.rows):
        raise DataError([f"{path}: no image pairs in it"])
    ids = pd.Series(manifest.pair_ids(table), dtype="str")
    if twice := ids[ids.duplicated()].tolist():
        raise DataError([f"{path}: pair_id {name!r} appears more than once" for name in twice])

    def part(start: int, stop: int) -> tuple[Found, list[str]]:
        return manifest.read_pairs(table.part(start, stop)), ids.iloc[start:stop].tolist()

    return Listed(table.cells, part)


def list_folders(*, ref: Path, dist: Path) -> Listed:
    """The pairs of two folders, with one row of two paths per pair."""
    found = folders.read(ref=ref, dist=dist)
    paths = [(path_text(pair.ref), path_text(pair.dist)) for pair in found.pairs]
    rows = pd.DataFrame(paths, columns=["ref", "dist"])

    def part(start: int, stop: int) -> tuple[Found, list[str]]:
        pairs = found.pairs[start:stop]
        portion = Found(found.source, pairs)
        if start == 0:  # said once
            portion.problems, portion.left_out = found.problems, found.left_out
        return portion, [pair.pair_id for pair in pairs]

    return Listed(rows, part)


def check_output(out: Path, *, inputs: Collection[Path]) -> None:
    """Fail before hours of scoring if the scores cannot be written; `inputs` must not be replaced.

    Raises
    ------
    UsageError
        The format is unknown, or see `require_writable`.
    OutputError
        See `require_writable`.
    """
    if out.suffix.lower() not in FORMATS:
        raise UsageError(f"--out {out}: expected a name that ends in {', '.join(FORMATS)}")
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
    """Write the rows with columns score, low, high, unfamiliar, agree and edited.

    First every picture is checked, then portion after portion is scored and written. Memory holds
    the rows as they were listed, and one portion of everything else.

    Returns
    -------
    list[str]
        One line per pair left out; its scores are empty (only with `keep_going`).

    Raises
    ------
    DataError
        The message says what is wrong with the images, or that none can be used.
    OutputError
        The file cannot be written.
    StoreError
        The cache cannot be used.
    ClusterError
        The cluster cannot be used.
    """
    _require_images(scorer, listed, cache, keep_going=keep_going, on_image=on_image)
    options: Any = {"cache": cache, "keep_going": keep_going}
    rows, left_out, scored = listed.rows, list[str](), 0
    with connected(cluster) if cluster else nullcontext(), RowFile(out) as file:
        for many in listed.parts(SCORED_ROWS if cluster is None else SPREAD_ROWS):
            if cluster is not None:
                watched = _from(many.start, len(rows), many.stop - many.start, on_pair)
                _extract(scorer, listed.part(many.start, many.stop)[0], cache, cluster, watched)
            for some in listed.parts(SCORED_ROWS, many.start, many.stop):
                found, pair_ids = listed.part(some.start, some.stop)
                watched = _from(some.start, len(rows), some.stop - some.start, on_pair)
                scores, left = scorer.score_pairs(found, **options, on_pair=watched)
                left_out += left
                scored += len(scores)
                columns = scores.reindex(pair_ids).set_axis(rows.index[some])
                earlier = [name for name in rows if column_key(str(name)) in columns]
                file.add(rows.iloc[some].drop(columns=earlier).join(columns))
                on_pair(some.stop, len(rows))  # the store may have had all of a portion
        require_usable(scored, left_out, keep_going=True)
    return left_out


def _require_images(
    scorer: Scorer, listed: Listed, cache: Path, *, keep_going: bool, on_image: Progress
) -> None:
    """Decode every picture that the index does not know, before hours of scoring.

    Raises
    ------
    DataError
        Lists everything wrong with the pairs, unless `keep_going`.
    """
    problems, pairs, index = [], 0, ImageIndex(cache)
    for some in listed.parts(SCORED_ROWS):
        found, _ = listed.part(some.start, some.stop)
        table, wrong = build_pairs(found, index, workers=scorer.workers, on_image=on_image)
        pairs += len(table)
        problems += wrong
    require_usable(pairs, problems, keep_going=keep_going)


def _extract(
    scorer: Scorer, found: Found, cache: Path, cluster: Cluster, on_pair: Progress
) -> None:
    """Have the cluster compute what the store lacks; pairs that fail are reported when scored."""
    pairs, _ = build_pairs(found, ImageIndex(cache), workers=scorer.workers)
    extract(
        pairs[pairs["ref_key"] != pairs["dist_key"]], scorer.recipe, Store(cache), scorer.runtime,
        workers=scorer.workers, keep_going=True, cluster=cluster, on_progress=on_pair,
    )  # fmt: skip


def _from(before: int, total: int, here: int, on_pair: Progress) -> Progress:
    """Progress over all pairs, from that of a portion of `here` pairs with `before` in front."""
    return lambda done, lacking: on_pair(before + here - lacking + done, total)


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
