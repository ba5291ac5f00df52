"""What a piece of work takes: seconds, memory of this process and its workers, memory of GPUs."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Event, Thread
from typing import Any

import psutil

INTERVAL = 0.2
"""Seconds between two samples of the resident memory."""


@dataclass(frozen=True)
class Spent:
    """What was taken; gigabytes are of 10⁹ bytes.

    Attributes
    ----------
    seconds : float
        Wall-clock time.
    gigabytes : float
        Peak of the resident memory of the process and its child processes together.
    gpu_gigabytes : float
        Peak of what PyTorch had allocated on the fullest GPU; 0 without one.
    """

    seconds: float
    gigabytes: float
    gpu_gigabytes: float


@contextmanager
def spending() -> Iterator[Callable[[], Spent]]:
    """Watch time and memory while the block runs; the function says what it took so far.

    Resident memory is sampled, so a shorter peak can be missed; it includes what the process held
    before. PyTorch counts the memory of a GPU itself. Other machines of a cluster are not watched.
    """
    started = time.perf_counter()
    cuda = _cuda()
    for device in _devices(cuda):
        cuda.reset_peak_memory_stats(device)
    peak, finished = _resident(), Event()

    def sample() -> None:
        nonlocal peak
        peak = max(peak, _resident())

    def watch() -> None:
        while not finished.wait(INTERVAL):
            sample()

    def so_far() -> Spent:
        sample()
        cuda = _cuda()  # the block may have been the first to use it
        allocated = [cuda.max_memory_allocated(device) for device in _devices(cuda)]
        seconds = time.perf_counter() - started
        return Spent(seconds, peak / 1e9, max(allocated, default=0) / 1e9)

    watcher = Thread(target=watch, name="spending", daemon=True)
    watcher.start()
    try:
        yield so_far
    finally:
        finished.set()
        watcher.join()


def _resident() -> int:
    """Bytes of the process and its children; one that has just ended counts as nothing."""
    process = psutil.Process()
    total = process.memory_info().rss
    for child in process.children(recursive=True):
        try:
            total += child.memory_info().rss
        except psutil.Error:
            continue
    return int(total)


def _cuda() -> Any:
    """`torch.cuda` if this process already uses it; nothing is imported or initialised for this."""
    torch = sys.modules.get("torch")
    return torch.cuda if torch is not None and torch.cuda.is_initialized() else None


def _devices(cuda: Any) -> range:
    return range(cuda.device_count() if cuda is not None else 0)
