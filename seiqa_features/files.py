"""Writing files whole: the one place that knows how a killed process leaves no half of a file."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


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
