"""Decoding: files become 8-bit RGB pixels by one set of rules; pixels are identified by a hash.

All later steps depend on the hash: it is the row key of the store, the default group, and the
criterion for duplicates. Accepted files and how they are read are described in docs/formats.md.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import BinaryIO

import numpy as np
from PIL import Image, UnidentifiedImageError
from PIL.ImageFile import ImageFile
from PIL.TiffImagePlugin import TiffImageFile

from seiqa_features.errors import DataError
from seiqa_features.files import require_regular, unreadable
from seiqa_features.pictures import boxes, jpeg, png, tiff, tiff_samples
from seiqa_features.pictures.boundary import refusing
from seiqa_features.pictures.colour import to_rgb
from seiqa_features.pictures.formats import HEAD_BYTES, decoders_for, unknown
from seiqa_features.remote.paths import RemotePath

MIN_SIDE = 16
MAX_ASPECT = 100  # enlarging the short side of a longer strip for a view could exhaust memory
MAX_PIXELS = 89_478_485  # Pillow's own threshold for decompression bombs
DECODE_RULES = 3  # increase when a rule below changes: known files are then decoded again
KEY_RULES = 1  # increase when equal pixels get another hash: stored rows are then not found

_ORIENTATION = 0x0112
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_UPRIGHT = frozenset({"HEIF", "JXL"})  # their decoders rotate the picture, whatever EXIF says


def load_rgb(path: Path) -> Image.Image:
    """Decode a file to an upright 8-bit sRGB image with the rules of `read_rgb`.

    Raises
    ------
    DataError, StoreError
        One line, if the file cannot be read or is refused by `read_rgb`; if its object store fails.
    """
    if not isinstance(path, RemotePath):  # reading an object tells what asking for it would
        require_regular(path)
    try:
        with path.open("rb") as file:
            return read_rgb(file, name=str(path))
    except OSError as error:  # no permission
        raise unreadable(path, error) from None


def read_rgb(file: BinaryIO, *, name: str, max_pixels: int | None = None) -> Image.Image:
    """Decode an open file to an upright 8-bit sRGB image.

    Grey and palette images are expanded, transparency is composited over white, CMYK is converted,
    samples are scaled by the depth stated in the file (the high byte of 16 bits is kept), colours
    follow the ICC profile, the EXIF orientation is applied, and the first frame of an animation is
    used.

    Parameters
    ----------
    file : BinaryIO
        Positioned at its start.
    name : str
        Name of the picture in errors.
    max_pixels : int | None
        Maximum number of pixels [MAX_PIXELS].

    Raises
    ------
    DataError
        One line, if the file is empty, truncated, damaged (for formats with checksums), not an
        image in a supported format, smaller than 16 pixels on a side, larger than `max_pixels`,
        more than 100 times as long as wide, or does not state what its samples mean.
    """
    with refusing(name):
        head = file.read(HEAD_BYTES)
        if not head:
            raise DataError([f"{name}: empty file (0 bytes); copy it again"])
        decoders = decoders_for(head, name)
        sizes = partial(check_size, name, max_pixels=max_pixels)
        if head.startswith(png.SIGNATURE):
            file.seek(len(png.SIGNATURE))
            return _finished(png.decode(file, name=name, check_size=sizes), name)
        if head.startswith(tiff.SIGNATURES):
            tiff.require_directory(file, name=name)
        if decoders == (boxes.JXL,):
            sizes(*boxes.jxl_size(file))  # its decoder would unpack it before stating the size
        try:
            file.seek(0)
            with Image.open(file, formats=decoders) as image:
                return _decoded(image, name, sizes, file)
        except UnidentifiedImageError:
            if head.startswith(tiff.SIGNATURES):
                return _finished(tiff_samples.read(file, name=name, check_size=sizes), name)
            raise DataError([f"{name}: {unknown(head)}"]) from None
        except OSError:
            whole = jpeg.without_end(file) if head.startswith(jpeg.START) else None
            if whole is None:
                raise
            return _finished(whole, name)


def decode_rgb(image: Image.Image, *, name: str) -> Image.Image:
    """Decode a Pillow image in memory with the rules and errors of `read_rgb`."""
    with refusing(name):
        return _decoded(image, name, partial(check_size, name))


def check_size(name: str, width: int, height: int, max_pixels: int | None = None) -> None:
    """Refuse a picture that no metric can use or that may not fit in memory.

    Raises
    ------
    DataError
        A side has fewer than `MIN_SIDE` pixels, one is more than `MAX_ASPECT` times the other, or
        there are more than `max_pixels` [MAX_PIXELS].
    """
    limit = max_pixels or MAX_PIXELS
    size = f"{name}: {width}×{height} pixels"
    if min(width, height) < MIN_SIDE:
        raise DataError([f"{size}; expected at least {MIN_SIDE} on each side"])
    if max(width, height) > MAX_ASPECT * min(width, height):
        raise DataError([f"{size}; expected at most {MAX_ASPECT} times as long as wide; crop it"])
    if width * height > limit:
        raise DataError([f"{size}; expected at most {limit}; scale it down"])


def _decoded(
    image: Image.Image, name: str, sizes: Callable[[int, int], None], file: BinaryIO | None = None
) -> Image.Image:
    """The pixels of an image that Pillow has opened, from `file` if it came from a file."""
    sizes(*image.size)
    bits = 16
    if isinstance(image, TiffImageFile):
        if file is not None:
            tiff.require_pixels(image, file, name=name)
        stated = tiff.stated_bits(image)
        if stated is None:
            if file is None:
                raise DataError([f"{name}: Pillow misreads this kind of TIFF; give the path"])
            return _finished(tiff_samples.read(file, name=name, check_size=sizes), name)
        bits = stated
    if file is not None and image.format == "JPEG2000":
        return _finished(_jpeg2000(image, file, name), name)
    deep = _is_deep(image)
    image.load()
    if deep:
        _require_seen(image, name)
    return _finished(image, name, bits)


def _jpeg2000(image: Image.Image, file: BinaryIO, name: str) -> Image.Image:
    """A JPEG 2000 that Pillow has opened, loaded by the precision and profile that it states.

    Pillow ignores both: it shifts samples of fewer than 8 bits to 8, and with rounding those of
    colours with more, whereby white overflows to black.
    """
    stated = boxes.jpeg2000(file)
    if stated.signed:
        raise DataError(
            [f"{name}: samples with a sign do not say which of them is white; convert it to 8 bits"]
        )
    if max(stated.bits) > 8 and image.mode != "I;16":
        return boxes.deep_jpeg2000(file, stated, name)
    image.load()
    if min(stated.bits) < 8 and len(stated.bits) == len(image.getbands()) and image.mode != "P":
        shifts = [8 - bits for bits in stated.bits]
        image = image.point([(i >> by) * 255 // (255 >> by) for by in shifts for i in range(256)])
    if stated.profile is not None:
        image.info["icc_profile"] = stated.profile
    return image


def _is_deep(image: Image.Image) -> bool:
    """Whether Pillow is about to reduce the samples of an opened PPM or SGI to 8 bits."""
    if image.format not in ("PPM", "SGI") or not isinstance(image, ImageFile) or not image.tile:
        return False
    tile = image.tile[0]
    last = tile.args[-1] if isinstance(tile.args, tuple) else None
    if image.format == "PPM":
        return isinstance(last, int) and last > 255
    return tile.codec_name == "SGI16" or last == 2  # bytes per sample


def _require_seen(image: Image.Image, name: str) -> None:
    """Refuse a picture of deeper samples that is black in the 8 bits that Pillow keeps of them."""
    if image.mode not in ("L", "LA", "RGB", "RGBA"):
        return
    colours = np.atleast_3d(np.asarray(image))[..., : 1 if image.mode.startswith("L") else 3]
    if colours.max() <= 1:  # 1: by rounding
        raise DataError(
            [f"{name}: samples of more than 8 bits, all of them black in 8 bits; save it with 8"
             " bits, or scaled to the largest value that it states"]
        )  # fmt: skip


def _finished(image: Image.Image, name: str, bits: int = 16) -> Image.Image:
    """A loaded image as upright sRGB, without metadata that would change it again."""
    rgb = to_rgb(image, name=name, bits=bits)
    turn = _TURNS.get(orientation(image))
    finished = rgb.copy() if turn is None else rgb.transpose(turn)
    finished.info = {}
    return finished


def orientation(image: Image.Image) -> int:
    """EXIF orientation, 1 (upright, or not stated) to 8."""
    if image.format in _UPRIGHT:
        return 1
    try:
        stated = int(image.getexif().get(_ORIENTATION, 1))
    except Exception:  # damaged metadata does not mean damaged pixels
        return 1
    return stated if stated in _TURNS else 1


def pixel_key(image: Image.Image) -> str:
    """Hash of an RGB image's size and pixels, 32 hex digits; equal exactly if the images are."""
    digest = hashlib.blake2b(digest_size=16)
    digest.update(f"{KEY_RULES} {image.width} {image.height} ".encode())
    digest.update(np.ascontiguousarray(image).data)
    return digest.hexdigest()


def difference_hash(image: Image.Image) -> int:
    """64-bit perceptual hash: whether each of 8×8 cells is brighter than its right neighbour.

    Nearly equal pictures differ in few bits, whatever their size (Krawetz's dHash).
    """
    cells = np.asarray(image.convert("L").resize((9, 8), Image.Resampling.BOX), dtype=np.int16)
    bits = (cells[:, :-1] > cells[:, 1:]).ravel()
    return int.from_bytes(np.packbits(bits).tobytes(), "big")
