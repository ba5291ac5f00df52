"""Degradations of the demo data: perceptual ones keep the meaning, semantic ones change it.

Each is a function of an RGB picture (uint8 [H, W, 3]) and a strength, returns a picture of the same
shape, and draws random numbers only from the generator passed to it.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageEnhance, ImageFilter
from scipy import ndimage

RGBImage = np.typing.NDArray[np.uint8]
Box = tuple[slice, slice]

LEVELS = 5

AREA_SHARES = (0.02, 0.05, 0.10, 0.20, 0.35)
"""Share of the picture's area that a semantic edit touches, by level."""

TILES = 10
"""Shuffled tiles are the cells of a TILES × TILES grid."""


@dataclass(frozen=True)
class Perceptual:
    """A degradation of the whole picture: its setting at each level, and its label weight."""

    apply: Callable[[Image.Image, float, np.random.Generator], Image.Image]
    settings: tuple[float, ...]
    weight: float


@dataclass(frozen=True)
class Semantic:
    """An edit of a share of the area, given a donor photograph, and its label weight."""

    apply: Callable[[RGBImage, RGBImage, float, np.random.Generator], RGBImage]
    weight: float


def degrade(
    picture: RGBImage, donor: RGBImage, *, kind: str, level: int, rng: np.random.Generator
) -> RGBImage:
    """Degrade a picture.

    Parameters
    ----------
    picture, donor : uint8 [H, W, 3]
        The photograph, and another one as source of regions (any size).
    kind : str
        A key of PERCEPTUAL or SEMANTIC.
    level : int
        1 (barely there) to LEVELS.

    Returns
    -------
    uint8 [H, W, 3]
    """
    if kind in PERCEPTUAL:
        perceptual = PERCEPTUAL[kind]
        image = Image.fromarray(picture)
        return np.asarray(perceptual.apply(image, perceptual.settings[level - 1], rng))
    return SEMANTIC[kind].apply(picture, donor, AREA_SHARES[level - 1], rng)


# perceptual: the whole picture, by a setting


def _blur(image: Image.Image, sigma: float, _: np.random.Generator) -> Image.Image:
    return image.filter(ImageFilter.GaussianBlur(sigma))


def _jpeg(image: Image.Image, quality: float, _: np.random.Generator) -> Image.Image:
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=int(quality))
    return Image.open(buffer).convert("RGB")


def _noise(image: Image.Image, sigma: float, rng: np.random.Generator) -> Image.Image:
    values = np.asarray(image) + rng.normal(0, sigma, (image.height, image.width, 3))
    return Image.fromarray(_to_uint8(values))


def _colour(image: Image.Image, shift: float, rng: np.random.Generator) -> Image.Image:
    """Reduce saturation and tint: one channel up, one down, so grey pictures change as well."""
    pale = ImageEnhance.Color(image).enhance(1 - shift)
    gains = np.array([1 + shift, 1.0, 1 / (1 + shift)])[rng.permutation(3)]
    return Image.fromarray(_to_uint8(np.asarray(pale) * gains))


def _rescale(image: Image.Image, factor: float, _: np.random.Generator) -> Image.Image:
    small = (max(1, round(image.width / factor)), max(1, round(image.height / factor)))
    down = image.resize(small, Image.Resampling.BICUBIC)
    return down.resize(image.size, Image.Resampling.BICUBIC)


def _contrast(image: Image.Image, factor: float, _: np.random.Generator) -> Image.Image:
    return ImageEnhance.Contrast(image).enhance(factor)


def _brightness(image: Image.Image, factor: float, _: np.random.Generator) -> Image.Image:
    return ImageEnhance.Brightness(image).enhance(factor)


PERCEPTUAL = {
    "blur": Perceptual(_blur, (0.7, 1.3, 2.2, 4.0, 8.0), 3.5),  # Gaussian sigma, pixels
    "jpeg": Perceptual(_jpeg, (60, 30, 15, 8, 3), 2.5),  # quality
    "noise": Perceptual(_noise, (5, 12, 25, 45, 80), 2.5),  # Gaussian sigma, of 255
    "colour": Perceptual(_colour, (0.05, 0.1, 0.2, 0.35, 0.6), 1.5),  # saturation lost, gain
    "rescale": Perceptual(_rescale, (1.5, 2.2, 3.5, 6.0, 12.0), 3.5),  # down and up again
    "contrast": Perceptual(_contrast, (0.85, 0.7, 0.5, 0.3, 0.15), 1.5),  # 0 = flat
    "brightness": Perceptual(_brightness, (0.85, 0.7, 0.5, 0.3, 0.15), 1.5),  # 0 = black
}


# semantic: a share of the area, by the content put there


def _erase(picture: RGBImage, _: RGBImage, share: float, rng: np.random.Generator) -> RGBImage:
    """Fill a box from its surroundings by normalised convolution (Knutsson & Westin 1993)."""
    rows, columns = box = _box(picture, share, rng)
    keep = np.ones(picture.shape[:2])
    keep[box] = 0
    # Wide enough for the middle of the box to be filled from its rim.
    sigma = max(rows.stop - rows.start, columns.stop - columns.start) / 4
    known = ndimage.gaussian_filter(picture * keep[..., None], (sigma, sigma, 0))
    result = picture.copy()
    result[box] = _to_uint8(known / ndimage.gaussian_filter(keep, sigma)[..., None])[box]
    return result


def _transplant(
    picture: RGBImage, donor: RGBImage, share: float, rng: np.random.Generator
) -> RGBImage:
    """Replace a box by the same box of another photograph."""
    box = _box(picture, share, rng)
    result = picture.copy()
    result[box] = _fit(donor, picture.shape)[box]
    return result


def _insert(picture: RGBImage, donor: RGBImage, share: float, rng: np.random.Generator) -> RGBImage:
    """Paste the middle of another photograph, cut out as an ellipse."""
    rows, columns = box = _box(picture, share * 4 / np.pi, rng)  # the ellipse has π/4 of its box
    height, width = rows.stop - rows.start, columns.stop - columns.start
    middle = _fit(donor[tuple(slice(n // 5, n - n // 5) for n in donor.shape[:2])], (height, width))
    y, x = np.ogrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j]
    inside = np.asarray(x**2 + y**2 <= 1)
    result = picture.copy()
    result[box][inside] = middle[inside]
    return result


def _swap(picture: RGBImage, _: RGBImage, share: float, rng: np.random.Generator) -> RGBImage:
    """Exchange a box of the left half with one of the right half."""
    middle = picture.shape[1] // 2
    left, right = picture[:, :middle], picture[:, middle : 2 * middle]
    rows_left, columns_left = _box(left, share, rng)
    rows_right, columns_right = _box(right, share, rng)
    result = picture.copy()
    result[:, :middle][rows_left, columns_left] = right[rows_right, columns_right]
    result[:, middle : 2 * middle][rows_right, columns_right] = left[rows_left, columns_left]
    return result


def _shuffle(picture: RGBImage, _: RGBImage, share: float, rng: np.random.Generator) -> RGBImage:
    """Permute tiles of a grid cyclically, so that none stays in place."""
    height, width = picture.shape[0] // TILES, picture.shape[1] // TILES
    cells = rng.permutation(TILES * TILES)[: max(2, round(share * TILES * TILES))]
    boxes = [
        (slice(row * height, (row + 1) * height), slice(column * width, (column + 1) * width))
        for row, column in (divmod(int(cell), TILES) for cell in cells)
    ]
    result = picture.copy()
    for target, source in zip(boxes, [*boxes[1:], boxes[0]], strict=True):
        result[target] = picture[source]
    return result


SEMANTIC = {
    "erase": Semantic(_erase, 5.0),
    "transplant": Semantic(_transplant, 7.0),
    "insert": Semantic(_insert, 6.0),
    "swap": Semantic(_swap, 4.0),
    "shuffle": Semantic(_shuffle, 4.0),
}


def _box(picture: RGBImage, share: float, rng: np.random.Generator) -> Box:
    """A randomly placed box with the picture's aspect ratio and a share of its area."""
    height, width = picture.shape[:2]
    side = np.sqrt(share)
    box_height, box_width = max(1, round(height * side)), max(1, round(width * side))
    top = int(rng.integers(height - box_height + 1))
    start = int(rng.integers(width - box_width + 1))
    return slice(top, top + box_height), slice(start, start + box_width)


def _fit(picture: RGBImage, shape: tuple[int, ...]) -> RGBImage:
    """Resize to the height and width of `shape`."""
    size = (shape[1], shape[0])
    return np.asarray(Image.fromarray(picture).resize(size, Image.Resampling.BICUBIC))


def _to_uint8(values: np.typing.NDArray[np.float64]) -> RGBImage:
    return np.clip(np.rint(values), 0, 255).astype(np.uint8)
