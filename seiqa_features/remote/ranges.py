"""Reading parts of an object."""

from __future__ import annotations

import errno
import io
import os
from typing import Any

import pyarrow as pa
from pyarrow import fs

from seiqa_features.remote.failures import explained


class Ranges(io.RawIOBase):
    """Reads parts of an object, each with one request; errors say of which object and why.

    Parameters
    ----------
    uri : str
        How the object is named in errors.
    store : fs.FileSystem
    key : str
        Where it is.

    Raises
    ------
    OSError
        It cannot be opened; reading raises the same.
    """

    def __init__(self, uri: str, store: fs.FileSystem, key: str) -> None:
        with explained(uri):
            self._file: pa.NativeFile = store.open_input_file(key)
            # For Google's store pyarrow now sends the first request, without letting other threads
            # run; if it fails, the file counts as closed.
            if self._file.closed:
                raise OSError(errno.EIO, "the object store failed when it was opened", uri)
        self._uri, self._size, self._position = uri, self._file.size(), 0

    def readable(self) -> bool:
        """Yes."""
        return True

    def seekable(self) -> bool:
        """Yes."""
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """As for any file."""
        start = {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: self._size}[whence]
        self._position = start + offset
        return self._position

    def tell(self) -> int:
        """As for any file."""
        return self._position

    def readinto(self, buffer: Any) -> int:
        """As for any file, with errors as from `explained`."""
        length = min(len(buffer), self._size - self._position)
        if length <= 0:
            return 0
        with explained(self._uri):
            part = self._file.get_stream(self._position, length)
            read = int(part.readinto(memoryview(buffer)[:length]))
        self._position += read
        return read

    def close(self) -> None:
        """As for any file."""
        if not self.closed:
            self._file.close()
        super().close()
