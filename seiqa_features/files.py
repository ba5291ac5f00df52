"""What may be opened as a file, why a file cannot be read, and the checksum of its content."""

from __future__ import annotations

import hashlib
import os
import stat
from pathlib import Path
from typing import Any

from seiqa_features.errors import DataError, StoreError
from seiqa_features.remote.paths import RemotePath

_KINDS = (
    (stat.S_ISDIR, "a directory"),
    (stat.S_ISFIFO, "a FIFO"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
)


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
