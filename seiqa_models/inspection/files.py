"""Reading a file that somebody else made: only if it is a file, and only as much as expected."""

from __future__ import annotations

import stat
from pathlib import Path

from seiqa_models.core.errors import TableError


def read_bounded(path: Path, limit: int) -> bytes:
    """A regular file's content.

    A device or a pipe is not opened at all: reading it could go on for ever, and opening it alone
    could wait for ever. Links are followed, as model stores keep their files behind links.

    Parameters
    ----------
    path : Path
        To read.
    limit : int
        Bytes that it may have.

    Raises
    ------
    TableError
        It is no regular file, or larger than the limit.
    OSError
        It is not there or cannot be read.
    """
    try:
        found = path.stat()
    except ValueError as error:  # a NUL in the name
        raise TableError(f"{path}: no path ({error})") from None
    if not stat.S_ISREG(found.st_mode):
        raise TableError(f"{path} is no regular file, expected one of at most {limit} bytes")
    with path.open("rb") as file:
        content = file.read(min(found.st_size, limit) + 1)
    if len(content) > limit:
        raise TableError(f"{path} is larger than {limit} bytes, the most that is read")
    return content
