"""Object stores: the file systems of pyarrow that reach them, and what their errors mean.

Credentials, endpoint and region are those of the environment (AWS_ACCESS_KEY_ID, AWS_PROFILE,
AWS_ENDPOINT_URL, AWS_REGION, …; GOOGLE_APPLICATION_CREDENTIALS). Failed and slow requests are
repeated by the stores' own clients.
"""

from __future__ import annotations

import errno
import io
import os
import re
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from functools import cache
from typing import Any
from urllib.parse import urlsplit

import pyarrow as pa
from pyarrow import fs

from seiqa_features.errors import UsageError

RETRIES = 9
"""How often a failed request to S3 is sent again: after 25 ms, then each time twice as long."""

PATIENCE = timedelta(seconds=60)
"""How long requests to Google Cloud Storage are repeated."""

CONNECTING = 5.0  # seconds until a server that does not accept the connection counts as silent

_CODE = r"(?P<code>\w+(?: \(HTTP status \d+\))?)"
_AWS = re.compile(rf"AWS Error {_CODE} during \w+ operation: (?P<said>.*)")
_REQUEST = re.compile(r" *\(Request ID: .*")
_ABSENT = frozenset({"NO_SUCH_BUCKET", "NO_SUCH_KEY", "RESOURCE_NOT_FOUND"})
_SILENT = "NETWORK_CONNECTION"
_DENIED = re.compile(r"ACCESS|SIGNATURE|TOKEN|AUTH|HTTP (status|response code:) 40[13]")


@cache
def file_system(scheme: str, bucket: str) -> fs.FileSystem:
    """The file system that holds a bucket.

    Raises
    ------
    UsageError
        The installed pyarrow was built without it.
    OSError
        The region of the bucket is unknown, and AWS does not tell it.
    """
    try:
        if scheme == "gs":
            return fs.GcsFileSystem(retry_time_limit=PATIENCE)
        # AwsStandardS3RetryStrategy stops repeating anything after a hundred failures in all.
        retries = fs.AwsDefaultS3RetryStrategy(max_attempts=RETRIES)
    except (ImportError, AttributeError):
        raise UsageError(
            f"{scheme}://{bucket}: the installed pyarrow cannot read {scheme}://; install the one"
            " of the package index (pip install --force-reinstall pyarrow), or copy to a local path"
        ) from None
    options: dict[str, Any] = {"retry_strategy": retries, "connect_timeout": CONNECTING}
    if endpoint := os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL"):
        parts = urlsplit(endpoint)
        options |= {"endpoint_override": parts.netloc, "scheme": parts.scheme}
    elif not (os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION")):
        with explained(f"{scheme}://{bucket}"):
            options["region"] = fs.resolve_s3_region(bucket)
    return fs.S3FileSystem(allow_delayed_open=True, **options)


class Ranges(io.RawIOBase):
    """Reads parts of an object; errors say which and why."""

    def __init__(self, uri: str, file: pa.NativeFile) -> None:
        self._uri, self._file = uri, file

    def readable(self) -> bool:
        """Yes."""
        return True

    def seekable(self) -> bool:
        """Yes."""
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """As for any file."""
        return int(self._file.seek(offset, whence))

    def tell(self) -> int:
        """As for any file."""
        return int(self._file.tell())

    def readinto(self, buffer: Any) -> int:
        """As for any file, with errors as from `explained`."""
        with explained(self._uri):
            return int(self._file.readinto(buffer))

    def close(self) -> None:
        """As for any file."""
        if not self.closed:
            self._file.close()
        super().close()


def as_stat(info: fs.FileInfo) -> os.stat_result:
    """Kind, size and time of the last change of something that is there; no more is known."""
    mode = stat.S_IFREG | 0o644 if info.type == fs.FileType.File else stat.S_IFDIR | 0o755
    changed = info.mtime_ns or 0
    seconds = changed // 10**9
    times = {"st_mtime_ns": changed, "st_ctime_ns": changed, "st_atime_ns": changed}
    fields = (mode, 0, 0, 1, 0, 0, info.size or 0, seconds, seconds, seconds)
    return os.stat_result(fields, times)


@contextmanager
def explained(uri: object) -> Iterator[None]:
    """Errors of pyarrow as those of files: a number, one line of reason, and the URI.

    Raises
    ------
    FileNotFoundError
        The object or its bucket does not exist.
    PermissionError
        The store refuses.
    OSError
        It fails or does not answer.
    """
    try:
        yield
    except (OSError, pa.ArrowException) as error:
        if isinstance(error, OSError) and error.filename is not None:
            raise
        raise _error(error, str(uri)) from None


def _error(error: Exception, uri: str) -> OSError:
    said = " ".join(str(error).split())
    if isinstance(error, FileNotFoundError):
        return FileNotFoundError(errno.ENOENT, "no such file", uri)
    if (found := _AWS.search(said)) is None:
        return OSError(errno.EIO, said, uri)
    code, why = found["code"], _REQUEST.sub("", found["said"])
    if code in _ABSENT:
        what = "there is no such bucket" if code == "NO_SUCH_BUCKET" else "no such file"
        return FileNotFoundError(errno.ENOENT, what, uri)
    if code == _SILENT:
        return OSError(errno.EIO, f"the object store does not answer: {why}", uri)
    if _DENIED.search(f"{code} {why}"):
        why = f"access denied ({code}): check the credentials and what they allow"
        return PermissionError(errno.EACCES, why, uri)
    return OSError(errno.EIO, f"the object store failed ({code}): {why}", uri)
