"""Several devices: jobs are distributed by reference, and each device has its own process."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, wait
from multiprocessing.queues import Queue
from queue import Empty

from seiqa_features.extraction.runtime import Runtime
from seiqa_features.extraction.signals import Stopped, stopping
from seiqa_features.extraction.work import Job
from seiqa_features.progress import Progress

Failures = dict[str, str]
"""One line per failed pair."""

RunJobs = Callable[[Sequence[Job], Runtime, Progress], Failures]
"""Function that processes the share of one process; importable by name."""

_progress: Queue[tuple[int, int]]  # of a child process: (process number, pairs done)


def run_on_devices(
    jobs: Sequence[Job], runtime: Runtime, run: RunJobs, on_progress: Progress
) -> Failures:
    """Run the jobs on all of the runtime's devices.

    Raises
    ------
    SeiqaError
        Raised in a process; the others finish first, so their rows are kept.
    """
    shares = _deal(jobs, len(runtime.devices))
    others = set(multiprocessing.active_children())
    context = multiprocessing.get_context("spawn")  # CUDA does not survive a fork
    queue: Queue[tuple[int, int]] = context.Queue()
    with ProcessPoolExecutor(len(shares), context, _remember, (queue,)) as pool:
        running = [
            pool.submit(_work, number, share, runtime.only(device), run)
            for number, (share, device) in enumerate(zip(shares, runtime.devices, strict=False))
        ]
        try:
            _watch(running, queue, len(jobs), on_progress)
        except Stopped:  # only this process gets the signal; Ctrl+C reaches all of them
            for child in set(multiprocessing.active_children()) - others:
                child.terminate()
            raise
    failures: Failures = {}
    for future in running:
        failures.update(future.result())
    on_progress(len(jobs), len(jobs))
    return failures


def _deal(jobs: Sequence[Job], count: int) -> list[list[Job]]:
    """Shares of nearly equal size; pairs of one reference stay together. No share is empty."""
    by_reference: dict[str, list[Job]] = {}
    for job in jobs:
        by_reference.setdefault(job.key[0], []).append(job)
    shares: list[list[Job]] = [[] for _ in range(min(count, len(by_reference)))]
    for same in sorted(by_reference.values(), key=len, reverse=True):
        min(shares, key=len).extend(same)
    return shares


def _remember(queue: Queue[tuple[int, int]]) -> None:
    global _progress
    _progress = queue


def _work(number: int, jobs: Sequence[Job], runtime: Runtime, run: RunJobs) -> Failures:
    with stopping():
        return run(jobs, runtime, lambda done, _: _progress.put((number, done)))


def _watch(
    running: Sequence[Future[Failures]],
    queue: Queue[tuple[int, int]],
    total: int,
    on_progress: Progress,
) -> None:
    done = dict.fromkeys(range(len(running)), 0)
    while wait(running, timeout=0).not_done:
        try:
            number, count = queue.get(timeout=0.2)
        except Empty:
            continue
        done[number] = count
        on_progress(sum(done.values()), total)
