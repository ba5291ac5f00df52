"""Distortions of a whole photograph, from harmless to strong.

Each takes a `Scene` and a generator and returns RGB pixels of the scene's own size.
"""

from __future__ import annotations

import io
from collections.abc import Callable

import numpy as np
from PIL import Image, ImageEnhance, ImageFilter, ImageOps
from scipy import ndimage

from pipelines.sense.scenes import Scene, picture_of, pixels_of

Edit = Callable[[Scene, np.random.Generator], Image.Image]


def shift(pixels: int) -> Edit:
    """Content moved to the right and down; the border is repeated."""

    def edit(scene: Scene, _: np.random.Generator) -> Image.Image:
        padded = np.pad(pixels_of(scene.picture), ((pixels, 0), (pixels, 0), (0, 0)), mode="edge")
        return picture_of(padded[: scene.picture.height, : scene.picture.width])

    return edit


def crop(share: float) -> Edit:
    """A share of width and height cropped, half on either side, and the rest enlarged again."""

    def edit(scene: Scene, _: np.random.Generator) -> Image.Image:
        width, height = scene.picture.size
        box = (share / 2 * width, share / 2 * height, width - share / 2 * width,
               height - share / 2 * height)  # fmt: skip
        return scene.picture.resize(scene.picture.size, Image.Resampling.BICUBIC, box)

    return edit


def gamma(exponent: float) -> Edit:
    """Values in 0..1 raised to 1/exponent."""

    def edit(scene: Scene, _: np.random.Generator) -> Image.Image:
        return picture_of(255 * (pixels_of(scene.picture) / 255) ** (1 / exponent))

    return edit


def jpeg(quality: int) -> Edit:
    """Compressed and decoded."""

    def edit(scene: Scene, _: np.random.Generator) -> Image.Image:
        buffer = io.BytesIO()
        scene.picture.save(buffer, "JPEG", quality=quality)
        return Image.open(buffer).convert("RGB")

    return edit


def rescaled(factor: float) -> Edit:
    """Downscaled by the factor and enlarged again."""

    def edit(scene: Scene, _: np.random.Generator) -> Image.Image:
        picture = scene.picture
        size = tuple(max(1, round(side / factor)) for side in picture.size)
        small = picture.resize((size[0], size[1]), Image.Resampling.LANCZOS)
        return small.resize(picture.size, Image.Resampling.BICUBIC)

    return edit


def contrast(factor: float) -> Edit:
    """Distances from the mean grey level multiplied by a factor."""
    return lambda scene, _: ImageEnhance.Contrast(scene.picture).enhance(factor)


def motion(pixels: int) -> Edit:
    """Horizontal motion blur over some pixels."""

    def edit(scene: Scene, _: np.random.Generator) -> Image.Image:
        return picture_of(ndimage.uniform_filter1d(pixels_of(scene.picture), pixels, axis=1))

    return edit


def warp(pixels: float) -> Edit:
    """Smooth random displacements; their root mean square along each axis in pixels."""

    def edit(scene: Scene, rng: np.random.Generator) -> Image.Image:
        values = pixels_of(scene.picture)
        shape = values.shape[:2]
        places = np.indices(shape, np.float64)
        for axis in range(2):
            way = ndimage.gaussian_filter(rng.normal(size=shape), min(shape) / 25)
            places[axis] += pixels * way / way.std()
        channels = [ndimage.map_coordinates(v, places, order=1, mode="nearest")
                    for v in np.moveaxis(values, 2, 0)]  # fmt: skip
        return picture_of(np.stack(channels, axis=2))

    return edit


def blur(sigma: float) -> Edit:
    """Gaussian blur; sigma in pixels."""
    return lambda scene, _: scene.picture.filter(ImageFilter.GaussianBlur(sigma))


def noise(sigma: float) -> Edit:
    """Gaussian noise; standard deviation on the scale 0..255."""

    def edit(scene: Scene, rng: np.random.Generator) -> Image.Image:
        pixels = pixels_of(scene.picture)
        return picture_of(pixels + rng.normal(0, sigma, pixels.shape))

    return edit


def mirrored(scene: Scene, _: np.random.Generator) -> Image.Image:
    """Mirrored horizontally."""
    return scene.picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT)


def grey(scene: Scene, _: np.random.Generator) -> Image.Image:
    """Without colour."""
    return scene.picture.convert("L").convert("RGB")


def inverted(scene: Scene, _: np.random.Generator) -> Image.Image:
    """A negative."""
    return ImageOps.invert(scene.picture)


def upside_down(scene: Scene, _: np.random.Generator) -> Image.Image:
    """Turned by 180 degrees."""
    return scene.picture.transpose(Image.Transpose.ROTATE_180)


def outlines(sigma: float) -> Edit:
    """Without colour, and without what a Gaussian blur keeps, on mid-grey; sigma in pixels."""

    def edit(scene: Scene, rng: np.random.Generator) -> Image.Image:
        values = pixels_of(grey(scene, rng))
        return picture_of(127.5 + values - ndimage.gaussian_filter(values, (sigma, sigma, 0)))

    return edit
