"""A tiny multimodal model, and pairs whose degradation it can learn to see."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image, ImageFilter

from seiqa_features.extractors.multimodal.models import model_of
from seiqa_features.pictures.decoding import load_rgb, pixel_key
from seiqa_models.core.splits import make_folds
from seiqa_models.finetune.members import Work
from seiqa_models.finetune.recipe import Recipe
from tests.seiqa_features.tiny_vlm import write_tiny_vlm

RECIPE = {"view": "max64", "rank": 4, "alpha": 8, "learning_rate": 3e-3, "batch": 4}


@pytest.fixture(scope="session")
def tiny(tmp_path_factory):
    return write_tiny_vlm(tmp_path_factory.mktemp("vlm") / "model")


@pytest.fixture(scope="session")
def model(tiny):
    return model_of(f"vlm:{tiny}")


@pytest.fixture(scope="session")
def files(tiny):
    return {f"vlm:{tiny}/{path.name}": path for path in tiny.iterdir()}


@pytest.fixture(scope="session")
def pairs(tmp_path_factory):
    """4 scenes, each twice: slightly and strongly darkened and blurred."""
    folder = tmp_path_factory.mktemp("pairs")
    rows = []
    for scene in range(4):
        coarse = np.random.default_rng(scene).integers(90, 256, (4, 6, 3), dtype=np.uint8)
        ref = Image.fromarray(coarse).resize((96, 64), Image.Resampling.BICUBIC)
        ref.save(folder / f"r{scene}.png")
        for level in (0, 1):
            dark = ref.filter(ImageFilter.GaussianBlur(1 + 5 * level)).point(
                lambda v, level=level: v * (0.9 - 0.6 * level)
            )
            dark.save(folder / f"d{scene}{level}.png")
            rows.append(
                {
                    "pair_id": f"{scene}-{level}",
                    "ref_path": str(folder / f"r{scene}.png"),
                    "dist_path": str(folder / f"d{scene}{level}.png"),
                    "mos": 5.0 - 4 * level - 0.1 * scene,
                    "group_id": str(scene),
                }
            )
    frame = pd.DataFrame(rows)
    for side in ("ref", "dist"):
        frame[f"{side}_key"] = [pixel_key(load_rgb(Path(path))) for path in frame[f"{side}_path"]]
    return frame


@pytest.fixture
def make_work(model, files, pairs):
    """`make_work(epochs=…, labels=…)`."""

    def make(labels=None, seed=0, **changes):
        frame = pairs if labels is None else pairs.assign(mos=labels)
        folds = make_folds(frame["group_id"], n_splits=2, seed=0)
        recipe = Recipe(base=model.name, **{**RECIPE, "epochs": 1, **changes})
        return Work(recipe, model, files, frame, folds, (0.0, 5.0), seed)

    return make
