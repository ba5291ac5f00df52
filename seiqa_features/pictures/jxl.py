"""JPEG XL: the size of a picture, which its decoder reports only after decoding all of it.

Source: ISO/IEC 18181-1:2022, annex D.3 (SizeHeader), and 18181-2:2021 (the boxes around it).
"""

from __future__ import annotations

from typing import BinaryIO

FORMAT = "JXL"
CODESTREAM, CONTAINER = b"\xff\x0a", b"\x00\x00\x00\x0cJXL \r\n\x87\n"

_RATIOS = {1: (1, 1), 2: (12, 10), 3: (4, 3), 4: (3, 2), 5: (16, 9), 6: (5, 4), 7: (2, 1)}
_SIDE_BITS = (9, 13, 18, 30)
_HEADER = 16  # bytes, enough for any size


def size(file: BinaryIO) -> tuple[int, int]:
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
    """Seek to just after the codestream signature in the boxes of a container."""
    at = 0
    while True:
        file.seek(at)
        head = file.read(8)
        length, kind = int.from_bytes(head[:4]), head[4:]
        if length == 1:
            length = int.from_bytes(file.read(8))
        if kind == b"jxlp":
            file.read(4)  # index of the part
        if kind in (b"jxlc", b"jxlp") and file.read(len(CODESTREAM)) == CODESTREAM:
            return
        if length < 8:  # extends to the end of the file, or is invalid
            raise ValueError("no codestream in it")
        at += length


class _Bits:
    """Reads numbers of a given bit length, lowest bit first."""

    def __init__(self, content: bytes) -> None:
        self._value = int.from_bytes(content, "little")

    def take(self, count: int) -> int:
        taken = self._value & ((1 << count) - 1)
        self._value >>= count
        return taken
