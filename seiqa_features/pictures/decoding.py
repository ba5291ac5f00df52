"""Decoding: a file becomes 8-bit RGB pixels by one set of rules, and pixels get a name, their hash.

The hash is what everything later hangs on: it is the store's row key, the default group and the
way duplicates are found.
"""

from __future__ import annotations

import hashlib
import warnings
from pathlib import Path
from typing import BinaryIO

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from seiqa_features.errors import DataError

SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".bmp", ".webp", ".gif", ".tif", ".tiff"})
MIN_SIDE = 16
MAX_PIXELS = 89_478_485  # Pillow's own line between a large picture and a decompression bomb
DECODE_RULES = 1  # raise when a rule below changes: it is part of every pixel hash

_SIXTEEN_BIT = frozenset({"I;16", "I;16L", "I;16B", "I;16N"})
_DAMAGE = (OSError, SyntaxError, ValueError)  # what Pillow's decoders raise


def load_rgb(path: Path) -> Image.Image:
    """Decode a file to an upright 8-bit RGB image, by the rules of `read_rgb`.

    Raises
    ------
    DataError
        One line, if the file cannot be read or `read_rgb` refuses it.
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

    Parameters
    ----------
    file : BinaryIO
        Positioned at its start.
    name : str
        What errors call it.
    formats : tuple[str, ...] | None
        Pillow's names of the formats to decode [all that it knows].
    max_pixels : int | None
        Of a picture [MAX_PIXELS].

    Raises
    ------
    DataError
        One line, if the file is empty, truncated, no image, smaller than 16 pixels on a
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

    Raises
    ------
    DataError
        A side has fewer than `MIN_SIDE` pixels, or there are more than `max_pixels`.
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
