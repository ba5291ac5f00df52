"""The runner: decode ∥ extract ∥ write, for everything that the store does not hold yet.

Pairs are processed in small tasks that share a reference, so that it is decoded and filtered once.
Each worker thread runs whole tasks with single-threaded kernels (`seiqa_features.threads`): on a
CPU this scales better than threads inside each small kernel, and the values of a pair cannot depend
on its neighbours or on how many threads the process uses elsewhere. For a GPU, workers only prepare
the views; these are collected over tasks and run in large batches by one additional thread while
the workers continue. All queues are bounded. Finished rows are written every few seconds, sooner
if there are many, and when the run is interrupted or terminated: a killed run loses little.
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, as_completed, wait
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from seiqa_features.errors import DataError
from seiqa_features.extraction.cluster import run_on_cluster
from seiqa_features.extraction.connecting import Cluster, this_machine
from seiqa_features.extraction.gpu_batches import BATCH_PAIRS, GpuBatches
from seiqa_features.extraction.jobs import Job
from seiqa_features.extraction.planning import jobs_for, look_up, shared_among, tasks_of
from seiqa_features.extraction.runtime import Runtime
from seiqa_features.extraction.signals import stopping
from seiqa_features.extraction.work import Result, Rows, compute
from seiqa_features.progress import Progress, unwatched
from seiqa_features.table.keys import KEYS
from seiqa_features.table.recipe import Recipe
from seiqa_features.table.store import Sink, Store
from seiqa_features.threads import one_core_threads

TASK_PAIRS = 4
NETWORK_TASK_PAIRS = 16  # encoding a reference repeatedly costs more with a network on the CPU
SHARD_PAIRS = 128  # pairs in the buffer, and in hand on the CPU, that trigger an immediate write
GPU_BATCHES = 2  # the second starts while this thread writes the rows of the one before
FLUSH_SECONDS = 5.0  # longest time for which a finished pair is buffered


@dataclass
class RunReport:
    """Result of a run: pairs computed, pairs already stored, and one line per failed pair."""

    computed: int = 0
    cached: int = 0
    seconds: float = 0.0
    failures: dict[str, str] = field(default_factory=dict)

    def kept(self, pairs: pd.DataFrame) -> pd.DataFrame:
        """The pairs without failed ones and their duplicates (equal pixels share one row)."""
        keys = pd.MultiIndex.from_frame(pairs[list(KEYS)])
        failed = keys[pairs["pair_id"].isin(self.failures)]
        return pairs[~keys.isin(failed)].reset_index(drop=True)

    def followed_by(self, later: RunReport) -> RunReport:
        """The combined report of this run and a later one that recomputed lost rows."""
        return RunReport(
            computed=self.computed + later.computed,
            cached=max(0, self.cached - later.computed),
            seconds=self.seconds + later.seconds,
            failures=self.failures | later.failures,
        )


def extract(
    pairs: pd.DataFrame,
    recipe: Recipe,
    store: Store,
    runtime: Runtime,
    *,
    workers: int,
    keep_going: bool = False,
    shard_pairs: int = SHARD_PAIRS,
    cluster: Cluster | None = None,
    on_progress: Progress = unwatched,
) -> RunReport:
    """Compute every block of `recipe` for every pair that the store does not hold.

    `recipe` is bound to `runtime`. `on_progress(done, total)` counts the pairs that had to be
    computed. If all rows exist, nothing is decoded and no extractor is built. With a `cluster`, its
    nodes do the work and `workers` does not matter; several devices are a cluster of this machine.

    Raises
    ------
    DataError
        Pairs failed (a file changed or disappeared, or a metric failed on it) and `keep_going`
        is false. Raised at the end, when all other pairs are in the store.
    StoreError
        The store cannot be written.
    WeightsError
        A weights file is damaged or belongs to another architecture.
    DeviceError
        A single pair does not fit in the GPU's memory.
    ClusterError
        See `run_on_cluster`.
    """
    started = time.perf_counter()
    distinct, there = look_up(pairs, recipe, store)
    lacking = ~there.all(axis=1)
    report = RunReport(cached=int((~lacking).sum()))
    if lacking.any():
        if cluster is None and len(runtime.devices) > 1:
            cluster = this_machine(runtime.devices)
        rows = distinct.iloc[np.flatnonzero(lacking)]
        with stopping():
            if cluster is not None:
                report.failures = run_on_cluster(rows, recipe, store, runtime, cluster, on_progress)
            else:
                jobs = shared_among(jobs_for(rows, there[lacking], recipe), workers)
                report.failures = run_jobs(
                    jobs, runtime, on_progress, sink=store, workers=workers, shard_pairs=shard_pairs
                )
        report.computed = int(lacking.sum()) - len(report.failures)
    report.seconds = time.perf_counter() - started
    if report.failures and not keep_going:
        raise DataError(
            [*report.failures.values(), "the other pairs are done and kept; fix these and rerun"]
        )
    return report


def run_jobs(
    jobs: Sequence[Job],
    runtime: Runtime,
    on_progress: Progress,
    *,
    sink: Sink,
    workers: int,
    shard_pairs: int = SHARD_PAIRS,
) -> dict[str, str]:
    """Run jobs, ordered by reference, on the runtime's first device; finished rows go to `sink`.

    Returns
    -------
    dict[str, str]
        One line per pair that failed.

    Raises
    ------
    StoreError, WeightsError, DeviceError
        See `extract`.
    """
    flow = _Flow(jobs, sink, runtime, workers, shard_pairs, on_progress)
    flow.run()
    return flow.failures


class _Flow:
    """Tasks on the workers and batches on the GPU, until every job is done."""

    def __init__(
        self,
        jobs: Sequence[Job],
        sink: Sink,
        runtime: Runtime,
        workers: int,
        shard_pairs: int,
        on_progress: Progress,
    ) -> None:
        self.total, self.done = len(jobs), 0
        self.pairs = len({job.key for job in jobs})  # workers may share the blocks of a pair
        self.failures: dict[str, str] = {}
        self.sink, self.runtime = sink, runtime
        self.shard_pairs, self.on_progress = shard_pairs, on_progress
        specs = {block.spec for job in jobs for block in job.blocks}
        for spec in sorted(specs, key=lambda spec: spec.name):
            runtime.work(spec.name)  # detect damaged weights before decoding any image
        self.gpu_batches = GpuBatches(runtime) if any(map(runtime.on_gpu, specs)) else None
        self.workers = workers
        networks = self.gpu_batches is None and any(spec.weights for spec in specs)
        most = NETWORK_TASK_PAIRS if networks else TASK_PAIRS
        fair = -(-len(jobs) // workers)  # spread a few pairs of one reference over all workers, too
        self.tasks = tasks_of(jobs, min(most, fair, max(1, shard_pairs // (4 * workers))))
        self.running: dict[Future[Result], int] = {}  # tasks → number of pairs
        self.waiting: list[tuple[int, Result]] = []  # finished tasks that still need the GPU
        self.batches: dict[Future[Result], int] = {}  # on the GPU, and next in line for it
        self.buffer: Rows = {}
        self.buffered, self.due = 0, math.inf  # its pairs; when to write it, by the monotonic clock

    def run(self) -> None:
        with one_core_threads(self.workers) as workers, one_core_threads(1) as gpu:
            try:
                while self._submit(workers, gpu):
                    full = self.buffered + self._in_hand() >= self.shard_pairs
                    if full or time.monotonic() >= self.due:
                        self._flush()
                    futures = [*self.running, *self.batches]
                    patience = None if self.due == math.inf else self.due - time.monotonic()
                    for future in wait(futures, patience, FIRST_COMPLETED).done:
                        self._collect(future)
            finally:
                self._wind_up()

    def _submit(self, workers: ThreadPoolExecutor, gpu: ThreadPoolExecutor) -> bool:
        """Keep workers and GPU busy; False when nothing is left to do."""
        while self._wants_tasks() and (task := next(self.tasks, None)):
            self.running[workers.submit(compute, task, self.runtime)] = len(task)
        ready = self.waiting and (self._held() >= BATCH_PAIRS or not self.running)
        if self.gpu_batches is not None and len(self.batches) < GPU_BATCHES and ready:
            results = [result for _, result in self.waiting]
            self.batches[gpu.submit(self.gpu_batches.run, results)] = self._held()
            self.waiting = []
        return bool(self.running or self.batches)

    def _wants_tasks(self) -> bool:
        """Two tasks per worker keep all workers busy while this thread writes.

        For a GPU, two batches are prepared beside those that it has; more would only fill memory.
        """
        if self.gpu_batches is None:
            return len(self.running) < 2 * self.workers
        return sum(self.running.values()) + self._held() < 2 * BATCH_PAIRS

    def _held(self) -> int:
        """Number of pairs waiting for the GPU."""
        return sum(pairs for pairs, _ in self.waiting)

    def _collect(self, future: Future[Result]) -> None:
        pairs = (self.batches if future in self.batches else self.running).pop(future)
        result = future.result()
        if result.prepared:
            self.waiting.append((pairs, result))
            return
        for block, rows in result.rows.items():
            self.buffer.setdefault(block, []).extend(rows)
        self.buffered += pairs
        self.due = min(self.due, time.monotonic() + FLUSH_SECONDS)
        self.failures.update(result.failures)
        self.done += pairs
        self.on_progress(self.done * self.pairs // self.total, self.pairs)

    def _wind_up(self) -> None:
        """Write finished rows, and then those of tasks that have begun, which cannot be stopped."""
        self._flush()
        begun = [future for future in (*self.running, *self.batches) if not future.cancel()]
        for future in as_completed(begun):
            if future.exception() is None:
                self._collect(future)
        self._flush()

    def _in_hand(self) -> int:
        """Number of pairs that workers compute; those of a GPU are finished in large batches."""
        return sum(self.running.values()) if self.gpu_batches is None else 0

    def _flush(self) -> None:
        self.buffered, self.due = 0, math.inf
        while self.buffer:
            block = next(iter(self.buffer))
            self.sink.append(block, self.buffer[block])
            del self.buffer[block]  # only now: a signal may arrive during the write
