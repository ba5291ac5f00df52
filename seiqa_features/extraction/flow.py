"""The flow of a run: tasks on threads or processes, batches on a GPU, finished rows to the store.

Each worker thread runs whole tasks with single-threaded kernels (`seiqa_features.threads`): on a
CPU this scales better than threads inside each small kernel, and the values of a pair cannot depend
on its neighbours or on how many threads the process uses elsewhere. For a GPU, workers only prepare
the views; these are collected over tasks and run in large batches by one additional thread while
the workers continue. If there is enough to do, these workers are processes (`gpu/preparing.py`).
All queues are bounded. Finished rows are written every few seconds, sooner if there are many, and
when the run is interrupted or terminated: a killed run loses little.
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, as_completed, wait
from itertools import chain
from typing import Any

from seiqa_features.extraction.gpu.batches import BATCH_BYTES, BATCH_PAIRS, GpuBatches
from seiqa_features.extraction.gpu.preparing import Processes, processes_for
from seiqa_features.extraction.jobs import Job, Result, Rows
from seiqa_features.extraction.planning import tasks_of
from seiqa_features.extraction.runtime import Runtime
from seiqa_features.extraction.work import compute
from seiqa_features.progress import Progress
from seiqa_features.table.store import Sink
from seiqa_features.threads import one_core_threads

TASK_PAIRS = 4
NETWORK_TASK_PAIRS = 16  # encoding a reference repeatedly costs more with a network on the CPU
SHARD_PAIRS = 128  # pairs in the buffer, and in hand on the CPU, that trigger an immediate write
GPU_BATCHES = 2  # the second starts while this thread writes the rows of the one before
FLUSH_SECONDS = 5.0  # longest time for which a finished pair is buffered


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
        See `runner.extract`.
    """
    with processes_for(jobs, runtime, workers) as processes:  # begun before weights are loaded
        flow = _Flow(jobs, sink, runtime, processes, workers, shard_pairs, on_progress)
        flow.run()
    return flow.failures


class _Flow:
    """Tasks on the workers and batches on the GPU, until every job is done."""

    def __init__(
        self,
        jobs: Sequence[Job],
        sink: Sink,
        runtime: Runtime,
        processes: Processes | None,
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
        self.workers, self.processes = workers, processes
        networks = self.gpu_batches is None and any(spec.weights for spec in specs)
        most = NETWORK_TASK_PAIRS if networks else TASK_PAIRS
        fair = -(-len(jobs) // workers)  # spread a few pairs of one reference over all workers, too
        self.tasks = tasks_of(jobs, min(most, fair, max(1, shard_pairs // (4 * workers))))
        self.running: dict[Future[Any], Sequence[Job]] = {}  # tasks, in threads or processes
        self.waiting: list[tuple[int, Result]] = []  # finished tasks that still need the GPU
        self.batches: dict[Future[Result], int] = {}  # on the GPU, and next in line for it
        self.buffer: Rows = {}
        self.buffered, self.due = 0, math.inf  # its pairs; when to write it, by the monotonic clock

    def run(self) -> None:
        """Do every job; when interrupted, finish and write what cannot be stopped."""
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
            future = self.processes and self.processes.submit(task)
            self.running[future or workers.submit(compute, task, self.runtime)] = task
        full = self._held() >= BATCH_PAIRS or self._held_bytes() >= BATCH_BYTES
        ready = self.waiting and (full or not self.running)
        if self.gpu_batches is not None and len(self.batches) < GPU_BATCHES and ready:
            results = [result for _, result in self.waiting]
            self.batches[gpu.submit(self.gpu_batches.run, results)] = self._held()
            self.waiting = []
        return bool(self.running or self.batches)

    def _wants_tasks(self) -> bool:
        """Two tasks per worker, short ones four, keep all workers busy while this thread writes.

        For a GPU, two batches are prepared beside those that it has; more would only fill memory.
        """
        if self.gpu_batches is None:
            return len(self.running) < 2 * self.workers
        few = self._running() + self._held() < 2 * BATCH_PAIRS
        small = self._held_bytes() < 2 * BATCH_BYTES
        return few and small and len(self.running) < 4 * self.workers

    def _running(self) -> int:
        """Number of pairs in tasks."""
        return sum(map(len, self.running.values()))

    def _held(self) -> int:
        """Number of pairs waiting for the GPU."""
        return sum(pairs for pairs, _ in self.waiting)

    def _held_bytes(self) -> int:
        """Size of their pictures."""
        return sum(result.size for _, result in self.waiting)

    def _collect(self, future: Future[Any]) -> None:
        task = self.running.pop(future, ())
        pairs = len(task) or self.batches.pop(future)
        result = self.processes.opened(future, task) if self.processes else future.result()
        if result is None:  # lost with its process
            self.tasks = chain([task], self.tasks)
            return
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
        if self.processes:
            self.processes.close()  # what is not on the GPU by now has no rows yet
        begun = [future for future in (*self.running, *self.batches) if not future.cancel()]
        for future in as_completed(begun):
            if future.exception() is None:
                self._collect(future)
        self._flush()

    def _in_hand(self) -> int:
        """Number of pairs that workers compute; those of a GPU are finished in large batches."""
        return self._running() if self.gpu_batches is None else 0

    def _flush(self) -> None:
        self.buffered, self.due = 0, math.inf
        while self.buffer:
            block = next(iter(self.buffer))
            self.sink.append(block, self.buffer[block])
            del self.buffer[block]  # only now: a signal may arrive during the write
