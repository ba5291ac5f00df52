"""Atomic replacement of several files: all new files become visible together, or none does.

The new files are written to a scratch folder next to the old ones. Renaming that folder commits
them; each file is then moved into place. A process killed before the rename changes nothing. After
the rename, `current` finds files that have not been moved yet, and `settle`, which every writer
calls first, moves them.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from seiqa_features.files import flush, sweep, temporary_in

_PENDING = ".seiqa-pending"
_LEVELS = 2
"""Levels of parent folders whose commits may contain a file: run/bundle/model.skops has two."""


@contextmanager
def committing(folder: Path) -> Iterator[Path]:
    """A scratch folder to write to; its files replace those in `folder` if the block succeeds.

    Files in subfolders go to subfolders of the same name. Other files in `folder` stay. If the
    block raises, nothing changes.

    Raises
    ------
    OSError
        The folder cannot be created, or a file cannot be written or renamed.
    """
    folder.mkdir(parents=True, exist_ok=True)
    scratch = temporary_in(folder)
    try:
        scratch.mkdir()
        yield scratch
        for file in _files(scratch):
            flush(file)
        settle(folder)
        scratch.rename(folder / _PENDING)
    except BaseException:
        shutil.rmtree(scratch, ignore_errors=True)
        raise
    settle(folder)


def settle(folder: Path) -> None:
    """Finish commits to `folder` that a killed process left incomplete, and remove its leftovers.

    Raises
    ------
    OSError
        A file cannot be moved into place; it is not lost: `current` still finds it.
    """
    pending = folder / _PENDING
    for file in _files(pending):
        target = folder / file.relative_to(pending)
        target.parent.mkdir(parents=True, exist_ok=True)
        with suppress(FileNotFoundError):  # another process was faster
            file.replace(target)
    with suppress(OSError):  # another process was faster here too
        _remove_empty(pending)
    sweep(folder)


def current(path: Path) -> Path:
    """Where the file for `path` currently is: at `path`, or in a commit that is not finished."""
    place = path.absolute()
    for folder in list(place.parents)[:_LEVELS]:
        pending = folder / _PENDING / place.relative_to(folder)
        if pending.is_file():
            return pending
    return path


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if not path.is_dir())


def _remove_empty(folder: Path) -> None:
    for inner in folder.iterdir():
        if inner.is_dir():
            _remove_empty(inner)
    folder.rmdir()
