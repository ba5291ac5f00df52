"""The image index: which file held which pixels, so that an unchanged file is not decoded again."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import PIL

from seiqa_features.errors import DataError, StoreError
from seiqa_features.pictures.decoding import DECODE_RULES, load_rgb, pixel_key
from seiqa_features.progress import Progress, unwatched

BATCH = 256  # files that are decoded before the index is written


@dataclass(frozen=True)
class ImageInfo:
    """What a decoded file holds: hash of its RGB pixels, width and height in pixels."""

    key: str
    width: int
    height: int


class ImageIndex:
    """Remembers the `ImageInfo` of files by path, size, times and decoder, in one SQLite file.

    The change time is part of the key because, unlike the modification time, a program cannot set
    it back: an edit that keeps size and date is still noticed.
    """

    def __init__(self, folder: Path) -> None:
        self._file = folder / "images.sqlite"
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with self._open() as database:
                database.execute(
                    "CREATE TABLE IF NOT EXISTS images (path TEXT PRIMARY KEY, stamp TEXT NOT NULL,"
                    " key TEXT NOT NULL, width INTEGER NOT NULL, height INTEGER NOT NULL)"
                )
        except (OSError, sqlite3.Error) as error:
            raise StoreError(
                f"{folder}: cannot use it as cache ({error}); name another with --cache"
            ) from None

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        """A transaction on a connection that is closed afterwards."""
        with closing(sqlite3.connect(self._file)) as database, database:
            yield database

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
            What each readable file holds, and one line for each file that cannot be read.
        """
        wanted = list(dict.fromkeys(paths))
        stamps = {path: _stamp(path) for path in wanted}
        known = self._known(stamps)
        missing = [path for path in wanted if path not in known]
        problems: dict[Path, str] = {}
        pool = ThreadPoolExecutor(workers)
        try:
            for start in range(0, len(missing), BATCH):
                batch = missing[start : start + BATCH]
                for done, info in enumerate(pool.map(_inspect, batch), start + 1):
                    path = missing[done - 1]
                    if isinstance(info, ImageInfo):
                        known[path] = info
                    else:
                        problems[path] = info
                    on_image(done, len(missing))
                # Batch by batch, so that an interrupted scan of a large data set is not lost.
                self._remember({path: known[path] for path in batch if path in known}, stamps)
        finally:
            pool.shutdown(cancel_futures=True)
        return known, problems

    def _known(self, stamps: dict[Path, str]) -> dict[Path, ImageInfo]:
        with self._open() as database:
            rows = {
                row[0]: row[1:]
                for row in database.execute("SELECT path, stamp, key, width, height FROM images")
            }
        found = {}
        for path, stamp in stamps.items():
            row = rows.get(os.path.abspath(path))  # noqa: PTH100 — resolve() would follow links
            if row is not None and row[0] == stamp:
                found[path] = ImageInfo(*row[1:])
        return found

    def _remember(self, infos: dict[Path, ImageInfo], stamps: dict[Path, str]) -> None:
        rows = [
            (os.path.abspath(path), stamps[path], info.key, info.width, info.height)  # noqa: PTH100
            for path, info in infos.items()
        ]
        try:
            with self._open() as database:
                database.executemany("INSERT OR REPLACE INTO images VALUES (?, ?, ?, ?, ?)", rows)
        except sqlite3.Error as error:
            raise StoreError(
                f"cannot write the image index ({error}); free space or name another --cache"
            ) from None


def _inspect(path: Path) -> ImageInfo | str:
    try:
        image = load_rgb(path)
    except DataError as error:
        return str(error)
    return ImageInfo(pixel_key(image), image.width, image.height)


def _stamp(path: Path) -> str:
    try:
        stat = path.stat()
    except OSError:
        return ""  # decoding it will say what is wrong
    decoder = f"{DECODE_RULES} {PIL.__version__}"  # another one may see other pixels in the file
    return f"{decoder} {stat.st_size} {stat.st_mtime_ns} {stat.st_ctime_ns}"
