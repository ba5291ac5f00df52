"""Threads in which kernels use one core, so that values do not depend on PyTorch's thread settings.

Convolutions and matrix products split their sums among threads, so that their last bits depend on
the number of threads. `torch.set_num_threads` alone does not solve this: the number is per thread,
a new thread adopts the number of the process only when PyTorch first queries it, and oneDNN, which
does not query it, runs a convolution on all cores before that. Therefore everything that must be
reproducible runs in threads created here, each of which sets its own number to one. The caller's
threads, and the number with which new threads start, are unchanged.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import wraps
from threading import Thread
from typing import ParamSpec, TypeVar

from seiqa_features.locks import forkable_lock

P = ParamSpec("P")
T = TypeVar("T")

_starting = forkable_lock()  # setting a thread's own number also sets that of future threads


def one_core_threads(count: int) -> ThreadPoolExecutor:
    """A pool of at most `count` threads, each of which runs every kernel on a single core."""
    return ThreadPoolExecutor(count, initializer=_use_one_core)


def on_one_core(function: Callable[P, T]) -> Callable[P, T]:
    """Wrap a function to run in its own thread of `one_core_threads` while the caller waits."""

    @wraps(function)
    def run(*args: P.args, **kwargs: P.kwargs) -> T:
        with one_core_threads(1) as pool:
            return pool.submit(function, *args, **kwargs).result()

    return run


def _use_one_core() -> None:
    import torch

    with _starting:
        of_new_threads = torch.get_num_threads()  # this thread is new
        torch.set_num_threads(1)
        restoring = Thread(target=torch.set_num_threads, args=(of_new_threads,))
        restoring.start()
        restoring.join()
