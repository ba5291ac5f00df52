"""Reading an untrusted file: only if it is a regular file, and only up to an expected size."""

from __future__ import annotations

import stat
from pathlib import Path

from seiqa_models.core.errors import TableError


def read_bounded(path: Path, limit: int) -> bytes:
    """A regular file's content.

    Devices and pipes are never opened: reading one might never end, and even opening one can block.
    Links are followed, because model stores keep their files behind links.

    Parameters
    ----------
    path : Path
        The file to read.
    limit : int
        Maximum size in bytes.

    Raises
    ------
    TableError
        It is not a regular file, or larger than the limit.
    OSError
        It does not exist or cannot be read.
    """
    try:
        found = path.stat()
    except ValueError as error:  # a NUL in the name
        raise TableError(f"{path}: no path ({error})") from None
    if not stat.S_ISREG(found.st_mode):
        raise TableError(f"{path} is not a regular file, expected one of at most {limit} bytes")
    with path.open("rb") as file:
        content = file.read(min(found.st_size, limit) + 1)
    if len(content) > limit:
        raise TableError(f"{path} is larger than {limit} bytes, the most that is read")
    return content
