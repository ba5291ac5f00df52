"""Threads of numerical libraries, one even if several callers ask at once, and processes."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Thread
from typing import Any

from joblib import Parallel, effective_n_jobs
from threadpoolctl import get_cached_controller

from seiqa_features.locks import forkable_lock

_lock = forkable_lock()
_inside = 0
_before: dict[str, tuple[Any, int]] = {}
"""File of a BLAS → its controller and its number of threads when the first caller entered."""


@contextmanager
def one_core() -> Iterator[None]:
    """Make BLAS and OpenMP use one thread: the number of threads can change the last digit.

    OpenMP stores the number per thread, BLAS per process. The first caller to enter therefore sets
    BLAS to one thread and the last to leave restores it, so leaving does not affect callers that
    are still inside. May be nested. Other code in the process can still change BLAS's threads
    meanwhile. A process that is forked while another thread is inside stays at one.
    """
    global _inside
    libraries = get_cached_controller()
    with libraries.select(user_api="openmp").limit(limits=1):
        with _lock:
            _inside += 1
            for blas in libraries.select(user_api="blas").lib_controllers:
                if (threads := blas.num_threads) != 1:
                    _before.setdefault(blas.filepath, (blas, threads))
                    _set_threads(blas, 1)
        try:
            yield
        finally:
            with _lock:
                _inside -= 1
                if not _inside:
                    for blas, threads in _before.values():
                        _set_threads(blas, threads)
                    _before.clear()


def processes(n_jobs: int, tasks: int) -> int:
    """How many processes to start for so many tasks: joblib would start idle ones, too.

    Parameters
    ----------
    n_jobs : int
        As for joblib: a number of processes, or -1 for as many as there are cores, …
    """
    return max(1, min(int(effective_n_jobs(n_jobs)), tasks))


def in_processes(n_jobs: int, tasks: int, **options: Any) -> Parallel:
    """joblib's `Parallel` for so many tasks, whose processes end when this one is killed.

    By themselves they would finish what they have begun and then wait for more, some for ever.

    Parameters
    ----------
    n_jobs, tasks
        As for `processes`.
    **options
        Further parameters of `Parallel`.
    """
    number = processes(n_jobs, tasks)
    return Parallel(number, initializer=_end_with, initargs=(os.getpid(),), **options)


def _end_with(parent: int) -> None:
    """End this process when its parent is gone, if that is the one that gave it work."""
    if os.getppid() != parent:  # a worker of another backend, which ends by its own rules
        return

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(1)
        os._exit(1)

    Thread(target=watch, daemon=True).start()


def _set_threads(blas: Any, number: int) -> None:
    """Set BLAS's threads; threadpoolctl silently ignores concurrent calls from other threads."""
    getattr(blas, "_real_set_num_threads", blas.set_num_threads)(number)
