"""Processes that decode pictures and prepare views, for the process that feeds a GPU.

Launching a kernel needs Python's interpreter. In threads of the same process, decoding keeps the
interpreter so often that a batch takes twice as long. Hence these processes, which leave the GPU
alone: they run the tasks, whose pixels reach this process in shared memory.
"""

from __future__ import annotations

import logging
import os
import signal
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from multiprocessing import Pipe, resource_tracker
from multiprocessing.connection import Connection
from pickle import PickleBuffer

from joblib.externals import loky

from seiqa_features.extraction.gpu.messages import SharedFile, packed, unpacked
from seiqa_features.extraction.jobs import Job, Result
from seiqa_features.extraction.runtime import Runtime
from seiqa_features.extraction.work import compute
from seiqa_features.table.recipe import Block
from seiqa_features.threads import on_one_core

PROCESSES = 8
"""At most: so many prepare 170 pairs/s on slow cores, more than an H100 takes. Each needs 0.1 GB of
memory, or 0.4 GB if it needs PyTorch."""

FEWEST_PAIRS = 512
"""With fewer pairs, threads are done soon after the processes have imported what they need. This
also holds for the units of a cluster (`cluster.UNIT_PAIRS`)."""

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Reply:
    """The result of a task: its pickle, and the sizes of the arrays in the shared file."""

    number: int
    data: bytes
    sizes: Sequence[int]


class Processes:
    """Processes that run tasks; they start at once and import what they need.

    Parameters
    ----------
    runtime : Runtime
        Whose GPU this process feeds.
    blocks : Sequence[Block]
        Every block of the tasks.
    """

    def __init__(self, runtime: Runtime, blocks: Sequence[Block], many: int) -> None:
        self._blocks = blocks
        self._lost = False
        self._file = SharedFile()
        theirs, self._lifeline = Pipe(duplex=False)
        # loky does not import the main module again, so scripts and notebooks need no guard.
        self._pool = loky.ProcessPoolExecutor(
            many, initializer=_begin, initargs=(theirs, self._file, runtime, blocks)
        )
        with _unmoved_by_interrupts():
            self._first = self._pool.submit(os.getpid)  # starts all of them
        theirs.close()

    def submit(self, task: Sequence[Job]) -> Future[Reply] | None:
        """Run a task in one of the processes; None if a thread has to, because none is ready."""
        if self._lost or not self._first.done():
            return None
        number = self._file.take()
        try:
            future: Future[Reply] = self._pool.submit(_run, number, packed(task, self._blocks))
        except BrokenProcessPool:
            self._lose()
            return None
        return future

    def opened(self, future: Future[Reply] | Future[Result], task: Sequence[Job]) -> Result | None:
        """The result of a future, of a thread or a process; None if it died with its process."""
        try:
            found = future.result()
        except BrokenProcessPool:
            self._lose()
            return None
        if isinstance(found, Result):
            return found
        buffers = self._file.read(found.number, found.sizes)
        result: Result = unpacked(found.data, [*self._blocks, *task], buffers)
        return result

    def close(self) -> None:
        """End the processes, whatever they are doing."""
        self._pool.shutdown(kill_workers=True)
        self._lifeline.close()

    def _lose(self) -> None:
        """Leave the rest to threads: what killed one process would kill another."""
        if not self._lost:
            self._lost = True
            logger.warning("a process that prepared pictures has died; threads do it from here on")


@contextmanager
def _unmoved_by_interrupts() -> Iterator[None]:
    """Processes started here ignore Ctrl+C, which is for the one that started them."""
    resource_tracker.ensure_running()  # if it had to be started with them, it would let signals in
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextmanager
def processes_for(
    jobs: Sequence[Job], runtime: Runtime, workers: int
) -> Iterator[Processes | None]:
    """Processes to prepare the jobs' pictures for a GPU, or None where threads do as well.

    Without a GPU, threads hinder each other little. Pictures in this process's memory, whose
    loaders are closures, need no decoding and would have to be copied.
    """
    blocks = list({id(block): block for job in jobs for block in job.blocks}.values())
    on_gpu = any(runtime.on_gpu(block.spec) for block in blocks)
    in_files = all(isinstance(load, partial) for job in jobs for load in (job.ref, job.dist))
    if len(jobs) < FEWEST_PAIRS or not on_gpu or not in_files:
        yield None
        return
    try:
        processes = Processes(runtime, blocks, min(workers, PROCESSES))
    except (OSError, NotImplementedError) as error:  # the system lacks semaphores, or such files
        logger.info("threads prepare the pictures, because processes cannot be started: %s", error)
        yield None
        return
    try:
        yield processes
    finally:
        processes.close()


class _Worker:
    """What a process has besides its tasks."""

    def __init__(self, file: SharedFile, runtime: Runtime, blocks: Sequence[Block]) -> None:
        self.file, self.runtime, self.blocks = file, runtime, blocks
        kept = {block.spec.name for block in blocks if not runtime.on_gpu(block.spec)}
        for name in kept:
            runtime.work(name)
        self.compute = on_one_core(compute) if kept else compute  # PyTorch only if it is needed

    def run(self, number: int, request: bytes) -> Reply:
        task: Sequence[Job] = unpacked(request, self.blocks)
        buffers: list[PickleBuffer] = []
        result = self.compute(task, self.runtime)
        data = packed(result, [*self.blocks, *task], buffers)
        return Reply(number, data, self.file.write(number, buffers))


_worker: _Worker | None = None


def _begin(
    lifeline: Connection, file: SharedFile, runtime: Runtime, blocks: Sequence[Block]
) -> None:
    global _worker
    threading.Thread(target=_end_with, args=(lifeline,), daemon=True).start()
    _worker = _Worker(file, runtime, blocks)


def _end_with(lifeline: Connection) -> None:
    """End this process when the one at the other end is gone, even if that was killed."""
    try:
        lifeline.recv_bytes()
    except EOFError:
        os._exit(1)


def _run(number: int, request: bytes) -> Reply:
    if _worker is None:
        raise RuntimeError("the process has not begun")
    return _worker.run(number, request)
