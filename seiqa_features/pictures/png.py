"""PNG: verify checksums of chunks that affect the pixels, and pass only these chunks to Pillow.

Pillow does not verify the checksums of the pixel data, refuses intact files with large or invalid
metadata, and cannot apply the transparent colour to samples that it has scaled. So the chunks are
read here.
Source: W3C, "Portable Network Graphics (PNG) Specification (Third Edition)", 2025.
"""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import BinaryIO

import numpy as np
from PIL import Image

from seiqa_features.pictures.boundary import damaged
from seiqa_features.pictures.colour import eight_bit

SIGNATURE = b"\x89PNG\r\n\x1a\n"
GREY, RGB, PALETTE, GREY_ALPHA, RGB_ALPHA = 0, 2, 3, 4, 6  # colour types
_SAMPLES = {RGB: 3, GREY_ALPHA: 2, RGB_ALPHA: 4}
MAX_PROFILE = 64 * 2**20  # bytes of an ICC profile: more is a bomb, not a profile

_CRITICAL = frozenset({b"IHDR", b"PLTE", b"IDAT", b"IEND"})
_READ = _CRITICAL | {b"tRNS", b"iCCP", b"eXIf", b"tEXt", b"zTXt", b"iTXt"}
_TEXTS = (b"XML:com.adobe.xmp\0", b"Raw profile type exif\0")  # may state the orientation
_MAX_TEXT = 64 * 2**10
_ADAM7 = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2),
          (0, 1, 1, 2))  # fmt: skip
"""First column, first row, column step and row step of each interlacing pass."""


@dataclass
class Png:
    """The parts of a PNG that affect its pixels. `others` are whole chunks, `data` is from IDAT."""

    width: int
    height: int
    depth: int
    colour: int
    interlaced: bool
    others: list[bytes] = field(default_factory=list)
    data: list[bytes] = field(default_factory=list)
    key: tuple[int, ...] | None = None
    profile: bytes | None = None

    def stream(self) -> BinaryIO:
        """The picture alone, its pixels in one chunk so that zlib also verifies its checksum."""
        return self._written(self.depth, b"".join(self.data))

    def low_bytes(self) -> Image.Image:
        """The low bytes of 16-bit RGB or alpha samples as a separate picture.

        Pillow keeps the high bytes. PNG filters process each byte of a pixel separately, so
        removing every other byte of the filtered rows gives valid rows of an 8-bit picture.
        """
        rows = np.frombuffer(zlib.decompress(b"".join(self.data)), np.uint8)
        kept, at, pixel = [], 0, 2 * _SAMPLES[self.colour]
        for width, height in self._passes():
            end = at + height * (1 + pixel * width)
            filtered = rows[at:end].reshape(height, 1 + pixel * width)
            kept.append(np.hstack([filtered[:, :1], filtered[:, 2::2]]).tobytes())
            at = end
        with Image.open(
            self._written(8, zlib.compress(b"".join(kept), 1)), formats=("PNG",)
        ) as low:
            low.load()
            return low

    def _passes(self) -> Iterator[tuple[int, int]]:
        passes = _ADAM7 if self.interlaced else ((0, 0, 1, 1),)
        for left, top, step_x, step_y in passes:
            width, height = -(-(self.width - left) // step_x), -(-(self.height - top) // step_y)
            if width > 0 and height > 0:
                yield width, height

    def _written(self, depth: int, data: bytes) -> BinaryIO:
        header = struct.pack(
            ">IIBBBBB", self.width, self.height, depth, self.colour, 0, 0, self.interlaced
        )
        chunks = [_chunk(b"IHDR", header), *self.others]
        # The pixel checksum is left as zeros: it has been verified, and Pillow does not check it.
        chunks += [struct.pack(">I", len(data)), b"IDAT", data, bytes(4), _chunk(b"IEND", b"")]
        return io.BytesIO(SIGNATURE + b"".join(chunks))


def decode(file: BinaryIO, *, name: str, check_size: Callable[[int, int], None]) -> Image.Image:
    """The picture, with its ICC profile and transparent colour in `info`, scaled as by Pillow.

    Parameters and errors are those of `read`; it also refuses damaged pixels and 16-bit samples
    that differ but would all be black in 8 bits.
    """
    png = read(file, name=name, check_size=check_size)
    with Image.open(png.stream(), formats=("PNG",)) as image:
        image.decodermaxblock = 2**31 - 1  # all at once, so that zlib reaches its checksum
        image.load()
    if png.profile is not None:
        image.info["icc_profile"] = png.profile
    if png.depth == 16 and png.colour in _SAMPLES and (png.key or _is_black(image)):
        return _wide(image, png, name)
    if png.key is not None:
        scale = 255 // (2**png.depth - 1) if 1 < png.depth < 8 else 1  # as Pillow scales samples
        image.info["transparency"] = tuple(scale * value for value in png.key)
    return image


def _is_black(image: Image.Image) -> bool:
    return not (image.getchannel("L") if image.mode == "LA" else image.convert("RGB")).getbbox()


def _wide(image: Image.Image, png: Png, name: str) -> Image.Image:
    """A 16-bit picture whose low bytes matter: for a colour key, or as the only content."""
    # Pillow opens grey with alpha as LA with 8 bits, but as RGBA with 16.
    parts = image, png.low_bytes().convert(image.mode)
    high, low = (np.asarray(part).astype(np.uint16) for part in parts)
    samples = high << 8 | low
    if png.colour in (GREY_ALPHA, RGB_ALPHA):
        eight_bit(samples[..., :-1], bits=16, name=name)
        return image  # black, in 16 bits too
    wide = Image.fromarray(eight_bit(samples, bits=16, name=name))
    if png.key is not None:
        seen = (samples != np.array(png.key, np.uint16)).any(axis=2)
        wide.putalpha(Image.fromarray(np.where(seen, 255, 0).astype(np.uint8)))
    wide.info = image.info
    return wide


def read(file: BinaryIO, *, name: str, check_size: Callable[[int, int], None]) -> Png:
    """Read the chunks that affect the pixels and verify their checksums.

    A wrong checksum in any other chunk does not count as damage; the chunk is ignored. A colour
    profile or an orientation (EXIF) with a wrong checksum is also ignored, as in libpng.

    Parameters
    ----------
    file : BinaryIO
        Positioned after the signature.
    check_size : Callable[[int, int], None]
        Called with width and height before the pixels are read; raises to refuse them.

    Raises
    ------
    DataError
        It is truncated, or a checksum or chunk that affects the pixels is invalid.
    """
    png = None
    for kind, content, sound in _chunks(file, name):
        if kind in _CRITICAL | {b"tRNS"} and not sound:
            raise damaged(name, f"wrong checksum in its {kind.decode()} chunk")
        if kind == b"IHDR" and png is None:
            png = _header(content, name)
            check_size(png.width, png.height)
            # Deflate enlarges even the worst data by only 0.1 %; anything far above is abnormal.
            budget = 2 * png.width * png.height * 8 + 2**20
        elif png is None or kind == b"IHDR":
            raise damaged(name, "its first chunk, and no other, must be IHDR")
        elif kind == b"IDAT":
            png.data.append(content)
            budget -= len(content)
            if budget < 0:
                raise damaged(name, "more pixel data than the picture can need")
        elif sound:
            _take(png, kind, content, name)
        if kind == b"IEND":
            break
    if png is None or not png.data:
        raise damaged(name, "no pixel data in it")
    if png.colour == PALETTE and not any(chunk[4:8] == b"PLTE" for chunk in png.others):
        raise damaged(name, "no palette in it")
    return png


def _chunks(file: BinaryIO, name: str) -> Iterator[tuple[bytes, bytes, bool]]:
    """Kind, content and checksum validity of the chunks that are used."""
    while True:
        head = file.read(8)
        if len(head) < 8:
            raise damaged(name, "it ends before its IEND chunk")
        length, kind = struct.unpack(">I4s", head)
        if kind not in _READ:
            if kind[:1].isupper():  # critical: without it the pixels cannot be interpreted
                raise damaged(name, f"unknown chunk {kind.decode('latin-1')}")
            file.seek(length + 4, io.SEEK_CUR)
            continue
        content, checksum = file.read(length), file.read(4)
        if len(content) < length or len(checksum) < 4:
            raise damaged(name, f"it ends in its {kind.decode()} chunk")
        yield kind, content, zlib.crc32(content, zlib.crc32(kind)) == int.from_bytes(checksum)


def _header(content: bytes, name: str) -> Png:
    if len(content) != 13:
        raise damaged(name, "its IHDR chunk has another length than 13")
    width, height, depth, colour, *methods, interlaced = struct.unpack(">IIBBBBB", content)
    if any(methods):
        raise damaged(name, "unknown method of compression or filtering")
    return Png(width, height, depth, colour, bool(interlaced))


def _take(png: Png, kind: bytes, content: bytes, name: str) -> None:
    """Store a chunk other than header and pixels, in file order."""
    if kind == b"tRNS" and png.colour in (GREY, RGB):
        samples = 1 if png.colour == GREY else 3
        if len(content) != 2 * samples:
            raise damaged(name, "its transparent colour has another length than its samples")
        key = struct.unpack(f">{samples}H", content)
        png.key = tuple(value & (1 << png.depth) - 1 for value in key)
    elif kind in (b"PLTE", b"eXIf") or (kind == b"tRNS" and png.colour == PALETTE):
        png.others.append(_chunk(kind, content))
    elif kind == b"iCCP" and png.profile is None:
        png.profile = _inflated_profile(content)
    elif content.startswith(_TEXTS) and len(content) <= _MAX_TEXT:
        png.others.append(_chunk(kind, content))


def _inflated_profile(content: bytes) -> bytes:
    """The profile that follows its name; an unusable value if it cannot be unpacked."""
    _, _, packed = content.partition(b"\0")
    try:
        return zlib.decompressobj().decompress(packed[1:], MAX_PROFILE)
    except zlib.error:
        return packed


def _chunk(kind: bytes, content: bytes) -> bytes:
    checksum = zlib.crc32(content, zlib.crc32(kind))
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", checksum)
