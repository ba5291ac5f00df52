"""Pairs for trying the page: photographs from scikit-image, degraded on the fly.

They have no human scores or labels; they only show what a score looks like.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from pipelines.demo.degradations import degrade
from pipelines.demo.semantic import photograph

EXAMPLES = "examples"
"""Folder of these pictures, among the uploads."""

DONOR = "skimage/data/coffee.png"

RECIPES = (
    ("skimage/data/chelsea.png", "jpeg", 4, "coarse JPEG"),
    ("skimage/data/chelsea.png", "transplant", 5, "a third replaced"),
    ("skimage/data/rocket.jpg", "blur", 4, "blurred"),
    ("skimage/data/rocket.jpg", "erase", 5, "a third erased"),
    ("skimage/data/astronaut.png", "colour", 5, "colours faded"),
    ("skimage/data/astronaut.png", "shuffle", 5, "a third shuffled"),
)
"""Photograph, degradation, its level and description; of each two, the first is mild."""


def write_examples(folder: Path) -> list[tuple[str, str, str]]:
    """Write the pictures into a folder; returns both paths and a description of each pair."""
    folder.mkdir(parents=True, exist_ok=True)
    donor = photograph(DONOR)
    rows = []
    for number, (path, kind, level, words) in enumerate(RECIPES):
        picture = photograph(path)
        rng = np.random.default_rng(number)
        ref, dist = folder / f"{Path(path).stem}.png", folder / f"{number}-{kind}.png"
        Image.fromarray(picture).save(ref)
        Image.fromarray(degrade(picture, donor, kind=kind, level=level, rng=rng)).save(dist)
        rows.append((str(ref), str(dist), words))
    return rows
