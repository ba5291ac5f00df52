"""JPEG XL and JPEG 2000: what their headers state and their decoders do not report.

Of a JPEG XL picture that is its size, which is known only after decoding all of it; of a JPEG 2000
picture the precision of its samples and its colour profile. Both may be wrapped in boxes.
Source: ISO/IEC 18181-1:2022, annex D.3 (SizeHeader), and 18181-2:2021 (boxes); ISO/IEC
15444-1:2019, annexes A.5.1 (SIZ) and I.5.3 (boxes).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

from PIL import Image

from seiqa_features.errors import DataError
from seiqa_features.pictures.boundary import needs
from seiqa_features.pictures.colour import eight_bit

JXL = "JXL"
CODESTREAM, CONTAINER = b"\xff\x0a", b"\x00\x00\x00\x0cJXL \r\n\x87\n"

_SIZED = b"\xff\x4f\xff\x51"  # start of a JPEG 2000 codestream: markers SOC and SIZ
_RESTRICTED_ICC, _ANY_ICC = 2, 3  # methods of a colour specification box

_RATIOS = {1: (1, 1), 2: (12, 10), 3: (4, 3), 4: (3, 2), 5: (16, 9), 6: (5, 4), 7: (2, 1)}
_SIDE_BITS = (9, 13, 18, 30)
_HEADER = 16  # bytes, enough for any size


def jxl_size(file: BinaryIO) -> tuple[int, int]:
    """Width and height as stored in a file with a JPEG XL signature.

    Raises
    ------
    ValueError
        The file contains no codestream.
    """
    file.seek(0)
    if file.read(len(CODESTREAM)) != CODESTREAM:
        _find_codestream(file)
    bits = _Bits(file.read(_HEADER))
    small = bits.take(1)
    height = _side(bits, small)
    ratio = bits.take(3)
    if ratio == 0:
        return _side(bits, small), height
    numerator, denominator = _RATIOS[ratio]
    return height * numerator // denominator, height


def _side(bits: _Bits, small: int) -> int:
    return 8 * (bits.take(5) + 1) if small else bits.take(_SIDE_BITS[bits.take(2)]) + 1


def _find_codestream(file: BinaryIO) -> None:
    """Seek to just after the JPEG XL codestream signature in the boxes of a container."""
    for kind, _ in _boxes(file, 0, None):
        if kind == b"jxlp":
            file.read(4)  # index of the part
        if kind in (b"jxlc", b"jxlp") and file.read(len(CODESTREAM)) == CODESTREAM:
            return
    raise ValueError("no codestream in it")


@dataclass(frozen=True)
class Jpeg2000:
    """What a JPEG 2000 file states: bits of each component, any sign, and the ICC profile."""

    bits: tuple[int, ...]
    signed: bool
    profile: bytes | None


def jpeg2000(file: BinaryIO) -> Jpeg2000:
    """The header of a JPEG 2000 file.

    Raises
    ------
    ValueError
        The file contains no codestream.
    """
    profile = None
    file.seek(0)
    at = 0 if file.read(len(_SIZED)) == _SIZED else None
    if at is None:
        for kind, end in _boxes(file, 0, None):
            at = file.tell()
            if kind == b"jp2h":
                profile = _profile(file, at, end)
            if kind == b"jp2c":
                break
        file.seek(at or 0)
        if file.read(len(_SIZED)) != _SIZED:
            raise ValueError("no codestream in it")
    file.read(36)  # lengths, sizes and offsets
    components = file.read(3 * int.from_bytes(file.read(2)))[::3]
    return Jpeg2000(
        tuple((depth & 0x7F) + 1 for depth in components),
        any(depth & 0x80 for depth in components),
        profile,
    )


def deep_jpeg2000(file: BinaryIO, stated: Jpeg2000, name: str) -> Image.Image:
    """A JPEG 2000 of colours or grey with opacity in more than 8 bits, which Pillow misreads.

    Raises
    ------
    DataError
        imagecodecs is not installed, the components differ in precision, or all of them would be
        black in 8 bits.
    """
    try:
        from imagecodecs import jpeg2k_decode
    except ImportError:
        raise needs(name, "a JPEG 2000 of more than 8 bits", "imagecodecs") from None
    if len(set(stated.bits)) > 1:
        raise DataError([f"{name}: components of different depths; convert it to 8 bits"])
    file.seek(0)
    samples = jpeg2k_decode(file.read())
    colours = samples.shape[2] - (samples.shape[2] in (2, 4))
    pixels = eight_bit(samples, bits=stated.bits[0], name=name)
    eight_bit(samples[..., :colours], bits=stated.bits[0], name=name)  # black under its opacity?
    image = Image.fromarray(pixels)
    if stated.profile is not None:
        image.info["icc_profile"] = stated.profile
    return image


def _profile(file: BinaryIO, start: int, end: int | None) -> bytes | None:
    """The ICC profile among the boxes of a JPEG 2000 header."""
    for kind, stop in _boxes(file, start, end):
        if kind == b"colr":
            method = file.read(3)[:1]
            if method in (bytes([_RESTRICTED_ICC]), bytes([_ANY_ICC])):
                return file.read(-1 if stop is None else max(stop - file.tell(), 0))
    return None


def _boxes(file: BinaryIO, at: int, end: int | None) -> Iterator[tuple[bytes, int | None]]:
    """Kind and end (None: that of the file) of each box; the file is at the box's content."""
    while end is None or at < end:
        file.seek(at)
        head = file.read(8)
        length, kind = int.from_bytes(head[:4]), head[4:]
        if length == 1:
            length = int.from_bytes(file.read(8))
        yield kind, at + length if length else None
        if length < 8:  # extends to the end of the file, or is invalid
            return
        at += length


class _Bits:
    """Reads numbers of a given bit length, lowest bit first."""

    def __init__(self, content: bytes) -> None:
        self._value = int.from_bytes(content, "little")

    def take(self, count: int) -> int:
        taken = self._value & ((1 << count) - 1)
        self._value >>= count
        return taken
