"""The photographs of the suite, with the part of each that carries its meaning."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib.resources import as_file, files
from pathlib import Path

import numpy as np
from PIL import Image

from seiqa_features.pictures.decoding import load_rgb

Share = tuple[float, float, float, float]
"""Left, top, right, bottom of a box as shares of width and height."""

LONGEST_SIDE = 384

SUBJECTS: dict[str, Share] = {
    "skimage/data/astronaut.png": (0.30, 0.05, 0.58, 0.38),  # her face
    "skimage/data/camera.png": (0.30, 0.12, 0.65, 0.50),  # head and camera
    "skimage/data/coffee.png": (0.28, 0.02, 0.72, 0.58),  # the cup
    "skimage/data/motorcycle_left.png": (0.12, 0.12, 0.95, 0.92),
    "sklearn/datasets/images/china.jpg": (0.12, 0.06, 0.58, 0.86),  # the pagoda
    "sklearn/datasets/images/flower.jpg": (0.26, 0.20, 0.70, 0.85),
    "skimage/data/rocket.jpg": (0.44, 0.30, 0.58, 0.98),
    "skimage/data/chelsea.png": (0.28, 0.25, 0.80, 0.95),  # the cat's eyes and nose
}
"""Photographs from installed packages: path including the package, and the subject's box."""


@dataclass(frozen=True)
class Scene:
    """A photograph, the box of its main object, and photographs of something else.

    Attributes
    ----------
    name : str
        Name of the photograph.
    picture : PIL image
        RGB, at its size in the suite.
    subject : tuple of float
        The box of the object, or part of it, that carries the meaning.
    others : tuple of PIL images
        Photographs of something else, RGB, of any size.
    """

    name: str
    picture: Image.Image
    subject: Share
    others: tuple[Image.Image, ...]

    @property
    def box(self) -> tuple[int, int, int, int]:
        """The subject's box in pixels."""
        width, height = self.picture.size
        left, top, right, bottom = self.subject
        return (
            round(left * width),
            round(top * height),
            round(right * width),
            round(bottom * height),
        )


@cache
def scenes() -> tuple[Scene, ...]:
    """The photographs of the suite."""
    pictures = {name: _photograph(name) for name in SUBJECTS}
    names = list(SUBJECTS)
    return tuple(
        Scene(
            name.rsplit("/", 1)[1].split(".")[0],
            pictures[name],
            SUBJECTS[name],
            (pictures[names[(i + 3) % len(names)]], pictures[names[(i + 5) % len(names)]]),
        )
        for i, name in enumerate(names)
    )


def pixels_of(picture: Image.Image) -> np.typing.NDArray[np.float64]:
    """A picture's values in 0..255, float64 [H, W, 3]."""
    return np.asarray(picture, dtype=np.float64)


def picture_of(values: np.typing.NDArray[np.generic]) -> Image.Image:
    """A picture from values [H, W, 3], rounded and clipped to 0..255."""
    return Image.fromarray(np.clip(np.rint(values), 0, 255).astype(np.uint8))


def opened(path: Path, longest_side: int) -> Image.Image:
    """A photograph, downscaled if it is larger; in sRGB, as edits would lose a colour profile."""
    picture = load_rgb(path)
    picture.thumbnail((longest_side, longest_side), Image.Resampling.LANCZOS)
    return picture


def _photograph(name: str) -> Image.Image:
    package, path = name.split("/", 1)
    with as_file(files(package).joinpath(path)) as file:
        return opened(file, LONGEST_SIDE)
