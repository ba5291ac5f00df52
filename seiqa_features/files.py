"""Files: what may be opened, names as text, and writing that a killed process leaves no half of."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from seiqa_features.errors import DataError, printable

_KINDS = (
    (stat.S_ISDIR, "a directory"),
    (stat.S_ISFIFO, "a FIFO"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
)
_ESCAPED = re.compile(r"\\(?=x[0-9a-f]{2})")
_BYTE = re.compile(rb"\\x([0-9a-f]{2})")


def why_unreadable(path: Path) -> str | None:
    """What keeps a path from being opened as a file, or None. Nothing is opened to find out.

    Opening a FIFO waits for a writer, and a device may have no end.
    """
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        return "no such file"
    except (OSError, ValueError) as error:  # no permission, a loop of links, a NUL in the name
        return f"cannot be read ({reason(error)})"
    if stat.S_ISREG(mode):
        return None
    kind = next((name for is_kind, name in _KINDS if is_kind(mode)), "no regular file")
    return f"is {kind}; expected a regular file"


def require_regular(path: Path) -> None:
    """Refuse what is no regular file, before it is opened: folder, FIFO, socket, device, nothing.

    Raises
    ------
    DataError
        One line that names the path and what it is.
    """
    if problem := why_unreadable(path):
        raise DataError([f"{path}: {problem}"])


def reason(error: Exception) -> str:
    """What the system says about a failed call, without the path, which the caller names."""
    return str(getattr(error, "strerror", None) or error or type(error).__name__)


def path_text(path: Path | str) -> str:
    r"""A path as text that tables, JSON and SQLite hold; `text_path` gives the path back.

    It is the path itself, but for names with bytes that are no UTF-8, or with control characters:
    these bytes are written as ``\xhh``. So is a backslash that would look like one of them.
    """
    return printable(_ESCAPED.sub(r"\\x5c", os.fspath(path)))


def text_path(text: str) -> Path:
    """The path that `path_text` wrote as text."""
    octets = text.encode("utf-8", "surrogateescape")
    return Path(os.fsdecode(_BYTE.sub(lambda found: bytes([int(found[1], 16)]), octets)))


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A temporary path beside `path` to write to; it becomes `path` when the block ends well.

    A process that is killed leaves the old file or the new one. If the block raises, the temporary
    file is removed and `path` stays as it was.

    Raises
    ------
    OSError
        The folder cannot be made, or the file not be written or renamed.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        yield temporary
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
