"""A process forked while another thread of this one is busy: does it wait for that thread?"""

from __future__ import annotations

import os
import signal
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Event, Thread, get_ident

import pytest

needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork")


class Halt:
    """Where a thread other than the one that made it stops, until it may go on."""

    def __init__(self) -> None:
        self._maker, self._reached, self._open = get_ident(), Event(), Event()

    def __call__(self) -> None:
        if get_ident() != self._maker:
            self._reached.set()
            self._open.wait()

    @contextmanager
    def reached_by(self, work: Callable[[], object]) -> Iterator[None]:
        """`work` runs in another thread, and stops here while the block runs."""
        thread = Thread(target=work)
        thread.start()
        try:
            assert self._reached.wait(60), "it never came here"
            yield
        finally:
            self._open.set()
            thread.join()


def ends_in_a_fork(work: Callable[[], object], seconds: int = 60) -> bool:
    """Whether `work` ends without an error, and in time, in a forked process."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # that there are threads
        child = os.fork()
    if child == 0:
        status = 1
        try:
            signal.alarm(seconds)  # ends the process
            work()
            status = 0
        finally:
            os._exit(status)
    return os.waitpid(child, 0)[1] == 0
