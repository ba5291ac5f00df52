"""What a process that prepares pictures and the one that feeds the GPU send each other.

Pixels are not sent: they are in memory that the processes share, each task's in a range of its own
of a sparse file without a name. The file needs no space in ``/dev/shm``, which is small in a
container, and nothing of it can be left behind, however the processes end. Objects that both sides
have, blocks and jobs, are sent as numbers.
"""

from __future__ import annotations

import io
import mmap
import os
import pickle
import weakref
from collections.abc import Sequence
from multiprocessing.reduction import DupFd
from typing import Any

import numpy as np
from numpy.typing import NDArray

RANGE = 2**36
"""Bytes from one range to the next, far more than the pixels of a task; holes take no memory."""

KEPT = 2**25
"""Bytes of a range that stay for the next task, as mapping fresh memory takes time; of a larger one
all are given back."""


class SharedFile:
    """A file in memory that child processes inherit; they write ranges of it, read here."""

    def __init__(self, descriptor: int | None = None) -> None:
        self._descriptor = os.memfd_create("seiqa") if descriptor is None else descriptor
        weakref.finalize(self, os.close, self._descriptor)
        self._free: list[int] = []
        self._mapped: list[mmap.mmap | None] = []  # by range

    def __reduce__(self) -> tuple[Any, ...]:
        """Only while a child process is being started."""
        return _inherited, (DupFd(self._descriptor),)

    def take(self) -> int:
        """The number of a range that is not in use, for one task."""
        if self._free:
            return self._free.pop()
        self._mapped.append(None)
        return len(self._mapped) - 1

    def write(self, number: int, buffers: Sequence[pickle.PickleBuffer]) -> list[int]:
        """Write the buffers of a task one after another into a range, and return their sizes."""
        place, sizes = number * RANGE, []
        for buffer in buffers:
            left = buffer.raw()
            sizes.append(left.nbytes)
            while left.nbytes:  # the system writes 2 GiB at most at a time
                written = os.pwrite(self._descriptor, left, place)
                left, place = left[written:], place + written
        return sizes

    def read(self, number: int, sizes: Sequence[int]) -> list[NDArray[np.uint8]]:
        """The buffers in a range, which is free again when nothing refers to them any more."""
        whole = np.frombuffer(self._map(number, sum(sizes)), np.uint8)
        weakref.finalize(whole, self._release, number).atexit = False
        ends = np.cumsum(sizes)
        return [whole[end - size : end] for size, end in zip(sizes, ends, strict=True)]

    def _map(self, number: int, size: int) -> mmap.mmap | bytes:
        if not size:
            return b""
        mapped = self._mapped[number]
        if mapped is None or len(mapped) < size:
            mapped = mmap.mmap(self._descriptor, size, offset=number * RANGE)
            self._mapped[number] = mapped
        return mapped

    def _release(self, number: int) -> None:
        mapped = self._mapped[number]
        if mapped is not None and len(mapped) > KEPT:
            mapped.madvise(mmap.MADV_REMOVE)
            self._mapped[number] = None
        self._free.append(number)


def _inherited(descriptor: Any) -> SharedFile:
    return SharedFile(descriptor.detach())


def packed(
    message: object, known: Sequence[object], buffers: list[pickle.PickleBuffer] | None = None
) -> bytes:
    """The message in bytes, without objects of `known`; `buffers`, if given, gets the arrays."""
    file = io.BytesIO()
    _Pickler(file, known, buffers).dump(message)
    return file.getvalue()


def unpacked(
    data: bytes, known: Sequence[object], buffers: Sequence[NDArray[np.uint8]] = ()
) -> Any:
    """The message of `packed`: `known` in the same order, and a uint8 [bytes] buffer per array."""
    return _Unpickler(data, known, buffers).load()


class _Pickler(pickle.Pickler):
    def __init__(
        self,
        file: io.BytesIO,
        known: Sequence[object],
        buffers: list[pickle.PickleBuffer] | None,
    ) -> None:
        callback = None if buffers is None else buffers.append
        super().__init__(file, pickle.HIGHEST_PROTOCOL, buffer_callback=callback)
        self._numbers = {id(each): number for number, each in enumerate(known)}

    def persistent_id(self, each: object) -> int | None:
        return self._numbers.get(id(each))


class _Unpickler(pickle.Unpickler):
    def __init__(
        self, data: bytes, known: Sequence[object], buffers: Sequence[NDArray[np.uint8]]
    ) -> None:
        super().__init__(io.BytesIO(data), buffers=buffers)
        self._known = known

    def persistent_load(self, number: int) -> object:
        return self._known[number]
