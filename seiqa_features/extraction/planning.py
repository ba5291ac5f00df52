"""Planning: what the store lacks, as jobs, and their grouping into tasks for workers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from itertools import groupby, islice
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from PIL import Image

from seiqa_features.errors import DataError
from seiqa_features.extraction.work import Job
from seiqa_features.files import text_path
from seiqa_features.pictures.decoding import load_rgb, pixel_key
from seiqa_features.table.keys import KEYS, Wanted
from seiqa_features.table.recipe import Block, Recipe
from seiqa_features.table.store import Store

LARGE = 2000
"""Side in pixels that is assumed for a picture of tiles."""


def look_up(
    pairs: pd.DataFrame, recipe: Recipe, store: Store
) -> tuple[pd.DataFrame, NDArray[np.bool_]]:
    """The distinct pairs, ordered by reference, and which blocks the store has [pairs, blocks]."""
    distinct = pairs.drop_duplicates(list(KEYS)).sort_values(list(KEYS), kind="stable")
    wanted = Wanted(distinct["ref_key"], distinct["dist_key"])
    return distinct, np.array([store.has(block, wanted) for block in recipe.blocks]).T


def jobs_for(pairs: pd.DataFrame, there: NDArray[np.bool_], recipe: Recipe) -> list[Job]:
    """A job for each pair, with the blocks that are not there."""
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
    return jobs if parts < 2 else [part for job in jobs for part in _parts(job, parts)]


def _parts(job: Job, count: int) -> list[Job]:
    """The blocks of a job in shares: most expensive first, each to the share with least work."""
    shares: list[list[Block]] = [[] for _ in range(min(count, len(job.blocks)))]
    for block in sorted(job.blocks, key=_effort, reverse=True):
        min(shares, key=lambda share: sum(map(_effort, share))).append(block)
    return [replace(job, blocks=tuple(share)) for share in shares if share]


def _effort(block: Block) -> float:
    """Relative cost, growing with the area of the view; tiles have that of a large picture."""
    side = LARGE if block.view.kind == "tiles" else block.view.size * block.view.per_side
    return block.spec.cost * side**2


def tasks_of(jobs: Sequence[Job], size: int) -> Iterator[Sequence[Job]]:
    """Groups of at most `size` consecutive jobs with the same reference and blocks."""
    for _, same in groupby(jobs, key=lambda job: (job.key[0], job.blocks)):
        while task := list(islice(same, size)):
            yield task
