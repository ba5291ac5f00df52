"""Photographs that come with scikit-image, and doses of damage."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageFilter
from scipy import ndimage
from skimage import data

SOURCES = {
    "astronaut": data.astronaut,
    "chelsea": data.chelsea,
    "coffee": data.coffee,
}
LONGEST = 288  # pixels: enough for every scale of MS-SSIM


def photograph(name: str) -> Image.Image:
    """One of `SOURCES`, its longest side `LONGEST`."""
    picture = Image.fromarray(SOURCES[name]())
    picture.thumbnail((LONGEST, LONGEST))
    return picture


def as_tensor(picture: Image.Image) -> torch.Tensor:
    """A picture as a batch of one, float32 [1, 3, H, W] in 0..1."""
    return torch.from_numpy(np.array(picture)).permute(2, 0, 1)[None].float() / 255


def luma(picture: Image.Image) -> NDArray[np.float32]:
    """Its luma float32 [H, W] in 0..1."""
    return np.asarray(picture.convert("L"), np.float32) / 255


def blur(picture: Image.Image, sigma: float) -> Image.Image:
    """Gaussian blur of that standard deviation in pixels."""
    return picture.filter(ImageFilter.GaussianBlur(sigma))


def noise(picture: Image.Image, deviation: float) -> Image.Image:
    """Gaussian noise of that standard deviation in steps of 255."""
    added = np.random.default_rng(0).normal(0, deviation, (picture.height, picture.width, 3))
    noisy = (np.asarray(picture) + added).round().clip(0, 255)
    return Image.fromarray(noisy.astype(np.uint8))


def jpeg(picture: Image.Image, quality: float) -> Image.Image:
    """Compressed and decompressed."""
    file = io.BytesIO()
    picture.save(file, "JPEG", quality=int(quality))
    return Image.open(file).convert("RGB")


def moved(pixels: NDArray[np.uint8], y: float, x: float) -> NDArray[np.uint8]:
    """Pixels uint8 [H, W, 3], their content moved down by y and to the right by x pixels."""
    shifted = ndimage.shift(pixels.astype(float), (y, x, 0), order=3, mode="nearest")
    return np.clip(np.rint(shifted), 0, 255).astype(np.uint8)


LADDERS: Mapping[str, tuple[Callable[[Image.Image, float], Image.Image], Sequence[float]]] = {
    "blur": (blur, (0.8, 1.6, 3.2)),
    "noise": (noise, (6, 18, 54)),
    "JPEG": (jpeg, (80, 30, 8)),
}
"""Kinds of damage in growing doses."""


def ladder(picture: Image.Image, kind: str) -> list[Image.Image]:
    """The picture, and then the doses of a kind."""
    damage, doses = LADDERS[kind]
    return [picture, *(damage(picture, dose) for dose in doses)]
