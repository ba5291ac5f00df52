"""A second demo data set: photographs from installed packages, edited and degraded by recipe.

Nothing is downloaded. The labels are pseudo-labels: numbers that a formula (`pseudo_label`) derives
from the recipe of a degradation. No person has rated the pictures.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

import numpy as np
from PIL import Image

from pipelines.demo.data import png, require_own
from pipelines.demo.degradations import (
    AREA_SHARES,
    LEVELS,
    PERCEPTUAL,
    SEMANTIC,
    RGBImage,
    degrade,
)
from pipelines.runs.submission import workbook_bytes
from seiqa_features.writing import write_whole

LONGEST_SIDE = 320
"""Pixels of the photographs' longer side: small enough for a demo that takes minutes."""

SCENES = {
    "Train": (
        "skimage/data/astronaut.png",
        "skimage/data/camera.png",
        "skimage/data/coffee.png",
        "skimage/data/coins.png",
        "skimage/data/ihc.png",
        "skimage/data/motorcycle_left.png",
        "sklearn/datasets/images/china.jpg",
        "sklearn/datasets/images/flower.jpg",
    ),
    "Val": ("skimage/data/moon.png", "skimage/data/rocket.jpg"),
    "Test": (
        "skimage/data/chelsea.png",
        "skimage/data/hubble_deep_field.jpg",
        "skimage/data/retina.jpg",
    ),
}
"""Photographs by split: package, then path in it. No scene is in more than one split."""

PAIRS_PER_SCENE = {"Train": 15, "Val": 9, "Test": 12}
"""As in the challenge, every third number is a validation pair, the others are test pairs."""

LABELS_FILE = "pseudo_labels.csv"


@dataclass(frozen=True)
class Recipe:
    """How one degraded picture is made."""

    split: str
    name: str  # file name in Ref and in Dist
    scene: int  # index in SCENES[split]
    kind: str
    level: int  # 1 (barely there) to LEVELS
    seed: tuple[int, ...]

    @property
    def family(self) -> str:
        """perceptual or semantic."""
        return "perceptual" if self.kind in PERCEPTUAL else "semantic"


def make_semantic_data(folder: Path, *, seed: int = 0) -> Path:
    """Write the edited pictures in the SeIQA folder layout.

    Train/Train_scores.xlsx holds the training pseudo-labels, as in the challenge; pseudo_labels.csv
    records how every pair of every split was made.

    Parameters
    ----------
    folder : Path
        Where to write; created if missing. The same seed writes the same bytes again, so running it
        again repairs an interrupted run.
    seed : int
        Seed for places of the edits, donors and the order of recipes.

    Returns
    -------
    Path
        `folder`.

    Raises
    ------
    ValueError
        The folder holds something that this function did not write.
    """
    recipes = list(_recipes(seed))
    labels_csv = _labels_csv(recipes)
    require_own(folder, LABELS_FILE, labels_csv)
    write_whole(folder / LABELS_FILE, labels_csv)  # first: marks the folder as ours
    scenes = {split: [photograph(path) for path in paths] for split, paths in SCENES.items()}
    references = {split: [png(picture) for picture in group] for split, group in scenes.items()}
    for recipe in recipes:
        target = folder / recipe.split
        write_whole(target / "Ref" / recipe.name, references[recipe.split][recipe.scene])
        write_whole(target / "Dist" / recipe.name, png(_degraded(scenes[recipe.split], recipe)))

    labels = [
        (recipe.name, float(pseudo_label(recipe.kind, recipe.level)))
        for recipe in recipes
        if recipe.split == "Train"
    ]
    sheet = workbook_bytes(("picture name", "pseudo_label"), labels)
    write_whole(folder / "Train" / "Train_scores.xlsx", sheet)
    return folder


def pseudo_label(kind: str, level: int) -> int:
    """The pseudo-label of a degradation: an integer from 0 (meaning lost) to 5 (all of it kept).

    With strength s = level / LEVELS, edited share a of the picture's area and the kind's weight w,

        perceptual: label = 5 − w·s³                costs little until extreme
        semantic:   label = 5·exp(−w·a)             costs at once, by area

    rounded to the nearest integer. The weights are our choice and are not based on an experiment.
    """
    if kind in PERCEPTUAL:
        value = 5 - PERCEPTUAL[kind].weight * (level / LEVELS) ** 3
    else:
        value = 5 * np.exp(-SEMANTIC[kind].weight * AREA_SHARES[level - 1])
    return int(np.clip(np.rint(value), 0, 5))


def _recipes(seed: int) -> Iterator[Recipe]:
    """All recipes in file order: training first, then validation and test."""
    pairs = {split: PAIRS_PER_SCENE[split] * len(scenes) for split, scenes in SCENES.items()}
    shared = range(1, pairs["Val"] + pairs["Test"] + 1)
    numbers = {
        "Train": range(1, pairs["Train"] + 1),
        "Val": [number for number in shared if number % 3 == 0],
        "Test": [number for number in shared if number % 3 != 0],
    }
    for split_index, (split, scenes) in enumerate(SCENES.items()):
        remaining = iter(numbers[split])
        for scene in range(len(scenes)):
            scene_seed = (seed, split_index, scene)
            for kind, level in _choice(PAIRS_PER_SCENE[split], np.random.default_rng(scene_seed)):
                number = next(remaining)
                yield Recipe(split, f"{number:06d}.png", scene, kind, level, (*scene_seed, number))


def _choice(count: int, rng: np.random.Generator) -> list[tuple[str, int]]:
    """`count` distinct (kind, level) in random order; half of them, rounded up, are semantic."""
    chosen: list[tuple[str, int]] = []
    for family, share in ((SEMANTIC, (count + 1) // 2), (PERCEPTUAL, count // 2)):
        cells = [(kind, level) for kind in family for level in range(1, LEVELS + 1)]
        chosen += [cells[i] for i in rng.choice(len(cells), share, replace=False)]
    return [chosen[i] for i in rng.permutation(count)]


def _degraded(scenes: list[RGBImage], recipe: Recipe) -> RGBImage:
    """Apply a recipe; the donor is another photograph of the same split."""
    rng = np.random.default_rng(recipe.seed)
    others = [i for i in range(len(scenes)) if i != recipe.scene]
    donor = scenes[others[rng.integers(len(others))]]
    return degrade(scenes[recipe.scene], donor, kind=recipe.kind, level=recipe.level, rng=rng)


def photograph(path: str) -> RGBImage:
    """A photograph from an installed package, as uint8 [H, W, 3] of LONGEST_SIDE."""
    package, _, name = path.partition("/")
    with (files(package) / name).open("rb") as file:
        image = Image.open(file).convert("RGB")
    scale = LONGEST_SIDE / max(image.size)
    size = (round(image.width * scale), round(image.height * scale))
    return np.asarray(image.resize(size, Image.Resampling.LANCZOS))


def _labels_csv(recipes: Sequence[Recipe]) -> bytes:
    lines = ["file,split,family,kind,level,pseudo_label"]
    for recipe in recipes:
        label = pseudo_label(recipe.kind, recipe.level)
        lines.append(
            f"{recipe.name},{recipe.split},{recipe.family},{recipe.kind},{recipe.level},{label}"
        )
    return ("\n".join(lines) + "\n").encode()
