"""The image index: which file has which pixels, so that unchanged files are not decoded again."""

from __future__ import annotations

import hashlib
import logging
import os
import sqlite3
import time
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from dataclasses import dataclass
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import PIL

from seiqa_features.errors import DataError, StoreError
from seiqa_features.files import reason, why_unreadable
from seiqa_features.path_texts import path_text
from seiqa_features.pictures.decoding import DECODE_RULES, load_rgb, pixel_key
from seiqa_features.pictures.formats import EXTRAS
from seiqa_features.progress import Progress, unwatched
from seiqa_features.remote.paths import RemotePath
from seiqa_features.remote.places import local_side, stats

logger = logging.getLogger(__name__)

_UNUSABLE = "{}: cannot use it as cache ({}); name another with --cache"

BATCH = 256  # files handed to the threads at once
FLUSH_SECONDS = 5.0  # longest time for which decoded files are not in the index
PATIENCE = 20.0  # seconds to wait while another process locks the index

_TYPES = {"path": "TEXT PRIMARY KEY", "stamp": "TEXT NOT NULL", "key": "TEXT NOT NULL",
          "width": "INTEGER NOT NULL", "height": "INTEGER NOT NULL",
          "checksum": "TEXT NOT NULL"}  # fmt: skip
_COLUMNS = ", ".join(_TYPES)
_CREATE = f"CREATE TABLE IF NOT EXISTS pictures ({', '.join(map(' '.join, _TYPES.items()))})"
_ASKED = 500  # paths in one query; SQLite allows at least 999
_LOCKED = frozenset({sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED})
_ENVIRONMENT = frozenset({
    sqlite3.SQLITE_FULL, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_PERM, sqlite3.SQLITE_NOMEM,
})  # fmt: skip
"""Errors due to disk or permissions. Any other error means that the file is not an index."""


@dataclass(frozen=True)
class ImageInfo:
    """Contents of a decoded file: hash of its RGB pixels, width and height in pixels."""

    key: str
    width: int
    height: int


class ImageIndex:
    """Remembers the `ImageInfo` of files by path, size, times and decoder, in one SQLite file.

    The change time is part of the key because, unlike the modification time, programs cannot reset
    it: an edit that keeps size and date is still detected. A damaged index is set aside and a new
    one is started: its contents are recovered by decoding. SQLite needs a local file: the index of
    a folder in an object store is on its local side. Objects are known by their size and time.

    Raises
    ------
    StoreError
        On creation or use: the folder is unusable, another process locks it, an object store fails.
    """

    def __init__(self, folder: Path) -> None:
        self._file = local_side(folder) / "images.sqlite"
        try:
            for place in dict.fromkeys((folder, self._file.parent)):
                place.mkdir(parents=True, exist_ok=True)
            problem = why_unreadable(self._file) if self._file.exists() else None
        except (OSError, ValueError) as error:
            problem = reason(error)
        if problem:
            raise StoreError(_UNUSABLE.format(folder, problem))
        self._do(f"SELECT {_COLUMNS} FROM pictures LIMIT 1")

    def scan(
        self,
        paths: Iterable[Path],
        *,
        workers: int = 1,
        on_image: Progress = unwatched,
    ) -> tuple[dict[Path, ImageInfo], dict[Path, str]]:
        """Decode and hash every file that is not known yet.

        `on_image(done, total)` is called after each decoded file.

        Returns
        -------
        tuple[dict[Path, ImageInfo], dict[Path, str]]
            The contents of each readable file, and one line for each file that cannot be read.
        """
        stamps = _stamps(dict.fromkeys(paths))
        known = self._known(stamps)
        missing = [path for path in stamps if path not in known]
        problems: dict[Path, str] = {}
        fresh: dict[Path, ImageInfo] = {}
        pool, written = ThreadPoolExecutor(workers), time.monotonic()
        try:
            for start in range(0, len(missing), BATCH):
                batch = missing[start : start + BATCH]
                for done, info in enumerate(pool.map(_inspect, batch), start + 1):
                    path = missing[done - 1]
                    if isinstance(info, ImageInfo):
                        known[path] = fresh[path] = info
                    else:
                        problems[path] = info
                    on_image(done, len(missing))
                    # Often, so that an interrupted scan loses little.
                    if done == len(missing) or time.monotonic() - written > FLUSH_SECONDS:
                        self._remember(fresh, stamps)
                        fresh, written = {}, time.monotonic()
        finally:
            pool.shutdown(cancel_futures=True)
        return known, problems

    def _known(self, stamps: dict[Path, str]) -> dict[Path, ImageInfo]:
        names = {path: _name(path) for path, stamp in stamps.items() if stamp}
        rows = self._rows(sorted(set(names.values())))
        found = {}
        for path, name in names.items():
            stamp, key, width, height, checksum = rows.get(name, (None,) * 5)
            if stamp == stamps[path] and checksum == _checksum(name, stamp, key, width, height):
                found[path] = ImageInfo(key, width, height)
        return found

    def _rows(self, names: Sequence[str]) -> dict[str, tuple[Any, ...]]:
        """The columns of the indexed files after their name, by name."""
        rows: dict[str, tuple[Any, ...]] = {}
        for start in range(0, len(names), _ASKED):
            asked = names[start : start + _ASKED]
            query = f"SELECT {_COLUMNS} FROM pictures WHERE path IN ({', '.join('?' * len(asked))})"
            found = self._do(query, asked)
            rows |= {name: tuple(row) for name, *row in found}
        return rows

    def _remember(self, infos: dict[Path, ImageInfo], stamps: dict[Path, str]) -> None:
        insert = "INSERT OR REPLACE INTO pictures VALUES (?, ?, ?, ?, ?, ?)"
        rows = [
            (_name(path), stamps[path], info.key, info.width, info.height)
            for path, info in infos.items()
        ]
        self._do(insert, [(*row, _checksum(*row)) for row in rows], many=True)

    def _do(self, statement: str, values: Sequence[Any] = (), *, many: bool = False) -> list[Any]:
        """Rows returned by a statement (for `many` values); retried on a new index if damaged."""
        try:
            return self._attempt(statement, values, many)
        except _DamagedError:
            self._set_aside()
            return self._attempt(statement, values, many)

    def _attempt(self, statement: str, values: Sequence[Any], many: bool) -> list[Any]:
        try:
            with closing(sqlite3.connect(self._file, timeout=PATIENCE)) as database, database:
                database.execute(_CREATE)
                execute = database.executemany if many else database.execute
                return execute(statement, values).fetchall()
        except sqlite3.Error as error:
            code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_MISMATCH) & 0xFF
            if code in _LOCKED:
                raise StoreError(
                    f"{self._file}: another process has kept it locked for {PATIENCE:g} s; wait for"
                    " that process to end, or name another --cache"
                ) from None
            if code in _ENVIRONMENT:
                raise self._unusable(str(error)) from None
            raise _DamagedError from None

    def _set_aside(self) -> None:
        aside = self._file.with_name(f"{self._file.name}.damaged")
        logger.warning(
            "%s: damaged, now called %s; pictures are decoded again", self._file, aside.name
        )
        try:
            self._file.replace(aside)
            for suffix in ("-journal", "-wal", "-shm"):  # SQLite would apply them to the new index
                self._file.with_name(self._file.name + suffix).unlink(missing_ok=True)
        except OSError as error:
            raise self._unusable(reason(error)) from None

    def _unusable(self, why: str) -> StoreError:
        return StoreError(_UNUSABLE.format(self._file.parent, why))


class _DamagedError(Exception):
    """The file is not an SQLite file, or not an image index."""


def _name(path: Path) -> str:
    if isinstance(path, RemotePath):
        return path_text(path)
    return path_text(os.path.abspath(path))  # noqa: PTH100 — resolve() would follow links


def _checksum(*row: object) -> str:
    """16 hex digits over the other columns of a row, whatever their types."""
    return hashlib.blake2b(repr(row).encode(), digest_size=8).hexdigest()


def _inspect(path: Path) -> ImageInfo | str:
    try:
        image = load_rgb(path)
    except DataError as error:
        return str(error)
    return ImageInfo(pixel_key(image), image.width, image.height)


def _stamps(paths: Iterable[Path]) -> dict[Path, str]:
    """The stamp of each file; those of objects are asked for together."""
    found = dict.fromkeys(paths, "")
    remote = stats([path for path in found if isinstance(path, RemotePath)])
    for path in found:
        with suppress(OSError, ValueError):  # decoding will report the problem
            stat = remote[path] if isinstance(path, RemotePath) else path.stat()
            found[path] = "" if stat is None else _stamp(stat)
    return found


def _stamp(stat: os.stat_result) -> str:
    """Identifies a state of a file: equal stamps mean equal pixels."""
    decoder = f"{DECODE_RULES} {PIL.__version__}{_extras()}"  # versions may decode differently
    return f"{decoder} {stat.st_size} {stat.st_mtime_ns} {stat.st_ctime_ns}"


@lru_cache(1)
def _extras() -> str:
    """Decoding packages other than Pillow, with their versions."""
    found = []
    for package in ("tifffile", "imagecodecs", *(extra.package for extra in EXTRAS)):
        with suppress(PackageNotFoundError):
            found.append(f" {package} {version(package)}")
    return "".join(found)
