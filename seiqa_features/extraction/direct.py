"""Pictures in memory → feature table, with the same steps as the runner but without a store."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from numbers import Integral

import pandas as pd
from PIL import Image

from seiqa_features.errors import DataError, UsageError
from seiqa_features.extraction.flow import run_jobs
from seiqa_features.extraction.jobs import Job, Load
from seiqa_features.extraction.planning import shared_among
from seiqa_features.extraction.runtime import Runtime
from seiqa_features.files import why_unreadable
from seiqa_features.pictures.decoding import pixel_key
from seiqa_features.pictures.inputs import Picture, as_rgb, path_of
from seiqa_features.progress import Progress, unwatched
from seiqa_features.table.keys import KEYS, Wanted
from seiqa_features.table.recipe import Block, Recipe
from seiqa_features.table.shards import as_table
from seiqa_features.table.store import Found
from seiqa_features.table.table import assemble


def thread_count(workers: int | None) -> int:
    """The number of threads that a caller asks for; None or 0: as many as there are cores.

    Raises
    ------
    UsageError
        It is no whole number, or negative.
    """
    if workers is not None and (not isinstance(workers, Integral) or workers < 0):
        raise UsageError(f"workers is {workers!r}; expected a number of threads, or None")
    return int(workers or os.cpu_count() or 1)


def compute_table(
    pairs: Mapping[str, tuple[Load, Load]],
    recipe: Recipe,
    runtime: Runtime,
    *,
    workers: int = 1,
    on_pair: Progress = unwatched,
) -> tuple[pd.DataFrame, dict[str, str]]:
    """The feature table of pairs, bit-identical to extraction into a store and `assemble`.

    Parameters
    ----------
    pairs : Mapping[str, tuple[Load, Load]]
        Pair_id → functions that return the reference and the degraded picture. Pairs that share a
        function object share the picture: computations on a reference alone are done once per
        task.
    recipe : Recipe
        Bound to `runtime`, whose first device is used.
    workers : int
        Number of threads; if there are fewer pairs, threads share the blocks of a pair.

    Returns
    -------
    tuple[pd.DataFrame, dict[str, str]]
        The table of the successful pairs (contract: `seiqa_features.table.table`), rows in input
        order, and one line by pair_id for each failed pair.

    Raises
    ------
    WeightsError, DeviceError
        See `seiqa_features.extraction.runner.extract`.
    """
    names: dict[Load, str] = {}
    keys = {
        pair_id: (_named(names, ref), _named(names, dist)) for pair_id, (ref, dist) in pairs.items()
    }
    first = {key: pair_id for pair_id, key in reversed(keys.items())}
    jobs = [Job(key, first[key], *pairs[first[key]], recipe.blocks) for key in sorted(first)]
    rows, failures = _Rows(), {}
    if jobs:
        shares = shared_among(jobs, workers)
        failures = run_jobs(shares, runtime, on_pair, sink=rows, workers=workers)
    failed = {keys[pair_id]: line for pair_id, line in failures.items()}
    kept = [(pair_id, *key) for pair_id, key in keys.items() if key not in failed]
    table, _ = assemble(pd.DataFrame(kept, columns=["pair_id", *KEYS]), recipe, rows)
    return table, {pair_id: failed[key] for pair_id, key in keys.items() if key in failed}


def gather(
    refs: Sequence[Picture], dists: Sequence[Picture]
) -> tuple[dict[str, tuple[Load, Load]], list[str]]:
    """Pairs for `compute_table`, named by their index from 0, and the problems of the others.

    Files are decoded by the worker that needs them; pictures in memory are checked and converted
    here. A path or object is treated as one picture, however often it occurs.
    """
    known: dict[tuple[str, object], Load] = {}

    def load(picture: Picture, name: str) -> Load:
        path = path_of(picture)
        key = (name, path or id(picture))
        if key not in known:
            decode = partial(as_rgb, path or picture, name=name)
            lazy = path is not None and why_unreadable(path) is None
            known[key] = decode if lazy else held(decode())
        return known[key]

    pairs, problems = {}, []
    for number, (ref, dist) in enumerate(zip(refs, dists, strict=True)):
        sides = []
        for name, picture in (("ref", ref), ("dist", dist)):
            try:
                sides.append(load(picture, name))
            except DataError as error:
                problems += [f"pair {number}: {line}" for line in error.problems]
        if len(sides) == 2:
            pairs[str(number)] = sides[0], sides[1]
    return pairs, problems


def equal_pixels(
    pairs: Mapping[str, tuple[Load, Load]], *, workers: int
) -> tuple[set[str], dict[str, str]]:
    """Which pairs have equal pixels, and one line for each whose pictures cannot be loaded.

    Parameters
    ----------
    pairs : Mapping[str, tuple[Load, Load]]
        As for `compute_table`. Each picture is loaded once and not kept.
    """
    loads = list(dict.fromkeys(load for pair in pairs.values() for load in pair))
    with ThreadPoolExecutor(workers) as pool:
        keys = dict(zip(loads, pool.map(_key, loads), strict=True))
    problems = {
        pair_id: f"pair {pair_id}: {problem}"
        for pair_id, pair in pairs.items()
        for problem in (keys[load] for load in reversed(pair))
        if isinstance(problem, DataError)
    }
    return {pair_id for pair_id, (ref, dist) in pairs.items() if keys[ref] == keys[dist]}, problems


def _key(load: Load) -> str | DataError:
    try:
        return pixel_key(load())
    except DataError as error:
        return error


def held(picture: Image.Image) -> Load:
    """A `Load` that returns this picture."""
    return lambda: picture


def _named(names: dict[Load, str], load: Load) -> str:
    """A name for each object, numbered in order of first use."""
    return names.setdefault(load, f"{len(names):09d}")


class _Rows:
    """An in-memory store, used while the table is computed."""

    def __init__(self) -> None:
        self._rows: dict[Block, list[Mapping[str, object]]] = {}

    def append(self, block: Block, rows: Sequence[Mapping[str, object]]) -> None:
        self._rows.setdefault(block, []).extend(rows)

    def find(self, block: Block, wanted: Wanted) -> Iterator[Found]:
        rows = as_table(block, self._rows.get(block, []))
        positions = wanted.positions(rows)
        yield positions[positions >= 0], rows.drop_columns(list(KEYS)).filter(positions >= 0)
