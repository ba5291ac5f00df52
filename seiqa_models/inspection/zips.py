"""Opening a zip that somebody else made without listing more of it than expected."""

from __future__ import annotations

import io
import zipfile


class LongDirectoryError(Exception):
    """A zip's directory is longer than expected; the message is what to tell the user."""


def open_zip(content: io.BufferedIOBase, *, directory_bytes: int) -> zipfile.ZipFile:
    """A zip, opened for reading.

    `zipfile` reads the directory at a zip's end as a whole and makes an object of each entry: an
    archive of 100 MB that holds nothing else would take gigabytes. An entry has 46 bytes and the
    member's name, so the directory's length bounds their number and their names together.

    Parameters
    ----------
    content : io.BufferedIOBase
        An open binary file or bytes in memory.
    directory_bytes : int
        What the directory may have.

    Raises
    ------
    LongDirectoryError
        It has more.
    zipfile.BadZipFile, ValueError, OSError, NotImplementedError
        This is no zip, or a damaged one.
    """
    watched = _Watched(content, directory_bytes)
    archive = zipfile.ZipFile(watched)
    watched.limit = None  # members have their own limits
    return archive


class _Watched:
    """A file that refuses to be read in longer parts than the limit."""

    def __init__(self, file: io.BufferedIOBase, limit: int | None) -> None:
        self.limit = limit
        self._file = file
        self.seek, self.tell, self.seekable = file.seek, file.tell, file.seekable

    def read(self, size: int = -1) -> bytes:
        if self.limit is not None and size > self.limit:
            raise LongDirectoryError(f"its list of files is longer than {self.limit} bytes")
        return self._file.read(size)
