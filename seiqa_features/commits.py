"""Several files that change together: readers and killed writers see all of the new ones or none.

The new files are written to a scratch folder beside the old ones. One rename of that folder decides
that they count; then each is moved into its place. A process killed before the rename changes
nothing. After it, `current` finds the files that have not been moved yet, and `settle`, with which
the next writer begins, moves them.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from seiqa_features.files import flush, sweep, temporary_in

_PENDING = ".seiqa-pending"
_LEVELS = 2
"""Folders above a file that may hold a commit with it: run/bundle/model.skops is in two."""


@contextmanager
def committing(folder: Path) -> Iterator[Path]:
    """A scratch folder to write to; its files replace those in `folder` when the block ends well.

    Files in sub-folders go to sub-folders of the same name. Other files in `folder` stay. If the
    block raises, nothing has changed.

    Raises
    ------
    OSError
        The folder cannot be made, or a file not be written or renamed.
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
    """Finish what a killed process had decided to write into `folder`, and remove what it left.

    Raises
    ------
    OSError
        A file cannot be moved into its place; it is not lost, `current` finds it.
    """
    pending = folder / _PENDING
    for file in _files(pending):
        target = folder / file.relative_to(pending)
        target.parent.mkdir(parents=True, exist_ok=True)
        with suppress(FileNotFoundError):  # another process was faster
            file.replace(target)
    with suppress(OSError):  # likewise
        _remove_empty(pending)
    sweep(folder)


def current(path: Path) -> Path:
    """Where the file that belongs at `path` is: there, or in a commit that is not finished yet."""
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
