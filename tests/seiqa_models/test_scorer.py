"""Scorer: a bundle and its feature recipe, applied to image files."""

from __future__ import annotations

import copy
import logging
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageFilter

from seiqa_features.errors import DataError
from seiqa_features.images import ImageIndex
from seiqa_features.pairs import Found, Pair, build_pairs
from seiqa_features.recipe import Recipe
from seiqa_features.runner import extract
from seiqa_features.runtime import Runtime
from seiqa_features.store import Store
from seiqa_features.table import assemble
from seiqa_features.weights import Vault
from seiqa_models.bundle import load_bundle, save_bundle
from seiqa_models.scorer import Scorer
from seiqa_models.stack import SeiqaRegressor

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


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Found]:
    """A small trained bundle and the pairs it was trained on."""
    folder = tmp_path_factory.mktemp("scorer")
    found = _write_pairs(folder)
    pairs, problems = build_pairs(found, ImageIndex(folder / "cache"))
    assert not problems
    store = Store(folder / "cache")
    extract(pairs, RECIPE, store, Runtime(Vault(folder)), workers=1)
    table, _ = assemble(pairs, RECIPE, store)
    regressor = SeiqaRegressor(learners=("ridge", "svr"), n_splits=3)
    regressor.fit(table, pairs["mos"].to_numpy(), groups=pairs["group_id"].to_numpy())
    save_bundle(folder / "bundle", regressor, recipe=RECIPE.to_dict(), card={"label_kind": "MOS"})
    return folder / "bundle", found


def test_scores_are_the_regressors_own(bundle: tuple[Path, Found], tmp_path: Path) -> None:
    folder, found = bundle
    scorer = Scorer.load(folder, cache=tmp_path / "cache")
    scores, left_out = scorer.score_pairs(found)
    assert not left_out
    assert scores.index.tolist() == [pair.pair_id for pair in found.pairs]
    labels = np.array([pair.mos for pair in found.pairs])
    assert np.corrcoef(scores, labels)[0, 1] > 0.9
    one = scorer.score(ref=found.pairs[5].ref, dist=str(found.pairs[5].dist))
    assert one == scores.iloc[5]


def test_without_cache_nothing_is_left_behind(
    bundle: tuple[Path, Found], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, found = bundle
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    Scorer.load(folder).score(ref=found.pairs[0].ref, dist=found.pairs[1].dist)
    assert list(tmp_path.iterdir()) == []


def test_missing_picture_is_named(bundle: tuple[Path, Found]) -> None:
    folder, found = bundle
    with pytest.raises(DataError, match=r"gone\.png: no such file"):
        Scorer.load(folder).score(ref=found.pairs[0].ref, dist="gone.png")


def test_other_library_versions_are_warned_of(
    bundle: tuple[Path, Found], caplog: pytest.LogCaptureFixture
) -> None:
    loaded = load_bundle(bundle[0])
    other = copy.deepcopy(loaded.recipe)
    other["blocks"]["gms__max128"]["libraries"]["torch"] = "1.0"
    object.__setattr__(loaded, "recipe", other)
    with caplog.at_level(logging.WARNING):
        Scorer(loaded)
    assert "gms__max128" in caplog.text
    assert "1.0" in caplog.text


def test_another_extractor_version_is_refused(bundle: tuple[Path, Found]) -> None:
    loaded = load_bundle(bundle[0])
    other = copy.deepcopy(loaded.recipe)
    other["blocks"]["colour__max128"]["version"] = 0
    object.__setattr__(loaded, "recipe", other)
    with pytest.raises(DataError, match="bundle was trained on colour__max128"):
        Scorer(loaded)


def test_an_extractor_that_is_gone_is_named(bundle: tuple[Path, Found]) -> None:
    loaded = load_bundle(bundle[0])
    other = copy.deepcopy(loaded.recipe)
    other["features"]["retired"] = ["max128"]
    object.__setattr__(loaded, "recipe", other)
    with pytest.raises(DataError, match=r"other features: extractor 'retired' .*train again"):
        Scorer(loaded)
