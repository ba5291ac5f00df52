"""Writing one file so that a killed process leaves the old content or the new, never a part.

Several files that have to change together are the subject of `seiqa_features.commits`.
"""

from __future__ import annotations

import hashlib
import os
import platform
import re
import shutil
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

from seiqa_features.remote.paths import RemotePath

HOST = hashlib.blake2b(platform.node().encode(), digest_size=4).hexdigest()
_TEMPORARY = re.compile(r"\.seiqa-(?P<host>[0-9a-f]{8})-(?P<pid>[0-9]{1,9})-[0-9a-f]{8}\.tmp")
_ABANDONED = 24 * 3600
"""Seconds after which a temporary file is a leftover, whatever process its name states."""


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A temporary path next to `path` to write to; renamed to `path` if the block succeeds.

    A killed process or a power cut leaves either the old file or the new one. If the block raises,
    the temporary file is removed and `path` is unchanged. Leftovers of killed processes in the
    folder are removed first. For an object store the temporary path is local, and its content
    becomes one object.

    Raises
    ------
    OSError
        The folder cannot be created, or the file cannot be written or renamed; it names `path`.
    """
    if isinstance(path, RemotePath):
        with TemporaryDirectory() as folder:
            yield Path(folder) / path.name
            path.upload(Path(folder) / path.name)
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    _sweep_once(path.parent)
    temporary = temporary_in(path.parent)
    try:
        yield temporary
        flush(temporary)
        temporary.replace(path)
    except BaseException as error:
        with suppress(OSError):
            temporary.unlink()
        if isinstance(error, OSError) and error.filename in (None, str(temporary)):
            error.filename = str(path)  # a full disk names no file
        raise


def write_whole(path: Path, content: bytes | str) -> None:
    """Write a file with `replacing`; text is written as UTF-8.

    Raises
    ------
    OSError
        As `replacing`.
    """
    with replacing(path) as temporary:
        temporary.write_bytes(content.encode() if isinstance(content, str) else content)


def create_whole(path: Path, content: bytes) -> None:
    """Create a file atomically, complete from the start; an existing file is kept.

    Raises
    ------
    OSError
        The file cannot be written, or the file system has no hard links.
    """
    _sweep_once(path.parent)
    temporary = temporary_in(path.parent)
    try:
        temporary.write_bytes(content)
        flush(temporary)
        with suppress(FileExistsError):
            os.link(temporary, path)
    finally:
        with suppress(OSError):
            temporary.unlink()


def temporary_in(folder: Path) -> Path:
    """An unused path in `folder`; its name states the process that `sweep` checks for."""
    return folder / f".seiqa-{HOST}-{os.getpid()}-{uuid.uuid4().hex[:8]}.tmp"


def flush(path: Path) -> None:
    """Flush the content of a file to disk before a rename that relies on it.

    Raises
    ------
    OSError
        The disk is full or fails.
    """
    with path.open("rb+") as file:
        os.fsync(file.fileno())


def sweep(folder: Path) -> None:
    """Remove the temporary files and folders in `folder` whose process has ended.

    Those from another machine that shares the disk are left alone for a day. What cannot be
    removed is ignored.
    """
    with suppress(OSError):
        for entry in list(os.scandir(folder)):
            found = _TEMPORARY.fullmatch(entry.name)
            if found is None or _in_use(entry, found["host"], int(found["pid"])):
                continue
            if entry.is_dir(follow_symlinks=False):
                shutil.rmtree(entry.path, ignore_errors=True)
            else:
                Path(entry.path).unlink(missing_ok=True)


@cache
def _sweep_once(folder: Path) -> None:
    """`sweep`, but not repeated for each of many files written to one folder."""
    sweep(folder)


def _in_use(entry: os.DirEntry[str], host: str, pid: int) -> bool:
    try:
        age = time.time() - entry.stat(follow_symlinks=False).st_mtime
    except FileNotFoundError:
        return True  # it has just been renamed to its final name
    return age < _ABANDONED and (host != HOST or is_running(pid))


def is_running(pid: int) -> bool:
    """Whether this machine has a process of that number."""
    if os.name == "nt":
        return True  # on Windows, signal 0 would end the process
    try:
        os.kill(pid, 0)
    except OSError as error:  # one that is owned by another user cannot be asked
        return not isinstance(error, ProcessLookupError)
    return True
