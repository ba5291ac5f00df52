"""PNG files of kinds that Pillow reads but does not write, and damaged ones."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

SIGNATURE = b"\x89PNG\r\n\x1a\n"
GREY, RGB, PALETTE, GREY_ALPHA, RGB_ALPHA = 0, 2, 3, 4, 6
PASSES = [(0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2),
          (0, 1, 1, 2)]  # fmt: skip


def chunk(kind: bytes, content: bytes, *, sound: bool = True) -> bytes:
    checksum = zlib.crc32(content, zlib.crc32(kind)) ^ (not sound)
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", checksum)


def png(
    samples: NDArray[np.integer],
    *,
    depth: int,
    colour: int,
    before: Sequence[bytes] = (),
    interlaced: bool = False,
    filter_kind: int = 0,
) -> bytes:
    """Samples [H, W] or [H, W, C] as a PNG; `before` are chunks in front of the pixels."""
    height, width = samples.shape[:2]
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, interlaced)
    passes = PASSES if interlaced else [(0, 0, 1, 1)]
    rows = b"".join(
        _rows(samples[top::down, left::right], depth, filter_kind)
        for left, top, right, down in passes
    )
    data = chunk(b"IDAT", zlib.compress(rows))
    return b"".join([SIGNATURE, chunk(b"IHDR", header), *before, data, chunk(b"IEND", b"")])


def _rows(samples: NDArray[np.integer], depth: int, filter_kind: int) -> bytes:
    if samples.size == 0:
        return b""
    channels = samples.shape[2] if samples.ndim == 3 else 1
    step = max(1, channels * depth // 8)
    packed = [_packed(row.ravel(), depth) for row in samples]
    filtered = []
    for above, row in zip([np.zeros_like(packed[0]), *packed], packed, strict=False):
        left = np.concatenate([np.zeros(step, np.uint8), row])[: len(row)]
        guess = {0: np.zeros_like(row), 1: left, 2: above, 3: _mean(left, above)}[filter_kind]
        filtered.append(bytes([filter_kind]) + (row - guess).astype(np.uint8).tobytes())
    return b"".join(filtered)


def _mean(left: NDArray[np.uint8], above: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return ((left.astype(np.uint16) + above) // 2).astype(np.uint8)


def _packed(row: NDArray[np.integer], depth: int) -> NDArray[np.uint8]:
    if depth == 16:
        return np.frombuffer(row.astype(">u2").tobytes(), np.uint8)
    if depth == 8:
        return row.astype(np.uint8)
    bits = (row.astype(np.uint8)[:, None] >> np.arange(depth - 1, -1, -1)) & 1
    return np.packbits(bits.astype(np.uint8).ravel())


def chunks(content: bytes) -> Iterator[tuple[bytes, int, int]]:
    """Kind, where the content begins, and its length."""
    at = len(SIGNATURE)
    while at < len(content):
        (length,) = struct.unpack_from(">I", content, at)
        yield content[at + 4 : at + 8], at + 8, length
        at += 12 + length
