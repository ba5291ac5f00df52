"""The runner: decode ∥ extract ∥ write, over whatever the store does not hold yet.

Pairs are worked on in small tasks that share a reference, so that it is decoded and filtered once.
Each worker thread runs whole tasks with single-threaded kernels: on a CPU that scales better than
threads inside each small kernel, and a pair's values cannot depend on its neighbours. A killed run
loses less than one shard: one is written as soon as finished and unfinished pairs would fill it.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import groupby, islice
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from PIL import Image

from seiqa_features.errors import DataError
from seiqa_features.images import load_rgb, pixel_key
from seiqa_features.progress import Progress, unwatched
from seiqa_features.recipe import Block, Recipe
from seiqa_features.registry import get_extractor
from seiqa_features.specs import Extract
from seiqa_features.store import KEYS, SECONDS, PairKey, Store
from seiqa_features.views import View, to_array

if TYPE_CHECKING:
    import torch

TASK_PAIRS = 4
# What a metric's library raises on a picture it cannot work with; anything else is our mistake.
BREAKAGES = (RuntimeError, ValueError, IndexError, ArithmeticError, AssertionError)
Rows = dict[Block, list[dict[str, object]]]
Pictures = dict[str, Image.Image]  # distorted images of a task by pair_id


@dataclass(frozen=True)
class Job:
    """One pair of pictures and the blocks it still needs."""

    key: PairKey
    pair_id: str
    ref: Path
    dist: Path
    blocks: tuple[Block, ...]


@dataclass
class Result:
    """What a task brought: rows by block, and one line per pair that failed."""

    rows: Rows = field(default_factory=dict)
    failures: dict[str, str] = field(default_factory=dict)


@dataclass
class RunReport:
    """What a run did: pairs computed, pairs already there, and one line per pair that failed."""

    computed: int = 0
    cached: int = 0
    seconds: float = 0.0
    failures: dict[str, str] = field(default_factory=dict)


def extract(
    pairs: pd.DataFrame,
    recipe: Recipe,
    store: Store,
    *,
    workers: int,
    keep_going: bool = False,
    shard_pairs: int = 64,
    on_progress: Progress = unwatched,
) -> RunReport:
    """Compute every block of `recipe` for every pair that the store does not hold.

    `on_progress(done, total)` counts the pairs that had to be computed. Nothing is decoded, and
    torch is not imported, when all of them are there.

    Raises:
        DataError: pairs failed (a file changed or vanished meanwhile, a metric broke on it) and
            `keep_going` is false. Raised at the end: all others are in the store by then.
        StoreError: the store cannot be written.
    """
    started = time.perf_counter()
    jobs, cached = _pending(pairs, recipe, store)
    report = RunReport(cached=cached)
    if jobs:
        _run(jobs, store, report, workers, shard_pairs, on_progress)
    report.seconds = time.perf_counter() - started
    if report.failures and not keep_going:
        raise DataError(
            [*report.failures.values(), "the other pairs are done and kept; mend these and rerun"]
        )
    return report


def _pending(pairs: pd.DataFrame, recipe: Recipe, store: Store) -> tuple[list[Job], int]:
    """Jobs ordered by reference, one per distinct pair of pictures, and how many need nothing."""
    done = {block: store.keys(block) for block in recipe.blocks}
    distinct = pairs.drop_duplicates(list(KEYS)).sort_values(list(KEYS), kind="stable")
    jobs = []
    for row in distinct.itertuples():
        key = (str(row.ref_key), str(row.dist_key))
        blocks = tuple(block for block in recipe.blocks if key not in done[block])
        if blocks:
            ref, dist = Path(str(row.ref_path)), Path(str(row.dist_path))
            jobs.append(Job(key, str(row.pair_id), ref, dist, blocks))
    return jobs, len(distinct) - len(jobs)


def _run(
    jobs: Sequence[Job],
    store: Store,
    report: RunReport,
    workers: int,
    shard_pairs: int,
    on_progress: Progress,
) -> None:
    names = {block.spec.name for job in jobs for block in job.blocks}
    work = {name: get_extractor(name).build() for name in sorted(names)}
    queue = iter(_tasks(jobs, min(TASK_PAIRS, max(1, shard_pairs // (4 * workers)))))
    running: dict[Future[Result], Sequence[Job]] = {}
    buffer: Rows = {}
    buffered = 0
    with _single_threaded_kernels(), ThreadPoolExecutor(workers) as pool:
        try:
            while True:
                # Two tasks a worker keep everyone busy while this thread writes.
                for task in islice(queue, 2 * workers - len(running)):
                    running[pool.submit(_compute, task, work)] = task
                if buffered + sum(map(len, running.values())) >= shard_pairs:
                    _flush(buffer, store)
                    buffered = 0
                if not running:
                    break
                for future in wait(running, return_when=FIRST_COMPLETED).done:
                    finished, result = len(running.pop(future)), future.result()
                    for block, rows in result.rows.items():
                        buffer.setdefault(block, []).extend(rows)
                    report.failures.update(result.failures)
                    report.computed += finished - len(result.failures)
                    buffered += finished
                    on_progress(report.computed + len(report.failures), len(jobs))
        finally:
            for future in running:
                future.cancel()
            _flush(buffer, store)


def _tasks(jobs: Sequence[Job], size: int) -> Iterator[Sequence[Job]]:
    for _, same in groupby(jobs, key=lambda job: (job.key[0], job.blocks)):
        while task := list(islice(same, size)):
            yield task


def _flush(buffer: Rows, store: Store) -> None:
    while buffer:
        block, rows = buffer.popitem()
        store.append(block, rows)


def _compute(task: Sequence[Job], work: Mapping[str, Extract]) -> Result:
    """Decode a task's pictures once and run every block on them."""
    result = Result()
    started = time.perf_counter()
    ref, dists = _decode(task, result)
    jobs = [job for job in task if job.pair_id in dists]
    if ref is None or not jobs:
        return result
    decoding = (time.perf_counter() - started) / (len(jobs) * len(jobs[0].blocks))
    for view, blocks in groupby(sorted(jobs[0].blocks, key=_view_name), key=lambda b: b.view):
        views = _prepare(view, ref, [dists[job.pair_id] for job in jobs])
        for block in blocks:
            _add_rows(result, block, work[block.spec.name], *views, jobs, decoding)
    return result


def _add_rows(
    result: Result,
    block: Block,
    work: Extract,
    ref: torch.Tensor,
    dist: torch.Tensor,
    jobs: Sequence[Job],
    decoding: float,
) -> None:
    """Run one block; where it breaks on several pairs together, find out on which of them."""
    started = time.perf_counter()
    try:
        values = _apply(block, work, ref, dist)
    except BREAKAGES as error:
        if len(jobs) > 1:
            for i, job in enumerate(jobs):
                _add_rows(result, block, work, ref, dist[i : i + 1], [job], decoding)
        else:
            reason = f"{type(error).__name__}: {error}".splitlines()[0]
            pair_id = jobs[0].pair_id
            result.failures[pair_id] = f"pair {pair_id}: {block.name}: {reason}"
        return
    seconds = decoding + (time.perf_counter() - started) / len(jobs)
    result.rows.setdefault(block, []).extend(
        {
            **dict(zip(KEYS, job.key, strict=True)),
            **{name: column[i].tolist() for name, column in values.items()},
            SECONDS: seconds,
        }
        for i, job in enumerate(jobs)
    )


def _view_name(block: Block) -> str:
    return block.view.name


def _decode(task: Sequence[Job], result: Result) -> tuple[Image.Image | None, Pictures]:
    """The task's reference and degraded images; what cannot be had is noted as failed."""
    dists: Pictures = {}
    try:
        ref = _load_expected(task[0].ref, task[0].key[0])
    except DataError as error:
        result.failures.update({job.pair_id: f"pair {job.pair_id}: {error}" for job in task})
        return None, dists
    for job in task:
        try:
            dists[job.pair_id] = _load_expected(job.dist, job.key[1])
        except DataError as error:
            result.failures[job.pair_id] = f"pair {job.pair_id}: {error}"
    return ref, dists


def _load_expected(path: Path, key: str) -> Image.Image:
    """Decode, and make sure that the row's key still tells the truth."""
    image = load_rgb(path)
    if pixel_key(image) != key:
        raise DataError([f"{path}: changed while this run was going on; run again"])
    return image


def _prepare(
    view: View, ref: Image.Image, dists: Sequence[Image.Image]
) -> tuple[torch.Tensor, torch.Tensor]:
    import torch

    size = view.target(ref.size)
    batch = np.stack([to_array(dist, size) for dist in dists])
    return torch.from_numpy(to_array(ref, size)[None]), torch.from_numpy(batch)


def _apply(
    block: Block, work: Extract, ref: torch.Tensor, dist: torch.Tensor
) -> dict[str, np.ndarray]:
    import torch

    if min(dist.shape[2:]) < block.spec.min_side:
        return {
            name: np.full((len(dist), output.dim) if output.dim else len(dist), np.nan)
            for name, output in block.spec.outputs.items()
        }
    with torch.inference_mode():
        index = torch.zeros(len(dist), dtype=torch.int64)
        values = work(ref=ref, dist=dist, ref_index=index)
    return {name: values[name].numpy() for name in block.spec.outputs}


@contextmanager
def _single_threaded_kernels() -> Iterator[None]:
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
