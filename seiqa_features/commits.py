"""Atomic replacement of several files: all new files become visible together, or none does.

The new files are written to a scratch folder next to the old ones. Renaming that folder commits
them; each file is then moved into place. A process killed before the rename changes nothing. After
the rename, `current` finds files that have not been moved yet, and `settle`, which every writer
calls first, moves them.

In an object store no folder can be renamed. There the files are uploaded to a folder with a unique
name, and the object that names this folder, `_PENDING`, is what commits them.
"""

from __future__ import annotations

import shutil
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory

from seiqa_features.remote.paths import RemotePath
from seiqa_features.writing import flush, sweep, temporary_in

_PENDING = ".seiqa-pending"
_UPLOADS = ".seiqa-upload-"
_ABANDONED = 24 * 3600  # seconds
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
    if isinstance(folder, RemotePath):
        with TemporaryDirectory() as local:
            yield Path(local)
            _commit(Path(local), folder)
        return
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
    if isinstance(folder, RemotePath):
        _settle(folder)
        return
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
        scratch = _committed(folder) if isinstance(folder, RemotePath) else folder / _PENDING
        if scratch is None:
            continue
        pending = scratch / place.relative_to(folder)
        if pending.is_file():
            return pending
    return path


def _commit(local: Path, folder: RemotePath) -> None:
    """Put the files below a local folder into one of an object store, all or none."""
    scratch = folder / f"{_UPLOADS}{uuid.uuid4().hex}"
    try:
        for file in _files(local):
            (scratch / file.relative_to(local).as_posix()).upload(file)
        settle(folder)
        (folder / _PENDING).write_text(scratch.name)
    except BaseException:
        with suppress(OSError):
            scratch.remove_tree()
        raise
    settle(folder)


def _settle(folder: RemotePath) -> None:
    """As `settle`; uploads that a killed process did not commit are removed after a day."""
    scratch = _committed(folder)
    if scratch is not None:
        for file in scratch.files():
            file.copy_to(folder / file.relative_to(scratch).as_posix())
        (folder / _PENDING).unlink(missing_ok=True)
        with suppress(OSError):  # nothing refers to it any more
            scratch.remove_tree()
    for other in folder.glob(f"{_UPLOADS}*"):
        files = other.files()
        if all(file.stat().st_mtime < time.time() - _ABANDONED for file in files):
            with suppress(OSError):  # another process was faster
                other.remove_tree()


def _committed(folder: RemotePath) -> RemotePath | None:
    """The folder with the files of a commit that is not finished, None if there is none."""
    try:
        return folder / (folder / _PENDING).read_text()
    except FileNotFoundError:
        return None


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if not path.is_dir())


def _remove_empty(folder: Path) -> None:
    for inner in folder.iterdir():
        if inner.is_dir():
            _remove_empty(inner)
    folder.rmdir()
