"""Decoding: a file becomes 8-bit RGB pixels by one set of rules, and pixels get a name, their hash.

The hash is what everything later hangs on: it is the store's row key, the default group and the
way duplicates are found. An index remembers which file held which pixels, so that a file that has
not changed is not decoded again.
"""

from __future__ import annotations

import hashlib
import os
import sqlite3
import warnings
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
import PIL
from PIL import Image, ImageOps, UnidentifiedImageError

from seiqa_features.errors import DataError, StoreError
from seiqa_features.progress import Progress, unwatched

SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".bmp", ".webp", ".gif", ".tif", ".tiff"})
MIN_SIDE = 16
MAX_PIXELS = 89_478_485  # Pillow's own line between a large picture and a decompression bomb
BATCH = 256  # files that are decoded before the index is written
DECODE_RULES = 1  # raise when a rule below changes: it is part of every pixel hash

_SIXTEEN_BIT = frozenset({"I;16", "I;16L", "I;16B", "I;16N"})
_DAMAGE = (OSError, SyntaxError, ValueError)  # what Pillow's decoders raise


@dataclass(frozen=True)
class ImageInfo:
    """What a decoded file holds: hash of its RGB pixels, width and height in pixels."""

    key: str
    width: int
    height: int


def load_rgb(path: Path) -> Image.Image:
    """Decode a file to an upright 8-bit RGB image, by the rules of `read_rgb`.

    Raises:
        DataError: one line, if the file cannot be read or `read_rgb` refuses it.
    """
    try:
        with path.open("rb") as file:
            return read_rgb(file, name=str(path))
    except FileNotFoundError:
        raise DataError([f"{path}: no such file"]) from None
    except OSError as error:  # a folder, no permission
        raise DataError([f"{path}: cannot be read ({error.strerror or error})"]) from None


def read_rgb(
    file: BinaryIO,
    *,
    name: str,
    formats: tuple[str, ...] | None = None,
    max_pixels: int | None = None,
) -> Image.Image:
    """Decode what an open file holds to an upright 8-bit RGB image.

    Grey and palette images are expanded, transparency is laid over white, CMYK is converted,
    16-bit samples keep their high byte, the EXIF orientation is applied, and of an animation the
    first frame is taken. Colour profiles are ignored, as the metrics' reference codes do.

    Args:
        file: positioned at its start.
        name: what errors call it.
        formats: Pillow's names of the formats to decode [all that it knows].
        max_pixels: of a picture [MAX_PIXELS].

    Raises:
        DataError: one line, if the file is empty, truncated, no image, smaller than 16 pixels on a
            side, larger than `max_pixels`, or holds float samples.
    """
    limit = max_pixels or MAX_PIXELS
    try:
        if not file.read(1):
            raise DataError([f"{name}: empty file (0 bytes); copy it again"])
        file.seek(0)
        # Above its limit Pillow warns before it refuses; the size check below answers for both.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            with Image.open(file, formats=formats) as image:
                return decode_rgb(image, name=name, max_pixels=limit)
    except UnidentifiedImageError:
        raise DataError(
            [f"{name}: not an image, whatever its name says; expected PNG, JPEG, BMP or WebP"]
        ) from None
    except Image.DecompressionBombError:
        raise DataError([f"{name}: more than {limit} pixels; scale it down"]) from None
    except _DAMAGE as error:
        raise _damaged(name, error) from None


def decode_rgb(image: Image.Image, *, name: str, max_pixels: int = MAX_PIXELS) -> Image.Image:
    """What an open Pillow image holds, by the rules of `read_rgb`; the same errors."""
    check_size(name, *image.size, max_pixels)
    try:
        image.load()
        return _to_rgb(name, ImageOps.exif_transpose(image))
    except _DAMAGE as error:
        raise _damaged(name, error) from None


def check_size(name: str, width: int, height: int, max_pixels: int = MAX_PIXELS) -> None:
    """Refuse a picture that no metric can use or that memory may not hold.

    Raises:
        DataError: a side has fewer than `MIN_SIDE` pixels, or there are more than `max_pixels`.
    """
    size = f"{name}: {width}×{height} pixels"
    if min(width, height) < MIN_SIDE:
        raise DataError([f"{size}; expected at least {MIN_SIDE} on each side"])
    if width * height > max_pixels:
        raise DataError([f"{size}; expected at most {max_pixels}; scale it down"])


def _damaged(name: str, error: Exception) -> DataError:
    return DataError([f"{name}: damaged or truncated image ({error}); copy it again"])


def _to_rgb(name: str, image: Image.Image) -> Image.Image:
    if image.mode == "RGB":
        return image
    if image.mode in _SIXTEEN_BIT or image.mode == "I":
        samples = np.asarray(image).astype(np.int64)
        if samples.min() < 0 or samples.max() > 65535:
            raise DataError([f"{name}: 32-bit samples; expected 8 or 16 bits per channel"])
        return Image.fromarray((samples >> 8).astype(np.uint8)).convert("RGB")
    if image.mode == "F":
        raise DataError([f"{name}: floating-point samples; expected 8 or 16 bits per channel"])
    if image.has_transparency_data:
        image = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", image.size, "white"), image).convert("RGB")
    return image.convert("RGB")


def pixel_key(image: Image.Image) -> str:
    """Hash of an RGB image's size and pixels: 32 hex digits, equal exactly for equal pictures."""
    digest = hashlib.blake2b(digest_size=16)
    digest.update(f"{DECODE_RULES} {image.width} {image.height} ".encode())
    digest.update(np.ascontiguousarray(image).data)
    return digest.hexdigest()


def difference_hash(image: Image.Image) -> int:
    """64-bit perceptual hash: is each of 8×8 cells brighter than its right-hand neighbour?

    Nearly equal pictures differ in few bits, whatever their size (Krawetz's dHash).
    """
    cells = np.asarray(image.convert("L").resize((9, 8), Image.Resampling.BOX), dtype=np.int16)
    bits = (cells[:, :-1] > cells[:, 1:]).ravel()
    return int.from_bytes(np.packbits(bits).tobytes(), "big")


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

        Returns:
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
