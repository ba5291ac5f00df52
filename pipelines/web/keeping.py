"""What lies on the server's disk: uploads and results, for an hour or until room is needed."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from pipelines.web.examples import EXAMPLES

FILE_COSTS = 64 * 1024
"""Bytes that a file counts at least: a million empty ones fill a disk, too."""

SPARED = 60.0
"""Seconds for which a file stays whatever is needed: somebody has just sent it."""


def delete_old(folder: Path, age: float) -> None:
    """Delete the files that were written `age` seconds ago or earlier, and then empty folders.

    Gradio's own clean-up misses uploads that were aborted.
    """
    limit = time.time() - age
    for written, _, path in _kept(folder):
        if written <= limit:
            _delete(path)


def make_room(folder: Path, needed: int, limit: int) -> bool:
    """Whether so many more bytes fit under the limit, once the oldest files have gone.

    A flood of uploads so costs others their pictures of some minutes ago, and not the page.
    """
    kept = sorted(_kept(folder))
    excess = sum(size for _, size, _ in kept) + needed - limit
    newest = time.time() - SPARED
    for written, size, path in kept:
        if excess <= 0 or written > newest:
            break
        _delete(path)
        excess -= size
    return excess <= 0


def _kept(folder: Path) -> Iterator[tuple[float, int, Path]]:
    """When each file was written, what it counts, and where it is; the examples left out."""
    for place, folders, names in os.walk(folder):  # which passes over what has gone meanwhile
        if EXAMPLES in folders:
            folders.remove(EXAMPLES)
        for path in (Path(place, name) for name in names):
            with suppress(OSError):
                found = path.lstat()
                yield found.st_mtime, max(found.st_size, FILE_COSTS), path


def _delete(path: Path) -> None:
    with suppress(OSError):  # gone meanwhile, or not the last one in its folder
        path.unlink()
        path.parent.rmdir()  # each upload has a folder of its own
