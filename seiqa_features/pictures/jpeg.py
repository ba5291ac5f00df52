"""JPEG: a file that lacks only its end marker counts as complete.

Some cameras and downloads omit the last two bytes; browsers and libjpeg show such a picture, Pillow
reports it as truncated. It is accepted if all scans are present and the pixels do not depend on
what follows the data, that is, decoding with different endings gives the same pixels. Source: ITU-T
T.81 (1992), annex B.
"""

from __future__ import annotations

import io
from typing import BinaryIO

from PIL import Image

START, END = b"\xff\xd8", b"\xff\xd9"

_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_SCAN = 0xDA
_BARE = frozenset({0x01, *range(0xD0, 0xD9)})  # markers without content
_RESTARTED = b"\xff\xdd"  # the marker that defines the restart interval
_BITS = tuple(bytes((step * i + start) % 255 for i in range(1024))
              for start, step in ((0xB5, 197), (0x4A, 151), (0xE3, 113)))  # fmt: skip
_ENDINGS = (END, *(bits + END for bits in _BITS))
"""If bits are missing, zeros or these are used in their place and give different pixels."""

_RESTARTS = tuple(
    b"".join(bytes([0xFF, 0xD0 + (first + i) % 8]) + _BITS[0] for i in range(16)) + END
    for first in range(8)
)
"""The same for data missing after the next restart, with any of the eight restart markers."""


def without_end(file: BinaryIO) -> Image.Image | None:
    """The picture in a file that lacks only its end marker; None if it has one or lacks more."""
    file.seek(0)
    content = file.read()
    content = content.removesuffix(END[:1])
    if content.endswith(END) or not _scans_complete(content):
        return None
    endings = _ENDINGS + (_RESTARTS if _RESTARTED in content else ())
    pictures = [_decoded(content + ending) for ending in endings]
    return pictures[0] if len({picture.tobytes() for picture in pictures}) == 1 else None


def _decoded(content: bytes) -> Image.Image:
    with Image.open(io.BytesIO(content), formats=("JPEG",)) as image:
        image.load()
        return image


def _scans_complete(content: bytes) -> bool:
    """Whether the scans contain all bits of every coefficient of every component."""
    wanted: set[tuple[int, int]] | None = None
    at = len(START)
    while (at := content.find(b"\xff", at)) >= 0:
        marker = content[at + 1 : at + 2]
        at += 2
        if not marker or marker[0] in _BARE or marker in (b"\x00", b"\xff"):
            at -= marker == b"\xff"  # a fill byte: it may be the start of the marker
            continue
        body = content[at + 2 : at + int.from_bytes(content[at : at + 2])]
        at += 2 + len(body)
        if marker[0] in _FRAMES:
            wanted = {(body[6 + 3 * i], k) for i in range(body[5]) for k in range(64)}
        elif marker[0] == _SCAN and wanted is not None:
            parts = range(body[0])
            first, last, bits_left = body[-3], body[-2], body[-1] & 15
            if bits_left == 0:
                wanted -= {(body[1 + 2 * i], k) for i in parts for k in range(first, last + 1)}
    return wanted == set()
