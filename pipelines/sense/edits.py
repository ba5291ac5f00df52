"""Edits of photographs, in classes whose order is clear without human judgement.

A harmless change keeps the meaning, a damaging one removes or adds a part of it, a recognisable
picture is damaged all over but still shows the same content, and a gone one shows something else or
nothing. Each edit takes a `Scene` and a generator and returns RGB pixels of the scene's own size.
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
from PIL import Image, ImageDraw
from scipy import ndimage

from pipelines.sense.distortions import (
    Edit,
    blur,
    crop,
    gamma,
    grey,
    jpeg,
    mirrored,
    noise,
    rescaled,
    shift,
)
from pipelines.sense.scenes import Scene, picture_of, pixels_of

TILES = 12
"""A shuffled picture is cut into TILES × TILES tiles."""


def as_it_is(scene: Scene, _: np.random.Generator) -> Image.Image:
    """Not edited again."""
    return scene.picture


def removed(scene: Scene, _: np.random.Generator) -> Image.Image:
    """The subject's box filled from its surroundings by normalised convolution (Knutsson, 1993)."""
    left, top, right, bottom = scene.box
    pixels = pixels_of(scene.picture)
    known = np.ones(pixels.shape[:2])
    known[top:bottom, left:right] = 0
    sigma = max(right - left, bottom - top) / 3
    weights = ndimage.gaussian_filter(known, sigma)
    spread = ndimage.gaussian_filter(pixels * known[..., None], (sigma, sigma, 0))
    filled = spread / np.maximum(weights, 1e-6)[..., None]
    return picture_of(np.where(known[..., None] > 0, pixels, filled))


def covered(scene: Scene, _: np.random.Generator) -> Image.Image:
    """A plain box over the subject, as used for hiding faces."""
    result = scene.picture.copy()
    mean = tuple(int(value) for value in pixels_of(scene.picture).mean(axis=(0, 1)))
    ImageDraw.Draw(result).rectangle(scene.box, fill=mean)
    return result


def replaced(scene: Scene, _: np.random.Generator) -> Image.Image:
    """The subject's box from another photograph."""
    result = scene.picture.copy()
    box = scene.box
    donor = scene.others[0].resize(scene.picture.size, Image.Resampling.BICUBIC)
    result.paste(donor.crop(box), box[:2])
    return result


def shrunk(share: float, edit: Edit) -> Edit:
    """An edit of the middle of the subject's box, by a share of its width and height."""

    def narrowed(scene: Scene, rng: np.random.Generator) -> Image.Image:
        left, top, right, bottom = scene.subject
        x, y = (1 - share) / 2 * (right - left), (1 - share) / 2 * (bottom - top)
        return edit(replace(scene, subject=(left + x, top + y, right - x, bottom - y)), rng)

    return narrowed


def followed(first: Edit, second: Edit) -> Edit:
    """Both edits, one after the other."""
    return lambda scene, rng: second(replace(scene, picture=first(scene, rng)), rng)


def across(share: float, edit: Edit) -> Edit:
    """An edit of the subject's box, applied to a random box that is this share of the picture."""

    def widened(scene: Scene, rng: np.random.Generator) -> Image.Image:
        side = math.sqrt(share)
        left, top = rng.uniform(0, 1 - side, 2)
        return edit(replace(scene, subject=(left, top, left + side, top + side)), rng)

    return widened


def inserted(scene: Scene, _: np.random.Generator) -> Image.Image:
    """The middle of another photograph pasted into a corner, a third of the width."""
    result = scene.picture.copy()
    side = min(scene.picture.size) // 2
    donor = scene.others[0]
    width, height = donor.size
    middle = donor.crop((width // 4, height // 4, 3 * width // 4, 3 * height // 4))
    result.paste(middle.resize((side, side), Image.Resampling.BICUBIC), (0, result.height - side))
    return result


def swapped(scene: Scene, _: np.random.Generator) -> Image.Image:
    """Left and right half exchanged."""
    pixels = pixels_of(scene.picture)
    return picture_of(np.roll(pixels, pixels.shape[1] // 2, axis=1))


def shuffled(scene: Scene, rng: np.random.Generator) -> Image.Image:
    """All tiles in random order."""
    pixels = pixels_of(scene.picture)
    rows, columns = pixels.shape[0] // TILES, pixels.shape[1] // TILES
    result = pixels.copy()
    order = rng.permutation(TILES * TILES)
    for place, source in enumerate(order):
        (y, x), (v, u) = divmod(place, TILES), divmod(int(source), TILES)
        result[y * rows : (y + 1) * rows, x * columns : (x + 1) * columns] = pixels[
            v * rows : (v + 1) * rows, u * columns : (u + 1) * columns
        ]
    return picture_of(result)


def another(number: int) -> Edit:
    """A photograph of something else."""

    def edit(scene: Scene, _: np.random.Generator) -> Image.Image:
        other = scene.others[number % len(scene.others)]
        return other.resize(scene.picture.size, Image.Resampling.BICUBIC)

    return edit


def flat(level: int | None) -> Edit:
    """One colour: a grey level, or with None the picture's mean."""

    def edit(scene: Scene, _: np.random.Generator) -> Image.Image:
        colour = pixels_of(scene.picture).mean(axis=(0, 1)) if level is None else [level] * 3
        return picture_of(np.broadcast_to(colour, pixels_of(scene.picture).shape))

    return edit


def static(scene: Scene, rng: np.random.Generator) -> Image.Image:
    """Uniform random noise and nothing else."""
    return picture_of(rng.integers(0, 256, pixels_of(scene.picture).shape))


HARMLESS: dict[str, Edit] = {
    "shift 1": shift(1), "shift 2": shift(2), "crop 1 %": crop(0.01), "crop 2 %": crop(0.02),
    "gamma 1.1": gamma(1.1), "JPEG 95": jpeg(95), "half size": rescaled(2),
}  # fmt: skip

DAMAGING: dict[str, Edit] = {
    "object removed": removed, "face or object covered": covered, "object replaced": replaced,
    "object inserted": inserted, "halves swapped": swapped, "tiles shuffled": shuffled,
}  # fmt: skip

RECOGNISABLE: dict[str, Edit] = {
    "blur 4": blur(4), "JPEG 10": jpeg(10), "noise 40": noise(40), "mirrored": mirrored,
    "grey": grey, "quarter size": rescaled(4),
}  # fmt: skip

GONE: dict[str, Edit] = {
    "another picture": another(0), "a third picture": another(1), "black": flat(0),
    "mean colour": flat(None), "static": static,
}  # fmt: skip

DOSES: dict[str, tuple[Edit, ...]] = {
    "blur": tuple(blur(sigma) for sigma in (1, 2, 4, 8)),
    "JPEG": tuple(jpeg(quality) for quality in (90, 50, 20, 5)),
    "noise": tuple(noise(sigma) for sigma in (8, 20, 45, 90)),
    "size": tuple(rescaled(factor) for factor in (1.5, 3, 6, 12)),
}
"""Weaker first."""
