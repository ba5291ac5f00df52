"""Opening an untrusted zip without listing more of it than expected."""

from __future__ import annotations

import io
import zipfile


class LongDirectoryError(Exception):
    """A zip's directory is longer than expected; the message is meant for the user."""


def open_zip(content: io.BufferedIOBase, *, directory_bytes: int) -> zipfile.ZipFile:
    """Open a zip for reading.

    `zipfile` reads the directory at a zip's end as a whole and creates an object for each entry: an
    archive of 100 MB that holds nothing else would take gigabytes. An entry consists of 46 bytes
    and the member's name, so limiting the directory's length limits both the number of entries and
    their names.

    Parameters
    ----------
    content : io.BufferedIOBase
        An open binary file or bytes in memory.
    directory_bytes : int
        Maximum size of the directory.

    Raises
    ------
    LongDirectoryError
        The directory is larger.
    zipfile.BadZipFile, ValueError, OSError, NotImplementedError
        This is not a zip, or it is damaged.
    """
    watched = _Watched(content, directory_bytes)
    archive = zipfile.ZipFile(watched)
    watched.limit = None  # members have their own limits
    return archive


class _Watched:
    """A file that refuses single reads longer than the limit."""

    def __init__(self, file: io.BufferedIOBase, limit: int | None) -> None:
        self.limit = limit
        self._file = file
        self.seek, self.tell, self.seekable = file.seek, file.tell, file.seekable

    def read(self, size: int = -1) -> bytes:
        if self.limit is not None and size > self.limit:
            raise LongDirectoryError(f"its list of files is longer than {self.limit} bytes")
        return self._file.read(size)
