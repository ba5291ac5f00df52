"""The semantic demo data: layout, honesty about labels, and that a rerun changes nothing."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

import numpy as np
import openpyxl
import pandas as pd
import pytest
from PIL import Image

from pipelines.demo import semantic as demo_semantic
from pipelines.demo.degradations import AREA_SHARES, PERCEPTUAL, SEMANTIC, degrade
from pipelines.demo.semantic import make_semantic_data, pseudo_label
from tests.pipelines.demo.conftest import content

COUNTS = {"Train": 120, "Val": 18, "Test": 36}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The whole demo data set, made once; sockets are blocked, so nothing is downloaded."""
    return make_semantic_data(tmp_path_factory.mktemp("work") / "demo")


@pytest.fixture(scope="module")
def recipes(folder: Path) -> pd.DataFrame:
    return pd.read_csv(folder / "pseudo_labels.csv", dtype={"file": str})


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def few_scenes(monkeypatch: pytest.MonkeyPatch) -> None:
    scenes = {split: paths[:2] for split, paths in demo_semantic.SCENES.items()}
    monkeypatch.setattr(demo_semantic, "SCENES", scenes)
    monkeypatch.setattr(demo_semantic, "PAIRS_PER_SCENE", {"Train": 2, "Val": 1, "Test": 2})


@pytest.mark.parametrize("split", COUNTS)
def test_each_split_has_its_pairs_and_nothing_else(folder: Path, split: str) -> None:
    assert names(folder / split / "Ref") == names(folder / split / "Dist")
    assert len(names(folder / split / "Dist")) == COUNTS[split]


def test_numbers_are_those_of_the_challenge(folder: Path) -> None:
    assert names(folder / "Train" / "Ref")[0] == "000001.png"
    assert names(folder / "Val" / "Ref") == [f"{n:06d}.png" for n in range(3, 55, 3)]
    both = names(folder / "Val" / "Ref") + names(folder / "Test" / "Ref")
    assert sorted(both) == [f"{n:06d}.png" for n in range(1, 55)]


def test_sheet_says_pseudo_and_matches_the_training_folder(
    folder: Path, recipes: pd.DataFrame
) -> None:
    workbook = openpyxl.load_workbook(folder / "Train" / "Train_scores.xlsx")
    header, *rows = workbook.active.iter_rows(values_only=True)
    assert header == ("picture name", "pseudo_label")
    assert [name for name, _ in rows] == names(folder / "Train" / "Dist")
    train = recipes[recipes.split == "Train"]
    assert [label for _, label in rows] == train.pseudo_label.tolist()
    assert [path.parent.name for path in folder.glob("*/*scores*")] == ["Train"]


def test_no_scene_is_in_two_splits(folder: Path) -> None:
    splits = defaultdict(set)
    for path in folder.glob("*/Ref/*.png"):
        splits[path.read_bytes()].add(path.parent.parent.name)
    assert len(splits) == 13
    assert all(len(where) == 1 for where in splits.values())


def test_labels_use_the_whole_scale_and_both_families(recipes: pd.DataFrame) -> None:
    train = recipes[recipes.split == "Train"]
    assert set(train.pseudo_label) == {0, 1, 2, 3, 4, 5}
    assert train.family.value_counts().to_dict() == {"semantic": 64, "perceptual": 56}
    assert set(train.kind) == {*PERCEPTUAL, *SEMANTIC}


def test_pictures_keep_their_size_and_each_is_degraded(folder: Path, recipes: pd.DataFrame) -> None:
    pictures = list(folder.glob("*/Dist/*.png"))
    assert len(pictures) == len(recipes) > 100
    for dist in pictures:
        with (
            Image.open(dist) as degraded,
            Image.open(dist.parent.parent / "Ref" / dist.name) as ref,
        ):
            assert degraded.mode == ref.mode == "RGB"
            assert degraded.size == ref.size
            assert max(ref.size) == 320
            assert degraded.tobytes() != ref.tobytes()


def test_semantic_edits_are_local(folder: Path, recipes: pd.DataFrame) -> None:
    for recipe in recipes[recipes.family == "semantic"].itertuples():
        ref, dist = (
            np.asarray(Image.open(folder / recipe.split / side / recipe.file))
            for side in ("Ref", "Dist")
        )
        changed = (ref != dist).any(axis=2).mean()
        assert 0 < changed <= AREA_SHARES[recipe.level - 1] + 0.01


def test_perceptual_degradations_are_everywhere() -> None:
    texture = np.random.default_rng(0).integers(60, 200, (90, 120, 3), dtype=np.uint8)
    for kind in PERCEPTUAL:
        rng = np.random.default_rng(0)
        degraded = degrade(texture, texture, kind=kind, level=3, rng=rng)
        assert (degraded != texture).any(axis=2).mean() > 0.9, kind


def test_labels_fall_with_the_level_and_meaning_costs_more_than_looks() -> None:
    for kind in [*PERCEPTUAL, *SEMANTIC]:
        labels = [pseudo_label(kind, level) for level in range(1, 6)]
        assert labels == sorted(labels, reverse=True)
    assert min(pseudo_label(kind, 3) for kind in PERCEPTUAL) >= 4
    assert max(pseudo_label(kind, 5) for kind in SEMANTIC) <= 1


def test_rerun_is_byte_identical_and_mends_a_killed_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    few_scenes(monkeypatch)
    first = content(make_semantic_data(tmp_path / "demo"))
    (tmp_path / "demo" / "Train" / "Train_scores.xlsx").unlink()
    (tmp_path / "demo" / "Test" / "Dist" / "000001.png").write_bytes(b"half")
    assert content(make_semantic_data(tmp_path / "demo")) == first
    assert content(make_semantic_data(tmp_path / "other", seed=1)) != first


@pytest.mark.parametrize("taken", ["Train/Ref/000001.png", "thesis.docx", "pseudo_labels.csv"])
def test_refuses_a_folder_with_anything_else(taken: str, tmp_path: Path) -> None:
    (tmp_path / taken).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / taken).write_text("mine")
    with pytest.raises(ValueError, match="already holds something else; choose an empty folder"):
        make_semantic_data(tmp_path)
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == [Path(taken).name]
    assert (tmp_path / taken).read_text() == "mine"
