"""A small bundle trained on pictures, and the pairs it was trained on."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image, ImageFilter

from seiqa_features.datasets.pairs import Found, Pair, build_pairs
from seiqa_features.extraction.runner import extract
from seiqa_features.extraction.runtime import Runtime
from seiqa_features.pictures.index import ImageIndex
from seiqa_features.table.recipe import Recipe
from seiqa_features.table.store import Store
from seiqa_features.table.table import assemble
from seiqa_features.weights.files import WeightFiles
from seiqa_models.bundle import save_bundle
from seiqa_models.stack.regressor import SeiqaRegressor

RECIPE = Recipe.parse({"gms": ["max128"], "colour": ["max128"]})


def _write_pairs(folder: Path) -> Found:
    pairs = []
    for number in range(4):
        coarse = np.random.default_rng(number).integers(0, 256, (6, 8, 3), dtype=np.uint8)
        ref = Image.fromarray(coarse).resize((80, 60), Image.Resampling.BICUBIC)
        ref.save(folder / f"r{number}.png")
        for level in range(3):
            path = folder / f"d{number}{level}.png"
            ref.filter(ImageFilter.GaussianBlur(2 * level)).save(path)
            pair_id = f"{number}-{level}"
            pairs.append(Pair(pair_id, folder / f"r{number}.png", path, "train", 5.0 - level))
    return Found(folder, pairs=pairs)


def train_bundle(folder: Path) -> tuple[Path, Found]:
    """The bundle's folder, and the pairs; both in the folder."""
    found = _write_pairs(folder)
    pairs, problems = build_pairs(found, ImageIndex(folder / "cache"))
    assert not problems
    store = Store(folder / "cache")
    extract(pairs, RECIPE, store, Runtime(WeightFiles(folder)), workers=1)
    table, _ = assemble(pairs, RECIPE, store)
    regressor = SeiqaRegressor(learners=("ridge", "svr"), n_splits=3)
    regressor.fit(table, pairs["mos"].to_numpy(), groups=pairs["group_id"].to_numpy())
    save_bundle(folder / "bundle", regressor, recipe=RECIPE.to_dict(), card={"label_kind": "MOS"})
    return folder / "bundle", found
