"""Pictures to measure on: crops of photographs out of scikit-image, degraded by the demo's recipes.

No two pictures are alike, so nothing can be answered from the feature store.
"""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
from PIL import Image
from skimage.data import data_dir

from pipelines.demo.degradations import LEVELS, PERCEPTUAL, RGBImage, degrade

WIDTH, HEIGHT = 512, 384
PHOTOGRAPHS = [
    Path(data_dir) / name for name in ("astronaut.png", "chelsea.png", "coffee.png", "rocket.jpg")
]


def write_pairs(folder: Path, *, references: int, per_reference: int) -> Path:
    """Write PNG pairs of 512×384 pixels, the same ones every time, and a manifest of them.

    Parameters
    ----------
    folder : Path
        Made if it is not there.
    references : int
        How many different reference pictures.
    per_reference : int
        How many degraded versions of each, at most 35.

    Returns
    -------
    Path
        The manifest, columns ref and dist.
    """
    folder.mkdir(parents=True, exist_ok=True)
    cells = [(kind, level) for kind in PERCEPTUAL for level in range(1, LEVELS + 1)]
    manifest = folder / "manifest.csv"
    with manifest.open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(("ref", "dist"))
        for number in range(references):
            rng = np.random.default_rng(number)
            picture = _crop(Image.open(PHOTOGRAPHS[number % len(PHOTOGRAPHS)]), rng)
            ref = _save(picture, folder / f"{number:05d}.png")
            for cell in rng.choice(len(cells), per_reference, replace=False):
                kind, level = cells[cell]
                degraded = degrade(picture, picture, kind=kind, level=level, rng=rng)
                dist = _save(degraded, folder / f"{number:05d}-{kind}{level}.png")
                rows.writerow((ref.name, dist.name))
    return manifest


def _crop(image: Image.Image, rng: np.random.Generator) -> RGBImage:
    """A random box of the pictures' aspect, at least 60 % as large as fits in."""
    scale = min(image.width / WIDTH, image.height / HEIGHT) * rng.uniform(0.6, 1.0)
    left = rng.uniform(0, image.width - WIDTH * scale)
    top = rng.uniform(0, image.height - HEIGHT * scale)
    box = (left, top, left + WIDTH * scale, top + HEIGHT * scale)
    return np.asarray(image.resize((WIDTH, HEIGHT), Image.Resampling.BICUBIC, box=box))


def _save(picture: RGBImage, path: Path) -> Path:
    Image.fromarray(picture).save(path, compress_level=1)
    return path
