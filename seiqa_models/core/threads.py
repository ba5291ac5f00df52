"""One thread for numerical libraries, also where several callers want it at the same time."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock
from typing import Any

from threadpoolctl import get_cached_controller

_lock = Lock()
_inside = 0
_before: dict[str, tuple[Any, int]] = {}
"""File of a BLAS → its controller and how many threads it had when the first caller came in."""


@contextmanager
def one_core() -> Iterator[None]:
    """Have BLAS and OpenMP use one thread: the number of threads can change the last digit.

    OpenMP keeps the number for each thread, BLAS for the process. So the first caller inside sets
    BLAS to one thread and the last one out restores it: a caller that leaves takes nothing from
    those who are still inside. May be nested. What else in the process sets BLAS's threads in the
    meantime is not kept from it.
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


def _set_threads(blas: Any, number: int) -> None:
    """threadpoolctl lets one thread at a time set OpenBLAS's number and silently ignores others."""
    getattr(blas, "_real_set_num_threads", blas.set_num_threads)(number)
