"""Colour: conversion of decoded samples to 8-bit sRGB.

Handles all Pillow modes and arrays of other depths: samples are scaled by the depth stated in the
file, colours are converted to sRGB with the file's ICC profile, transparency is composited over
white.
"""

from __future__ import annotations

import io
import logging
import warnings
from functools import cache, lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageCms

from seiqa_features.errors import DataError

logger = logging.getLogger(__name__)

SLACK = 1e-6  # float32 rounding may exceed 0..1 by this much

OVERSHOOT = 0.05
"""How far beyond 0..1 a picture in memory is clamped: the output of networks overshoots a little.

Values in another range, such as -1..1, exceed 0..1 by more.
"""

SIXTEEN_BIT = frozenset({"I;16", "I;16L", "I;16B", "I;16N"})

_CONVERTED = {"1": "L", "La": "LA", "RGBa": "RGBA", "PA": "RGBA", "RGBX": "RGB", "YCbCr": "RGB",
              "HSV": "RGB"}  # fmt: skip
_PROFILES = 16  # cached transforms: a data set has few profiles
_IGNORED: set[bytes] = set()
_LEVELS = (0, 32, 64, 96, 128, 160, 192, 224, 255)
_SAME = 1
"""Difference from sRGB in levels up to which a profile counts as sRGB (rounding)."""


def to_rgb(image: Image.Image, *, name: str, bits: int) -> Image.Image:
    """A loaded picture of any mode as 8-bit sRGB.

    Parameters
    ----------
    name : str
        Name of the picture in errors.
    bits : int
        Bits per sample, for 16-bit modes.

    Raises
    ------
    DataError
        Its samples do not define white, or its mode cannot be converted.
    """
    profile = image.info.get("icc_profile")
    if image.mode == "RGB" and not profile and "transparency" not in image.info:
        return image
    opaque = _opaque_places(image, name)
    image = _eight_bit_mode(image, name, bits)
    alpha = image.getchannel("A") if image.mode in ("LA", "RGBA") else opaque
    if alpha is not None and image.mode != "L":
        image = image.getchannel("L") if image.mode == "LA" else image.convert("RGB")
    rgb = _to_srgb(image, profile, name)
    if alpha is None:
        return rgb
    rgba = Image.merge("RGBA", (*rgb.split(), alpha))
    return Image.alpha_composite(Image.new("RGBA", rgba.size, "white"), rgba).convert("RGB")


def eight_bit(samples: NDArray[Any], *, bits: int, name: str) -> NDArray[np.uint8]:
    """The highest eight bits of unsigned samples [...] with `bits` bits, 1 to 16; same shape.

    Raises
    ------
    DataError
        All of them would be black although they differ: they must be on another scale.
    """
    if bits <= 8:
        scaled: NDArray[np.uint8] = (samples.astype(np.uint16) * 255 // (2**bits - 1)).astype(
            np.uint8
        )
        return scaled
    highest = int(samples.max())
    if 0 < highest < 1 << (bits - 8):
        raise DataError(
            [f"{name}: {bits}-bit samples of 0 to {highest}, black in 8 bits; save it with 8 bits,"
             f" or scaled to 0 to {2**bits - 1}"]
        )  # fmt: skip
    return (samples >> (bits - 8)).astype(np.uint8)


@cache
def warn_clamped() -> None:
    """Say that values are clamped; once in a process, since it concerns every batch of a loop."""
    warnings.warn(
        f"values outside 0..1 are clamped, up to {OVERSHOOT:g} beyond (reported once)", stacklevel=1
    )


def levels(samples: NDArray[Any], *, name: str, overshoot: float = SLACK) -> NDArray[np.uint8]:
    """Floats [...] in 0..1, rounded to the 256 levels of a file; same shape.

    Parameters
    ----------
    name : str
        Name of the picture in errors.
    overshoot : float
        How far beyond 0..1 values are clamped; with a warning where it is more than rounding.

    Raises
    ------
    DataError
        Some are further outside 0..1, or NaN.
    """
    low, high = samples.min(), samples.max()
    if not (low >= -overshoot and high <= 1 + overshoot):  # NaN if any value is
        found = "NaN among the values" if np.isnan(low) else f"float values {low:g} to {high:g}"
        spared = f"; up to {overshoot:g} beyond is clamped" if overshoot > SLACK else ""
        raise DataError([f"{name}: {found}; expected 0 to 1 (of uint8: 0 to 255){spared}"])
    if low < -SLACK or high > 1 + SLACK:
        warn_clamped()
    rounded: NDArray[np.uint8] = np.rint(samples.clip(0, 1) * 255).astype(np.uint8)
    return rounded


def _opaque_places(image: Image.Image, name: str) -> Image.Image | None:
    """255 where a grey or RGB picture is not its transparent colour; None if it has none."""
    key = image.info.get("transparency")
    if key is None or image.mode not in {"1", "L", "RGB", *SIXTEEN_BIT}:
        return None
    pixels, wanted = np.asarray(image), np.atleast_1d(key)
    if image.mode == "1":
        wanted = wanted > 0
    elif image.mode in ("L", "RGB") and wanted.max() > 255:
        raise DataError([f"{name}: its transparent colour has 16 bits; give the file's path"])
    same = pixels == wanted
    hidden = same.all(axis=2) if same.ndim == 3 else same
    return Image.fromarray(np.where(hidden, 0, 255).astype(np.uint8))


def _eight_bit_mode(image: Image.Image, name: str, bits: int) -> Image.Image:
    """The picture converted to mode L, LA, RGB, RGBA or CMYK."""
    if image.mode == "P":
        return image.convert("RGBA" if image.has_transparency_data else "RGB")
    if image.mode in _CONVERTED:
        return image.convert(_CONVERTED[image.mode])
    if image.mode in SIXTEEN_BIT or (image.mode == "I" and image.format == "PPM"):
        samples = np.asarray(image).astype(np.uint16)  # Pillow scales a PGM's samples to 16 bits
        return Image.fromarray(eight_bit(samples, bits=bits, name=name))
    if image.mode == "I":
        raise DataError(
            [f"{name}: 32-bit integers do not say which of them is white; convert it to 8 bits"
             " (0 to 255) or to 16 bits (0 to 65535)"]
        )  # fmt: skip
    if image.mode == "F":
        return Image.fromarray(levels(np.asarray(image), name=name))
    if image.mode not in ("L", "LA", "RGB", "RGBA", "CMYK"):
        raise DataError([f"{name}: its mode is {image.mode}; convert it to RGB"])
    return image


def _to_srgb(image: Image.Image, profile: bytes | None, name: str) -> Image.Image:
    """Convert L, RGB or CMYK by the profile; pictures with unusable profiles count as sRGB."""
    if profile:
        space = _space(profile)
        if image.mode == "L" and space == "RGB ":
            image = image.convert("RGB")
        transform = _transform(profile, image.mode)
        if isinstance(transform, str):
            if profile not in _IGNORED:  # reported once per profile, not per picture
                _IGNORED.add(profile)
                logger.warning("%s: its colour profile is ignored (%s)", name, transform)
        elif transform is not None:
            return transform.apply(image)
    return image if image.mode == "RGB" else image.convert("RGB")


def _space(profile: bytes) -> str:
    """The four-letter code of the data colour space in an ICC profile."""
    return profile[16:20].decode("latin-1")


@lru_cache(_PROFILES)
def _transform(profile: bytes, mode: str) -> ImageCms.ImageCmsTransform | str | None:
    """The transform of a mode to sRGB; None if not needed, or the reason if impossible.

    Relative colorimetric with black point compensation, as in browsers.
    """
    expected = {"L": "GRAY", "RGB": "RGB ", "CMYK": "CMYK"}[mode]
    if _space(profile) != expected:
        return f"it is for {_space(profile).strip() or 'nothing'}, the picture is {mode}"
    try:
        transform = ImageCms.buildTransform(
            ImageCms.ImageCmsProfile(io.BytesIO(profile)),
            ImageCms.createProfile("sRGB"),
            mode,
            "RGB",
            renderingIntent=ImageCms.Intent.RELATIVE_COLORIMETRIC,
            flags=ImageCms.Flags.BLACKPOINTCOMPENSATION | ImageCms.Flags.NOCACHE,
        )
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError) as error:
        return f"it cannot be used: {error}"
    if mode == "CMYK":
        return transform
    grid = np.stack(np.meshgrid(_LEVELS, _LEVELS, _LEVELS, indexing="ij"), axis=-1)
    probe = Image.fromarray(grid.reshape(27, 27, 3).astype(np.uint8)).convert(mode)
    plain = np.asarray(probe.convert("RGB"), dtype=np.int16)
    changed = np.abs(np.asarray(transform.apply(probe), dtype=np.int16) - plain)
    return transform if changed.max() > _SAME else None
