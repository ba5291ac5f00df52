"""Threads in which a kernel uses one core: no value depends on how PyTorch's threads are set.

Convolutions and matrix products split their sums among the threads they run on, so that another
number of threads means other last bits. `torch.set_num_threads` does not settle it: the number
belongs to each thread, a new thread takes over the process's number only when PyTorch first asks
for it, and oneDNN, which does not ask, runs a convolution on all cores before that. So everything
that has to come out the same runs in threads made here, each of which says for itself that it is
alone. A caller's own threads, and the number that new threads start with, stay as they are.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import wraps
from threading import Lock, Thread
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")

_starting = Lock()  # a thread's own number can only be set together with that of threads to come


def one_core_threads(count: int) -> ThreadPoolExecutor:
    """A pool of at most `count` threads, each of which runs every kernel on its own core alone."""
    return ThreadPoolExecutor(count, initializer=_use_one_core)


def on_one_core(function: Callable[P, T]) -> Callable[P, T]:
    """The function, run in a thread of `one_core_threads` of its own while the caller waits."""

    @wraps(function)
    def run(*args: P.args, **kwargs: P.kwargs) -> T:
        with one_core_threads(1) as pool:
            return pool.submit(function, *args, **kwargs).result()

    return run


def _use_one_core() -> None:
    import torch

    with _starting:
        of_new_threads = torch.get_num_threads()  # this one is new
        torch.set_num_threads(1)
        restoring = Thread(target=torch.set_num_threads, args=(of_new_threads,))
        restoring.start()
        restoring.join()
