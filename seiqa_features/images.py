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


@dataclass(frozen=True)
class ImageInfo:
    """What a decoded file holds: hash of its RGB pixels, width and height in pixels."""

    key: str
    width: int
    height: int


def load_rgb(path: Path) -> Image.Image:
    """Decode a file to an upright 8-bit RGB image.

    Grey and palette images are expanded, transparency is laid over white, CMYK is converted,
    16-bit samples keep their high byte, the EXIF orientation is applied, and of an animation the
    first frame is taken. Colour profiles are ignored, as the metrics' reference codes do.

    Raises:
        DataError: one line, if the file cannot be read, is truncated, is no image, is smaller than
            16 pixels on a side or larger than about 89 million pixels, or holds float samples.
    """
    try:
        if path.stat().st_size == 0:
            raise DataError([f"{path}: empty file (0 bytes); copy it again"])
        # Above its limit Pillow warns before it refuses; the size check below answers for both.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            with Image.open(path) as image:
                _check_size(path, image)
                image.load()
                return _to_rgb(path, ImageOps.exif_transpose(image))
    except FileNotFoundError:
        raise DataError([f"{path}: no such file"]) from None
    except UnidentifiedImageError:
        raise DataError(
            [f"{path}: not an image, whatever its name says; expected PNG, JPEG, BMP or WebP"]
        ) from None
    except Image.DecompressionBombError:
        raise DataError([f"{path}: more than {MAX_PIXELS} pixels; scale it down"]) from None
    except (OSError, SyntaxError, ValueError) as error:  # what Pillow's decoders raise
        raise DataError([f"{path}: damaged or truncated image ({error}); copy it again"]) from None


def _check_size(path: Path, image: Image.Image) -> None:
    width, height = image.size
    if min(width, height) < MIN_SIDE:
        raise DataError(
            [f"{path}: {width}×{height} pixels; expected at least {MIN_SIDE} on each side"]
        )
    if width * height > MAX_PIXELS:
        raise DataError(
            [f"{path}: {width}×{height} pixels; expected at most {MAX_PIXELS}; scale it down"]
        )


def _to_rgb(path: Path, image: Image.Image) -> Image.Image:
    if image.mode == "RGB":
        return image
    if image.mode in _SIXTEEN_BIT or image.mode == "I":
        samples = np.asarray(image).astype(np.int64)
        if samples.min() < 0 or samples.max() > 65535:
            raise DataError([f"{path}: 32-bit samples; expected 8 or 16 bits per channel"])
        return Image.fromarray((samples >> 8).astype(np.uint8)).convert("RGB")
    if image.mode == "F":
        raise DataError([f"{path}: floating-point samples; expected 8 or 16 bits per channel"])
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
