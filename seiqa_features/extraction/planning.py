"""Planning: what the store lacks, as jobs, and their grouping into tasks for workers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from itertools import groupby, islice
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from PIL import Image

from seiqa_features.errors import DataError
from seiqa_features.extraction.jobs import Job
from seiqa_features.extraction.work import look_of
from seiqa_features.path_texts import text_path
from seiqa_features.pictures.decoding import load_rgb, pixel_key
from seiqa_features.pictures.views import View
from seiqa_features.table.keys import KEYS, Wanted
from seiqa_features.table.recipe import Block, Recipe
from seiqa_features.table.store import Store

TYPICAL, LARGE = (512, 384), (2000, 1500)
"""Width and height that are assumed for a picture, and for one of tiles."""


def look_up(
    pairs: pd.DataFrame, recipe: Recipe, store: Store
) -> tuple[pd.DataFrame, NDArray[np.bool_]]:
    """The distinct pairs, ordered by reference, and which blocks the store has [pairs, blocks]."""
    distinct = pairs.drop_duplicates(list(KEYS)).sort_values(list(KEYS), kind="stable")
    wanted = Wanted(distinct["ref_key"], distinct["dist_key"])
    return distinct, np.array([store.has(block, wanted) for block in recipe.blocks]).T


def jobs_for(pairs: pd.DataFrame, there: NDArray[np.bool_], recipe: Recipe) -> list[Job]:
    """A job for each of n pairs, with the recipe's blocks that it lacks in `there` [n, blocks]."""
    jobs = []
    for row, has in zip(pairs.itertuples(), there, strict=True):
        key = (str(row.ref_key), str(row.dist_key))
        ref, dist = (
            partial(load_expected, text_path(str(path)), pixels)
            for path, pixels in zip((row.ref_path, row.dist_path), key, strict=True)
        )
        blocks = tuple(block for block, yes in zip(recipe.blocks, has, strict=True) if not yes)
        jobs.append(Job(key, str(row.pair_id), ref, dist, blocks))
    return jobs


def load_expected(path: Path, key: str) -> Image.Image:
    """Decode a file whose pixels are expected to have the hash `key`.

    Raises
    ------
    DataError
        See `load_rgb`; or the hash has changed.
    """
    image = load_rgb(path)
    if pixel_key(image) != key:
        raise DataError([f"{path}: changed while this run was going on; run again"])
    return image


def shared_among(jobs: Sequence[Job], workers: int) -> Sequence[Job]:
    """Divide the blocks of each pair among workers if there are fewer pairs than workers."""
    parts = workers // len(jobs)
    if parts < 2:
        return jobs
    return [part for job in jobs for part in job.divided(_parts(job.blocks, parts))]


def _parts(blocks: Sequence[Block], count: int) -> list[list[Block]]:
    """Blocks in at least `count` parts, if there are as many, the most expensive part first.

    A part has blocks of one view, which is prepared once for them. There may be more parts than
    workers: whoever is free takes the next, because what a block costs depends on the pictures.
    """
    parts = [list(same) for _, same in groupby(sorted(blocks, key=look_of), key=look_of)]
    while len(parts) < min(count, len(blocks)):
        largest = max((part for part in parts if len(part) > 1), key=_effort)
        parts.remove(largest)
        parts += _halves(largest)
    return sorted(parts, key=_effort, reverse=True)


def _halves(blocks: Sequence[Block]) -> tuple[list[Block], list[Block]]:
    """Two parts of about equal effort: the most expensive blocks first, each to the lesser part."""
    halves: tuple[list[Block], list[Block]] = [], []
    for block in sorted(blocks, key=lambda block: _effort([block]), reverse=True):
        min(halves, key=lambda half: (_effort(half), len(half))).append(block)
    return halves


def _effort(blocks: Sequence[Block]) -> float:
    """Seconds of typical pictures on the core that `ExtractorSpec.cost` was measured on."""
    return sum(
        block.spec.cost * _pixels(block.view) / _pixels(View.parse(block.spec.usual_view))
        for block in blocks
    )


def _pixels(view: View) -> int:
    count, width, height = view.crops(LARGE if view.kind == "tiles" else TYPICAL)
    return count * width * height


def tasks_of(jobs: Sequence[Job], size: int) -> Iterator[Sequence[Job]]:
    """Groups of at most `size` consecutive jobs with the same reference and blocks."""
    for _, same in groupby(jobs, key=lambda job: (job.key[0], job.blocks)):
        while task := list(islice(same, size)):
            yield task
