"""Writing files whole: the one place that knows how a killed process leaves no half of a file."""

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

_HOST = hashlib.blake2b(platform.node().encode(), digest_size=4).hexdigest()
_TEMPORARY = re.compile(r"\.seiqa-(?P<host>[0-9a-f]{8})-(?P<pid>[0-9]{1,9})-[0-9a-f]{8}\.tmp")
_ABANDONED = 24 * 3600
"""Seconds after which a temporary file is left over, whatever process its name says."""


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A temporary path beside `path` to write to; it becomes `path` when the block ends well.

    A process that is killed leaves the old file or the new one, and so does a power cut. If the
    block raises, the temporary file is removed and `path` stays as it was. What killed processes
    left in the folder is removed first.

    Raises
    ------
    OSError
        The folder cannot be made, or the file not be written or renamed.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    _sweep_once(path.parent)
    temporary = temporary_in(path.parent)
    try:
        yield temporary
        flush(temporary)
        temporary.replace(path)
    except BaseException:
        with suppress(OSError):
            temporary.unlink()
        raise


def write_whole(path: Path, content: bytes | str) -> None:
    """Write a file by way of `replacing`; text is written as UTF-8.

    Raises
    ------
    OSError
        As `replacing`.
    """
    with replacing(path) as temporary:
        temporary.write_bytes(content.encode() if isinstance(content, str) else content)


def create_whole(path: Path, content: bytes) -> None:
    """Write a file that is whole from the moment it is there; one that is there already stays.

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
    """A path in `folder` that nothing else uses; its name says which process `sweep` asks after."""
    return folder / f".seiqa-{_HOST}-{os.getpid()}-{uuid.uuid4().hex[:8]}.tmp"


def flush(path: Path) -> None:
    """Bring a file's content to the disk before a rename that relies on it.

    Raises
    ------
    OSError
        The disk is full or fails.
    """
    with path.open("rb+") as file:
        os.fsync(file.fileno())


def sweep(folder: Path) -> None:
    """Remove the temporary files and folders in `folder` whose process is gone.

    Those of another machine that shares the disk are left alone for a day. What cannot be removed
    stays.
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
    """Not before each of many files that go to one folder."""
    sweep(folder)


def _in_use(entry: os.DirEntry[str], host: str, pid: int) -> bool:
    try:
        age = time.time() - entry.stat(follow_symlinks=False).st_mtime
    except FileNotFoundError:
        return True  # it has just become what it was made for
    return age < _ABANDONED and (host != _HOST or _is_running(pid))


def _is_running(pid: int) -> bool:
    if os.name == "nt":
        return True  # there, signal 0 would end the process
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:  # somebody else's
        return True
    return True
