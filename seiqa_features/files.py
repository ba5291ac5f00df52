"""Files: what may be opened, names as text, and atomic writes that survive a killed process."""

from __future__ import annotations

import hashlib
import os
import platform
import re
import shutil
import stat
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from seiqa_features.errors import DataError, StoreError, printable
from seiqa_features.remote.paths import RemotePath
from seiqa_features.remote.places import named_path

_KINDS = (
    (stat.S_ISDIR, "a directory"),
    (stat.S_ISFIFO, "a FIFO"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
)
_ESCAPED = re.compile(r"\\(?=x[0-9a-f]{2})")
_BYTE = re.compile(rb"\\x([0-9a-f]{2})")


def why_irregular(path: Path) -> str | None:
    """What kind of thing a path is if not a regular file, else None. Nothing is opened.

    Opening a FIFO waits for a writer, and a device may have no end.

    Raises
    ------
    OSError
        It does not exist, or access is denied.
    ValueError
        The name contains a NUL.
    """
    mode = path.stat().st_mode
    if stat.S_ISREG(mode):
        return None
    kind = next((name for is_kind, name in _KINDS if is_kind(mode)), "no regular file")
    return f"is {kind}; expected a regular file"


def why_unreadable(path: Path) -> str | None:
    """Why a path cannot be opened as a file, or None; uses `why_irregular`."""
    try:
        return why_irregular(path)
    except FileNotFoundError:
        return "no such file"
    except (OSError, ValueError) as error:  # no permission, a loop of links, a NUL in the name
        return f"cannot be read ({reason(error)})"


def require_regular(path: Path) -> None:
    """Refuse anything but a regular file before opening it: folder, FIFO, socket, device, nothing.

    Raises
    ------
    DataError
        One line with the path and what it is.
    """
    if problem := why_unreadable(path):
        raise DataError([f"{path}: {problem}"])


def is_open_device(file: Any) -> bool:
    """Whether an open file is a device; objects that only read like a file are none."""
    try:
        mode = os.fstat(file.fileno()).st_mode
    except (AttributeError, OSError, ValueError, TypeError):
        return False
    return stat.S_ISCHR(mode) or stat.S_ISBLK(mode)


def reason(error: Exception) -> str:
    """The system's message for a failed call, without the path, which the caller adds."""
    said = str(getattr(error, "strerror", None) or error)
    return " ".join(said.split()) or type(error).__name__


def unreadable(path: Path, error: OSError) -> DataError | StoreError:
    """What to raise where a file that data name cannot be read.

    A `StoreError` if its object store fails: the data is not at fault, and the next file fails too.
    """
    if isinstance(path, RemotePath) and not isinstance(error, FileNotFoundError):
        return StoreError(f"{path}: {reason(error)}")
    return DataError([f"{path}: cannot be read ({reason(error)})"])


def sha256_of(path: Path) -> str:
    """SHA-256 of a file's content, 64 hex digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def path_text(path: Path | str) -> str:
    r"""A path as text that tables, JSON and SQLite can store; `text_path` is the inverse.

    It is the path itself or its URI, except that control characters and bytes that are not UTF-8
    are written as ``\xhh``. So is a backslash that would otherwise look like such an escape.
    """
    return printable(_ESCAPED.sub(r"\\x5c", str(path)))


def text_path(text: str) -> Path:
    """The path that `path_text` wrote as text."""
    octets = text.encode("utf-8", "surrogateescape")
    name = os.fsdecode(_BYTE.sub(lambda found: bytes([int(found[1], 16)]), octets))
    return named_path(name)


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

    Those of another machine are left alone for a day. What cannot be removed is ignored.
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
