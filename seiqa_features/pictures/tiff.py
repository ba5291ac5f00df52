"""TIFF as Pillow reads it: what the file states about its samples, and whether it is complete.

Pillow correctly decodes 8-bit samples and the common 16-bit layouts; it misreads planar 16-bit
colours, ignores white-is-zero, and supports neither planar extra samples nor floating-point
colours, WebP within TIFF, or uncompressed YCbCr. Those are handled by
`seiqa_features.pictures.tiff_samples`.
Source: Adobe, "TIFF Revision 6.0", 1992, sections 8 and 19.
"""

from __future__ import annotations

import io
import struct
import zlib
from typing import BinaryIO, Literal

from PIL.TiffImagePlugin import TiffImageFile

from seiqa_features.pictures.boundary import damaged

CLASSIC, BIG = (b"II*\x00", b"MM\x00*"), (b"II+\x00\x08\x00", b"MM\x00+\x00\x08")
SIGNATURES = CLASSIC + BIG

UNSIGNED, SIGNED, FLOAT = 1, 2, 3  # SampleFormat
WHITE_IS_ZERO, BLACK_IS_ZERO, RGB, CMYK, YCBCR = 0, 1, 2, 5, 6  # PhotometricInterpretation
PLANAR = 2  # PlanarConfiguration
UNCOMPRESSED, DEFLATE, WEBP = 1, (8, 32946), 50001  # Compression

BITS, COMPRESSION, PHOTOMETRIC, PLANAR_CONFIGURATION, FORMAT = 258, 259, 262, 284, 339
EXTRA = 338  # ExtraSamples: samples in addition to the colours
LOW, HIGH = 340, 341  # SMinSampleValue, SMaxSampleValue
PROFILE, ORIENTATION = 34675, 274
_OFFSETS, _COUNTS = (273, 324), (279, 325)  # of strips, of tiles
_DECISIVE = frozenset({
    256, 257, BITS, COMPRESSION, PHOTOMETRIC, 266, *_OFFSETS, 277, 278, *_COUNTS,
    PLANAR_CONFIGURATION, 317, 320, 322, 323, EXTRA, FORMAT, LOW, HIGH, 347,
})  # fmt: skip
"""Tags that affect the pixels."""

_TYPE_BYTES = {3: 2, 4: 4, 5: 8, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8, 17: 8, 18: 8}


def stated_bits(image: TiffImageFile) -> int | None:
    """Bits per sample if Pillow decodes the picture correctly, else None."""
    tags = image.tag_v2
    bits = set(tags.get(BITS, (1,)))
    formats = set(tags.get(FORMAT, (UNSIGNED,)))
    if formats != {UNSIGNED} or len(bits) != 1 or LOW in tags or HIGH in tags:
        return None
    (depth,) = bits
    photometric, compression = tags.get(PHOTOMETRIC), tags.get(COMPRESSION, UNCOMPRESSED)
    if compression == WEBP or (photometric == YCBCR and compression == UNCOMPRESSED):
        return None
    chunky = tags.get(PLANAR_CONFIGURATION, 1) != PLANAR
    if depth <= 8:
        return 8 if chunky or EXTRA not in tags else None
    if depth == 16 and chunky and photometric in (BLACK_IS_ZERO, RGB, CMYK):
        # Black in the 8 bits that Pillow keeps: only the low bytes show whether it really is.
        return None if image.mode == "RGB" and image.load() and not image.getbbox() else 16
    return 12 if depth == 12 and photometric == BLACK_IS_ZERO else None


def require_directory(file: BinaryIO, *, name: str) -> None:
    """Refuse a file whose first directory, or a value in it that affects pixels, is truncated.

    Raises
    ------
    DataError
        It is damaged.
    """
    size = size_of(file)
    head = file.read(len(BIG[0]))
    order: Literal["<", ">"] = "<" if head.startswith(b"II") else ">"
    big = head in BIG
    # offset, number of entries, entry (tag, type, number of values, values or their offset)
    offset, entries, entry = (
        f"{order}{part}" for part in (("Q", "Q", "HHQQ") if big else ["I", "H", "HHII"])
    )
    file.seek(8 if big else 4)
    (start,) = struct.unpack(offset, file.read(struct.calcsize(offset)))
    file.seek(start)
    (number,) = struct.unpack(entries, file.read(struct.calcsize(entries)))
    directory = file.read(number * struct.calcsize(entry))
    if len(directory) < number * struct.calcsize(entry):
        raise damaged(name, "it ends in its directory")
    for tag, kind, count, place in struct.iter_unpack(entry, directory):
        length = count * _TYPE_BYTES.get(kind, 1)
        if tag in _DECISIVE and length > struct.calcsize(offset) and place + length > size:
            raise damaged(name, "it ends in its directory")


def require_pixels(image: TiffImageFile, file: BinaryIO, *, name: str) -> None:
    """Refuse a file with missing compressed pixels, or deflated ones that fail their checksum.

    libtiff decodes what is present and leaves the rest of the picture as uninitialised memory.

    Raises
    ------
    DataError
        It is damaged.
    """
    tags, size = image.tag_v2, size_of(file)
    compression = tags.get(COMPRESSION, UNCOMPRESSED)
    if compression == UNCOMPRESSED:
        return  # Pillow reads these itself and detects truncation
    offsets, counts = (
        tags.get(strips) or tags.get(tiles) or () for strips, tiles in (_OFFSETS, _COUNTS)
    )
    for offset, count in zip(offsets, counts, strict=True):
        if offset + count > size:
            raise damaged(name, "pixel data lie beyond its end")
        if compression in DEFLATE:
            file.seek(offset)
            _require_sound(file.read(count), name)
    file.seek(0)


def _require_sound(deflated: bytes, name: str) -> None:
    """Inflate a part only to verify its checksum."""
    stream = zlib.decompressobj()
    while not stream.eof and deflated:
        stream.decompress(deflated, 2**20)
        deflated = stream.unconsumed_tail
    if not stream.eof:
        raise damaged(name, "its pixel data end too early")


def size_of(file: BinaryIO) -> int:
    """Size in bytes of an open file; leaves it positioned at the start."""
    size = file.seek(0, io.SEEK_END)
    file.seek(0)
    return size
