"""Files on the server's disk: uploads and results, kept for an hour or until space is needed."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from pipelines.web.examples import EXAMPLES

FILE_COSTS = 64 * 1024
"""Minimum size that a file counts as: a million empty ones fill a disk as well."""

SPARED = 60.0
"""Seconds for which a new file is always kept, since somebody has just sent it."""


def delete_old(folder: Path, age: float) -> None:
    """Delete the files that were written `age` seconds ago or earlier, and then empty folders.

    Gradio's own clean-up misses uploads that were aborted.
    """
    limit = time.time() - age
    for written, _, path in _kept(folder):
        if written <= limit:
            _delete(path)


def make_room(folder: Path, needed: int, limit: int) -> bool:
    """Whether `needed` more bytes fit under the limit after deleting the oldest files.

    A flood of uploads thus costs others their pictures of some minutes ago, but not the page.
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
    """Time, counted size and path of each file, except the examples."""
    for place, folders, names in os.walk(folder):  # skips what has been deleted meanwhile
        if EXAMPLES in folders:
            folders.remove(EXAMPLES)
        for path in (Path(place, name) for name in names):
            with suppress(OSError):
                found = path.lstat()
                yield found.st_mtime, max(found.st_size, FILE_COSTS), path


def _delete(path: Path) -> None:
    with suppress(OSError):  # deleted meanwhile, or not the last in its folder
        path.unlink()
        path.parent.rmdir()  # each upload has a folder of its own
