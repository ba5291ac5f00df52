"""The runner: decode ∥ extract ∥ write, over whatever the store does not hold yet.

Pairs are worked on in small tasks that share a reference, so that it is decoded and filtered once.
Each worker thread runs whole tasks with single-threaded kernels: on a CPU that scales better than
threads inside each small kernel, and a pair's values cannot depend on its neighbours. A killed run
loses less than one shard: one is written as soon as finished and unfinished pairs would fill it.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import groupby, islice
from pathlib import Path

import pandas as pd

from seiqa_features.errors import DataError
from seiqa_features.progress import Progress, unwatched
from seiqa_features.recipe import Recipe
from seiqa_features.registry import get_extractor
from seiqa_features.store import KEYS, Store
from seiqa_features.work import Job, Result, Rows, compute

TASK_PAIRS = 4


@dataclass
class RunReport:
    """What a run did: pairs computed, pairs already there, and one line per pair that failed."""

    computed: int = 0
    cached: int = 0
    seconds: float = 0.0
    failures: dict[str, str] = field(default_factory=dict)

    def kept(self, pairs: pd.DataFrame) -> pd.DataFrame:
        """The pairs without those that failed and their duplicates (equal pixels, one row)."""
        keys = pd.MultiIndex.from_frame(pairs[list(KEYS)])
        failed = keys[pairs["pair_id"].isin(self.failures)]
        return pairs[~keys.isin(failed)].reset_index(drop=True)


def extract(
    pairs: pd.DataFrame,
    recipe: Recipe,
    store: Store,
    *,
    workers: int,
    keep_going: bool = False,
    shard_pairs: int = 128,
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
                    running[pool.submit(compute, task, work)] = task
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


@contextmanager
def _single_threaded_kernels() -> Iterator[None]:
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
