"""A process whose number of threads is another one, or is set again and again meanwhile."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event, Thread

import torch


@contextmanager
def process_uses(threads: int) -> Iterator[None]:
    """This thread's number and that of threads to come."""
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@contextmanager
def unrest() -> Iterator[None]:
    """Another thread that keeps setting the process's number of threads."""
    calm = Event()

    def stir() -> None:
        while not calm.is_set():
            for threads in (3, 1, 2):
                torch.set_num_threads(threads)

    thread = Thread(target=stir)
    thread.start()
    try:
        yield
    finally:
        calm.set()
        thread.join()
