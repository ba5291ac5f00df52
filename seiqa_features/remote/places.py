"""Where something is: paths and URIs as users write them, and what of the remote is local."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Collection, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import BinaryIO

from seiqa_features.errors import StoreError, UsageError
from seiqa_features.remote.paths import RemotePath

SCHEMES = ("s3", "gs")
AT_ONCE = 16
"""Requests that wait for their answers at the same time."""

_BEGINNINGS = tuple(f"{scheme}://" for scheme in SCHEMES)

_URI = re.compile(r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]+):/")  # Path makes one slash of two


def named_path(text: str) -> Path:
    """The path that text names: a URI of an object store, or any name of a local file."""
    return RemotePath(text) if text.startswith(_BEGINNINGS) else Path(text)


def as_path(path: Path | str) -> Path:
    """A path as a user gave it: local, or the URI of something local or in an object store.

    `Path` makes one slash of two: `s3:/bucket/key` is understood as well.

    Raises
    ------
    UsageError
        It is a URI of another kind, or names no bucket.
    """
    if isinstance(path, RemotePath):
        return path
    found = _URI.match(str(path))
    if found is None:
        return Path(path)
    scheme, rest = found["scheme"].lower(), str(path)[found.end() :].lstrip("/")
    if scheme == "file":
        return Path("/" + rest)
    if scheme not in SCHEMES:
        known = ", ".join(f"{name}://" for name in (*SCHEMES, "file"))
        raise UsageError(f"{found['scheme']}://{rest}: expected a local path, or {known}")
    if not rest:
        raise UsageError(f"{scheme}://: names no bucket; expected {scheme}://bucket/name")
    return RemotePath(f"{scheme}://{rest}")


def local_path(path: Path) -> Path:
    """A path as from `as_path` that has to be local.

    Raises
    ------
    UsageError
        It is the URI of something that is not.
    """
    found = as_path(path)
    if isinstance(found, RemotePath):
        raise UsageError(f"{found}: expected a local path here; copy what is needed")
    return found


@contextmanager
def local_copy(path: Path) -> Iterator[Path]:
    """A local file of the same name and content, for readers that need one; local paths as is.

    Raises
    ------
    OSError
        It cannot be read.
    """
    if not isinstance(path, RemotePath):
        yield path
        return
    with TemporaryDirectory() as folder:
        copy = Path(folder) / path.name
        copy.write_bytes(path.read_bytes())
        yield copy


def parts_of_file(path: Path) -> Path | BinaryIO:
    """What pyarrow reads parts of a file from."""
    return path.ranges() if isinstance(path, RemotePath) else path


def remove_tree(folder: Path) -> None:
    """Remove a folder with all that is in it.

    Raises
    ------
    OSError
        It cannot be removed.
    """
    if isinstance(folder, RemotePath):
        folder.remove_tree()
    else:
        shutil.rmtree(folder)


def stats(paths: Collection[RemotePath]) -> dict[RemotePath, os.stat_result | None]:
    """`stat` of many paths, `AT_ONCE` at the same time; None for what does not exist.

    Raises
    ------
    StoreError
        A store refuses, fails or does not answer.
    """
    with ThreadPoolExecutor(AT_ONCE) as pool:
        return dict(zip(paths, pool.map(_stat, paths), strict=True))


def _stat(path: RemotePath) -> os.stat_result | None:
    try:
        return path.stat()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise StoreError(f"{path}: {error.strerror}") from None


def local_side(folder: Path) -> Path:
    """Where files stay that belong to a folder but must be local: databases, locks, scratch.

    A local folder is its own local side; that of a remote one is below ~/.cache/seiqa/remote.
    """
    if not isinstance(folder, RemotePath):
        return folder
    caches = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return caches / "seiqa" / "remote" / folder.parts[0].removesuffix(":") / folder.key
