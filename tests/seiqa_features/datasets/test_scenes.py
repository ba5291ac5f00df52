"""The same scene is recognised through crop, scaling and recompression, and no other one is."""

from __future__ import annotations

from itertools import combinations
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from skimage import data

from seiqa_features.datasets import scenes
from seiqa_features.datasets.scenes import reference_scenes, same_scenes


@pytest.fixture
def pictures(tmp_path: Path) -> dict[str, Path]:
    """Two scenes, one of them four times, and a picture without any detail."""
    cat, cup = Image.fromarray(data.chelsea()), Image.fromarray(data.coffee())
    made = {
        "whole": cat,
        "crop": cat.crop((60, 20, 380, 270)),
        "small": cat.resize((cat.width * 15 // 16, cat.height * 15 // 16)),
        "other": cup,
        "grey": Image.new("RGB", (300, 200), (128, 128, 128)),
    }
    paths = {name: tmp_path / f"{name}.png" for name in made}
    for name, image in made.items():
        image.save(paths[name])
    paths["compressed"] = tmp_path / "compressed.jpg"
    cat.save(paths["compressed"], quality=40)
    return paths


def test_crop_scaling_and_recompression_are_seen_through(pictures: dict[str, Path]) -> None:
    cats = ["whole", "crop", "small", "compressed"]
    found = {frozenset(pair) for pair in same_scenes(pictures)}
    assert found == {frozenset(pair) for pair in combinations(cats, 2)}


def test_references_are_named_by_their_first_pair(pictures: dict[str, Path]) -> None:
    pairs = pd.DataFrame(
        {
            "pair_id": ["a", "b", "c", "d"],
            "ref_key": ["1", "1", "2", "3"],
            "ref_path": [str(pictures[name]) for name in ("whole", "whole", "crop", "other")],
        }
    )
    assert reference_scenes(pairs) == [("a", "c")]


def test_too_many_references_are_not_compared(
    pictures: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scenes, "MAX_REFERENCES", 1)
    pairs = pd.DataFrame({"pair_id": ["a", "b"], "ref_key": ["1", "2"], "ref_path": ["x", "y"]})
    assert reference_scenes(pairs) is None
    assert len(pictures) == 6


def test_three_laboratories_share_kodaks_scenes(shared: Path) -> None:
    """TID2013's crops, LIVE's whole or reduced pictures, RAID's through a round window."""
    paths = {}
    for path in (shared / "data/live_r2/reference").glob("*.png"):
        paths[f"live {path.stem}"] = path
    for path in (shared / "data/tid2013_kodak/reference").iterdir():
        paths[f"tid {path.stem[1:3]}"] = path
    for path in (shared / "data/raid/reference").glob("*.png"):
        paths[f"raid {path.stem[-2:]}"] = path
    recipe = pd.read_csv(shared / "data/live_r2/recipe.csv").dropna(subset="kodak")
    kodak = {
        f"live {name[:-4]}": int(k)
        for name, k in zip(recipe["ref_img"], recipe["kodak"], strict=True)
    }
    number = {name: kodak.get(name, 0) if "live" in name else int(name[-2:]) for name in paths}
    truth = {
        frozenset((one, other))
        for one, other in combinations(paths, 2)
        if number[one] == number[other] != 0
    }
    assert len(truth) == 26
    assert {frozenset(pair) for pair in same_scenes(paths)} == truth
    assert np.unique(list(kodak.values())).size == 8
