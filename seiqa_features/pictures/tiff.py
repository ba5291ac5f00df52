"""TIFF: what the file states about its samples, and another reader where Pillow's would be wrong.

Pillow decodes 8-bit samples and the common 16-bit layouts right; it takes planar 16-bit colours
for others, ignores that white may be zero, and knows no floating-point colours. Those are read with
tifffile, and scaled by the stated range.
Source: Adobe, "TIFF Revision 6.0", 1992, sections 8 and 19.
"""

from __future__ import annotations

import io
import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from PIL.TiffImagePlugin import TiffImageFile

from seiqa_features.errors import DataError
from seiqa_features.pictures.boundary import damaged
from seiqa_features.pictures.colour import eight_bit, levels
from seiqa_features.pictures.formats import INSTALL

SIGNATURES = (b"II*\x00", b"MM\x00*", b"II+\x00\x08\x00", b"MM\x00+\x00\x08")

UNSIGNED, SIGNED, FLOAT = 1, 2, 3  # SampleFormat
WHITE_IS_ZERO, BLACK_IS_ZERO, RGB, CMYK = 0, 1, 2, 5  # PhotometricInterpretation
PLANAR = 2
PREMULTIPLIED, ALPHA = 1, 2  # ExtraSamples

_BITS, _PHOTOMETRIC, _PLANAR, _FORMAT, _LOW, _HIGH = 258, 262, 284, 339, 340, 341
_PROFILE, _ORIENTATION = 34675, 274
_MODES = {
    (1, False): "L",
    (1, True): "LA",
    (3, False): "RGB",
    (3, True): "RGBA",
    (4, False): "CMYK",
}


def stated_bits(image: TiffImageFile) -> int | None:
    """Bits of a sample where Pillow decodes the picture right, None where it does not."""
    tags = image.tag_v2
    bits = set(tags.get(_BITS, (1,)))
    formats = set(tags.get(_FORMAT, (UNSIGNED,)))
    if formats != {UNSIGNED} or len(bits) != 1 or _LOW in tags or _HIGH in tags:
        return None
    (depth,) = bits
    photometric = tags.get(_PHOTOMETRIC)
    if depth <= 8:
        return 8
    chunky = tags.get(_PLANAR, 1) != PLANAR
    if depth == 16 and chunky and photometric in (BLACK_IS_ZERO, RGB, CMYK):
        # Black in the 8 bits that Pillow keeps: only the low bytes tell whether it is meant.
        return None if image.mode == "RGB" and image.load() and not image.getbbox() else 16
    return 12 if depth == 12 and photometric == BLACK_IS_ZERO else None


def read(file: BinaryIO, *, name: str, check_size: Callable[[int, int], None]) -> Image.Image:
    """The first picture of a TIFF, its samples scaled to 8 bits, with profile and orientation.

    Parameters
    ----------
    check_size : Callable[[int, int], None]
        Told width and height before the pixels are read; refuses them by raising.

    Raises
    ------
    DataError
        It is damaged, of a kind that is not read, or does not state what is white.
    """
    import tifffile  # a tenth of a second that few files need

    logging.getLogger("tifffile").setLevel(logging.CRITICAL)  # it is said here, in one line
    file.seek(0, io.SEEK_END)
    size = file.tell()
    file.seek(0)
    with tifffile.TiffFile(file) as tiff:
        page: Any = tiff.pages[0]
        layout = _layout(page, name)
        check_size(page.imagewidth, page.imagelength)
        ends = zip(page.dataoffsets, page.databytecounts, strict=True)
        if any(count == 0 or start + count > size for start, count in ends):
            raise damaged(name, "pixel data lie beyond its end")
        try:
            samples = page.asarray(maxworkers=1)
        except ValueError as error:
            if "imagecodecs" not in str(error):
                raise
            raise DataError(
                [f"{name}: {page.compression.name} in a TIFF of this kind needs the package"
                 f" imagecodecs: {INSTALL}"]
            ) from None  # fmt: skip
        image = _picture(samples, layout, name)
        if _PROFILE in page.tags:
            image.info["icc_profile"] = page.tags[_PROFILE].value
        if _ORIENTATION in page.tags:
            image.getexif()[_ORIENTATION] = int(page.tags[_ORIENTATION].value)
    return image


@dataclass(frozen=True)
class _Layout:
    """How the samples lie, and what they mean: `extra` is the kind of a sample beside colours."""

    planar: bool
    colours: int
    extra: int | None
    inverted: bool
    bits: int
    kind: int
    low: float | None
    high: float | None


def _layout(page: Any, name: str) -> _Layout:
    """The layout that the tags of a `tifffile.TiffPage` state, if it is one that is read."""
    colours = {WHITE_IS_ZERO: 1, BLACK_IS_ZERO: 1, RGB: 3, CMYK: 4}.get(int(page.photometric))
    extras = page.samplesperpixel - (colours or 0)
    if colours is None or not 0 <= extras <= 1 or page.imagedepth != 1:
        raise DataError(
            [f"{name}: a TIFF of {page.samplesperpixel} samples a pixel and photometric"
             f" interpretation {int(page.photometric)}; convert it to grey or RGB"]
        )  # fmt: skip
    kind = int(page.sampleformat) if isinstance(page.sampleformat, int) else 0
    bits = page.bitspersample
    if kind not in (UNSIGNED, SIGNED, FLOAT) or not isinstance(bits, int):
        raise DataError([f"{name}: a TIFF of mixed or complex samples; convert it to 8 bits"])
    low, high = (
        float(widest(page.tags[tag].value)) if tag in page.tags else None  # of all its samples
        for tag, widest in ((_LOW, np.min), (_HIGH, np.max))
    )
    whole_range = kind == UNSIGNED and bits <= 16
    if kind != FLOAT and not whole_range and (low is None or high is None):
        raise DataError(
            [f"{name}: {'signed ' if kind == SIGNED else ''}{bits}-bit integers do not say which of"
             " them is white (no SMinSampleValue and SMaxSampleValue); convert it to 8 or 16 bits"
             " without a sign"]
        )  # fmt: skip
    extra = int(page.extrasamples[0]) if extras and page.extrasamples else None
    inverted = int(page.photometric) == WHITE_IS_ZERO
    return _Layout(
        int(page.planarconfig or 1) == PLANAR and page.samplesperpixel > 1,
        colours, extra, inverted, bits, kind, low, high,
    )  # fmt: skip


def _picture(samples: NDArray[Any], layout: _Layout, name: str) -> Image.Image:
    """Samples [H, W], [H, W, S] or [S, H, W] as an 8-bit picture."""
    pixels = np.moveaxis(samples, 0, 2) if layout.planar else samples
    pixels = _scaled(np.atleast_3d(pixels), layout, name)
    colour = pixels[..., : layout.colours]
    if layout.inverted:
        colour = 255 - colour
    alpha = pixels[..., layout.colours :] if layout.extra in (PREMULTIPLIED, ALPHA) else None
    if alpha is not None and layout.extra == PREMULTIPLIED:  # over white, at once
        colour = np.minimum(colour.astype(np.uint16) + (255 - alpha), 255).astype(np.uint8)
        alpha = None
    if alpha is not None:
        colour = np.concatenate([colour, alpha], axis=2)
    mode = _MODES[layout.colours, alpha is not None]
    shape = colour if colour.shape[2] > 1 else colour[..., 0]
    return Image.frombytes(mode, (shape.shape[1], shape.shape[0]), np.ascontiguousarray(shape))


def _scaled(pixels: NDArray[Any], layout: _Layout, name: str) -> NDArray[np.uint8]:
    low, high = layout.low, layout.high
    if low is None and high is None:
        if layout.kind == FLOAT:
            return levels(pixels, name=name)
        return eight_bit(pixels, bits=layout.bits, name=name)
    low = 0.0 if low is None else low
    if high is None:
        high = 1.0 if layout.kind == FLOAT else 2.0**layout.bits - 1
    if not high > low:
        raise DataError([f"{name}: its samples are stated to lie between {low:g} and {high:g}"])
    return levels(((pixels - low) / (high - low)).clip(0, 1), name=name)
