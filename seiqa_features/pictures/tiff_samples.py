"""TIFF files that Pillow misreads: read with tifffile and scaled by the range the file states.

Source: Adobe, "TIFF Revision 6.0", 1992, sections 8, 18 and 19.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from seiqa_features.errors import DataError
from seiqa_features.pictures.boundary import damaged, needs
from seiqa_features.pictures.colour import eight_bit, levels
from seiqa_features.pictures.tiff import (
    BLACK_IS_ZERO,
    CMYK,
    FLOAT,
    HIGH,
    LOW,
    ORIENTATION,
    PLANAR,
    PROFILE,
    RGB,
    SIGNED,
    UNSIGNED,
    WHITE_IS_ZERO,
    size_of,
)

PREMULTIPLIED, ALPHA = 1, 2  # ExtraSamples
_MODES = {
    (1, False): "L",
    (1, True): "LA",
    (3, False): "RGB",
    (3, True): "RGBA",
    (4, False): "CMYK",
}


def read(file: BinaryIO, *, name: str, check_size: Callable[[int, int], None]) -> Image.Image:
    """The first picture of a TIFF, its samples scaled to 8 bits, with profile and orientation.

    Parameters
    ----------
    check_size : Callable[[int, int], None]
        Called with width and height before the pixels are read; raises to refuse them.

    Raises
    ------
    DataError
        It is damaged, of an unsupported kind, or does not define white.
    """
    import tifffile  # takes a tenth of a second, and few files need it

    size = size_of(file)
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
            what = f"{page.compression.name} in a TIFF of this kind"
            raise needs(name, what, "imagecodecs") from None
        image = _picture(samples, layout, name)
        if PROFILE in page.tags:
            image.info["icc_profile"] = page.tags[PROFILE].value
        if ORIENTATION in page.tags:
            image.getexif()[ORIENTATION] = int(page.tags[ORIENTATION].value)
    return image


@dataclass(frozen=True)
class _Layout:
    """Arrangement and meaning of the samples; `extra` is the kind of an additional sample."""

    planar: bool
    colours: int
    extra: int | None
    inverted: bool
    bits: int
    kind: int
    low: float | None
    high: float | None


def _layout(page: Any, name: str) -> _Layout:
    """The layout stated by the tags of a `tifffile.TiffPage`, if supported."""
    colours = {WHITE_IS_ZERO: 1, BLACK_IS_ZERO: 1, RGB: 3, CMYK: 4}.get(int(page.photometric))
    extras = page.samplesperpixel - (colours or 0)
    most = 0 if colours == 4 else 1  # Pillow has no mode for CMYK with alpha
    if colours is None or not 0 <= extras <= most or page.imagedepth != 1:
        raise DataError(
            [f"{name}: a TIFF of {page.samplesperpixel} samples a pixel and photometric"
             f" interpretation {int(page.photometric)}; convert it to grey or RGB"]
        )  # fmt: skip
    kind = int(page.sampleformat) if isinstance(page.sampleformat, int) else 0
    bits = page.bitspersample
    if kind not in (UNSIGNED, SIGNED, FLOAT) or not isinstance(bits, int):
        raise DataError([f"{name}: a TIFF of mixed or complex samples; convert it to 8 bits"])
    low, high = (
        float(widest(page.tags[tag].value)) if tag in page.tags else None  # over all samples
        for tag, widest in ((LOW, np.min), (HIGH, np.max))
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
    if alpha is not None and layout.extra == PREMULTIPLIED:  # composite over white directly
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
