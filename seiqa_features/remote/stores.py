"""Object stores: the file systems of pyarrow that reach them, and what they tell of objects.

Credentials, endpoint and region are those of the environment (AWS_ACCESS_KEY_ID, AWS_PROFILE,
AWS_ENDPOINT_URL, AWS_REGION, …; GOOGLE_APPLICATION_CREDENTIALS, CLOUD_STORAGE_EMULATOR_ENDPOINT).
Failed and slow requests are repeated by the stores' own clients.
"""

from __future__ import annotations

import os
import stat
from datetime import timedelta
from functools import cache
from typing import Any
from urllib.parse import urlsplit

from pyarrow import fs

from seiqa_features.errors import UsageError
from seiqa_features.remote.failures import explained

RETRIES = 9
"""How often a failed request to S3 is sent again: after 25 ms, then each time twice as long."""

PATIENCE = timedelta(seconds=15)
"""How long requests to Google Cloud Storage are repeated: after a second or two, then each time
about twice as long. The last wait may begin just before the end."""

CONNECTING = 5.0  # seconds until a server that does not accept the connection counts as silent

_EMULATOR = "CLOUD_STORAGE_EMULATOR_ENDPOINT"
"""Read by Google's client as the address of a server, which is not to be asked for a token."""

_NOTHING = ".seiqa-nothing"  # a folder that nobody has


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
            return fs.GcsFileSystem(anonymous=_EMULATOR in os.environ, retry_time_limit=PATIENCE)
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


def info_of(store: fs.FileSystem, key: str) -> fs.FileInfo:
    """What there is of a name: an object, objects below it, a bucket, or nothing.

    Google tells of a bucket only those who may administer it (`storage.buckets.get`). Whether there
    is one can also be seen from a list of its objects, which its users may ask for.

    Raises
    ------
    OSError
        As pyarrow raises it.
    """
    if store.type_name != "gcs" or "/" in key:
        return store.get_file_info(key)
    try:
        store.get_file_info(fs.FileSelector(f"{key}/{_NOTHING}", recursive=True))
    except OSError as error:
        if "google::cloud::Status" in str(error):  # else it is pyarrow that misses the folder
            if not isinstance(error, FileNotFoundError):
                raise
            return fs.FileInfo(key, fs.FileType.NotFound)
    return fs.FileInfo(key, fs.FileType.Directory)


def infos_below(store: fs.FileSystem, key: str, *, recursive: bool) -> list[fs.FileInfo]:
    """The objects and folders below a name, sorted; none if there is nothing.

    Of Google's store pyarrow lists only objects, so folders are read off the names of all objects
    below.

    Raises
    ------
    OSError
        As pyarrow raises it.
    """
    deep = recursive or store.type_name == "gcs"
    selector = fs.FileSelector(key, allow_not_found=True, recursive=deep)
    found = {info.path: info for info in store.get_file_info(selector)}
    if store.type_name == "gcs":
        for path in list(found):
            parent = path.rpartition("/")[0]
            while len(parent) > len(key):
                found.setdefault(parent, fs.FileInfo(parent, fs.FileType.Directory))
                parent = parent.rpartition("/")[0]
    return [found[path] for path in sorted(found) if recursive or "/" not in path[len(key) + 1 :]]


def as_stat(info: fs.FileInfo) -> os.stat_result:
    """Kind, size and time of the last change of something that is there; no more is known."""
    mode = stat.S_IFREG | 0o644 if info.type == fs.FileType.File else stat.S_IFDIR | 0o755
    changed = info.mtime_ns or 0
    seconds = changed // 10**9
    times = {"st_mtime_ns": changed, "st_ctime_ns": changed, "st_atime_ns": changed}
    fields = (mode, 0, 0, 1, 0, 0, info.size or 0, seconds, seconds, seconds)
    return os.stat_result(fields, times)
