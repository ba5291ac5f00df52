"""Bundles: what goes in comes out, what was tampered with stays out."""

from __future__ import annotations

import json
import logging
import random
import warnings
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pandas as pd
import pytest
import skops.io

from seiqa_models import bundle
from seiqa_models.bundle import load_bundle, save_bundle
from seiqa_models.card import render_card
from seiqa_models.core.errors import TableError
from seiqa_models.evaluation.evaluate import evaluate
from seiqa_models.inspection.manifest import FORMAT_VERSION, parse_manifest
from seiqa_models.learners.registry import LEARNERS
from seiqa_models.stack.regressor import SeiqaRegressor
from seiqa_models.stack.representations import REPRESENTATIONS
from tests.forking import Halt, ends_in_a_fork, needs_fork
from tests.seiqa_models.inspection.hostile import plant, rewrite

RECIPE = {"extractors": ["classical"], "longest_side": 1024}
CARD = {"label_kind": "MOS", "data": "six références"}


class Foreign:
    """A type that no bundle may hold."""


@pytest.fixture
def fitted(make_table):
    X, y, groups = make_table(d=20)
    return SeiqaRegressor(learners=("ridge", "svr")).fit(X, y, groups), X


@pytest.fixture
def saved(fitted, tmp_path):
    save_bundle(tmp_path / "bundle", fitted[0], recipe=RECIPE, card=CARD)
    return tmp_path / "bundle"


def test_every_learner_predicts_the_same_bytes_after_loading(make_table, tmp_path):
    X, y, groups = make_table(n_groups=3, d=20)
    regressor = SeiqaRegressor(learners=tuple(LEARNERS), n_splits=2).fit(X, y, groups)
    save_bundle(tmp_path / "deep" / "bundle", regressor, recipe=RECIPE, card=CARD)
    bundle = load_bundle(tmp_path / "deep" / "bundle")
    np.testing.assert_array_equal(bundle.regressor.predict(X), regressor.predict(X))
    said = regressor.predict_learners(X)
    assert set(LEARNERS) < set(said)
    pd.testing.assert_frame_equal(bundle.regressor.predict_learners(X), said, check_exact=True)
    assert bundle.recipe == RECIPE
    assert bundle.card == CARD


@pytest.mark.parametrize("purpose", ["home", "abroad"])
def test_representations_purpose_and_directions_come_back(purpose, make_table, tmp_path):
    X, y, groups = make_table(n_groups=3, d=20)
    regressor = SeiqaRegressor(
        ("ridge", "svr@2", "extra_trees@1"), n_splits=2, purpose=purpose, directions={"chaff": 1}
    ).fit(X, y, groups)
    save_bundle(tmp_path / "bundle", regressor, recipe=RECIPE, card=CARD)
    loaded = load_bundle(tmp_path / "bundle").regressor
    pd.testing.assert_frame_equal(loaded.predict_interval(X), regressor.predict_interval(X))
    assert loaded.weights_ == regressor.weights_
    assert loaded.directions == {"chaff": 1}


def test_a_representation_that_is_not_known_here_is_one_line(make_table, tmp_path, monkeypatch):
    X, y, groups = make_table(n_groups=3)
    monkeypatch.setitem(REPRESENTATIONS, "theirs", REPRESENTATIONS["all"])
    regressor = SeiqaRegressor(("ridge@theirs",), n_splits=2).fit(X, y, groups)
    save_bundle(tmp_path / "bundle", regressor, recipe=RECIPE, card=CARD)
    monkeypatch.delitem(REPRESENTATIONS, "theirs")
    with pytest.raises(TableError, match="does not know: unknown representation 'theirs'") as told:
        load_bundle(tmp_path / "bundle")
    assert "\n" not in str(told.value)


def test_folder_holds_three_files_and_nothing_is_left_beside_it(saved, fitted):
    assert sorted(path.name for path in saved.iterdir()) == [
        "bundle.json",
        "card.md",
        "model.skops",
    ]
    save_bundle(saved, fitted[0], recipe={"second": True}, card=CARD)
    assert load_bundle(saved).recipe == {"second": True}
    assert [path.name for path in saved.parent.iterdir()] == ["bundle"]


def test_training_labels_are_not_saved_and_the_regressor_keeps_its_own(saved, fitted):
    assert not hasattr(load_bundle(saved).regressor, "oof_")
    assert hasattr(fitted[0], "oof_")


def test_a_failed_save_leaves_the_earlier_bundle(saved, fitted):
    with pytest.raises(ValueError, match="Out of range float"):
        save_bundle(saved, fitted[0], recipe={"bad": float("nan")}, card=CARD)
    assert load_bundle(saved).recipe == RECIPE
    assert [path.name for path in saved.parent.iterdir()] == ["bundle"]


def test_a_folder_that_is_no_bundle_is_not_replaced(fitted, tmp_path):
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "1.png").touch()
    for path in (tmp_path / "photos", tmp_path / "photos" / "1.png"):
        with pytest.raises(TableError, match="is not a bundle"):
            save_bundle(path, fitted[0], recipe=RECIPE, card=CARD)
    assert [path.name for path in (tmp_path / "photos").iterdir()] == ["1.png"]


def test_a_changed_model_file_is_refused(saved):
    model = bytearray((saved / "model.skops").read_bytes())
    model[len(model) // 2] ^= 1
    (saved / "model.skops").write_bytes(bytes(model))
    with pytest.raises(TableError, match="SHA-256 differs"):
        load_bundle(saved)


def test_no_flipped_bit_of_the_manifest_is_believed(saved):
    path, draw = saved / "bundle.json", random.Random(0)
    sound = path.read_bytes()
    expected = parse_manifest(sound, "bundle.json")
    refused = 0
    for _ in range(200):
        content = bytearray(sound)
        bit = draw.randrange(8 * len(content))
        content[bit // 8] ^= 1 << bit % 8
        try:
            assert parse_manifest(bytes(content), "bundle.json") == expected
        except TableError:
            refused += 1
    assert refused > 100  # the others are blanks, or an escape for the same character


def test_a_type_that_is_not_allowed_is_refused(saved):
    plant(saved, skops.io.dumps(Foreign()))
    with pytest.raises(TableError, match=r"not allowed, of no plug-in installed here: \S+Foreign"):
        load_bundle(saved)


def test_another_object_or_garbage_is_refused(saved):
    plant(saved, skops.io.dumps({"a": 1}))
    with pytest.raises(TableError, match="holds a dict, expected a SeiqaRegressor"):
        load_bundle(saved)
    plant(saved, b"garbage")
    with pytest.raises(TableError, match="no zip, or a damaged one"):
        load_bundle(saved)


def test_loading_in_several_threads_leaves_the_filters_of_warnings(saved):
    before = list(warnings.filters)
    with ThreadPoolExecutor(4) as threads:
        loaded = list(threads.map(load_bundle, [saved] * 12))
    assert len(loaded) == 12
    assert list(warnings.filters) == before


@needs_fork
def test_a_process_forked_while_another_thread_loads_can_load(saved, monkeypatch):
    halt, read = Halt(), bundle._read_model

    def halting(path, model):
        halt()
        return read(path, model)

    monkeypatch.setattr(bundle, "_read_model", halting)
    with halt.reached_by(lambda: load_bundle(saved)):
        assert ends_in_a_fork(lambda: load_bundle(saved))


def test_the_folder_of_a_run_stands_for_its_bundle(saved, fitted):
    regressor, X = fitted[0], fitted[1]
    run = saved.parent
    assert np.array_equal(load_bundle(run).regressor.predict(X), regressor.predict(X))
    (saved / "bundle.json").unlink()
    with pytest.raises(TableError, match="name the folder of a trained run, or its bundle"):
        load_bundle(run)


def test_missing_broken_or_foreign_manifest_is_refused(saved, tmp_path):
    with pytest.raises(TableError, match="is not a bundle"):
        load_bundle(tmp_path / "nowhere")
    rewrite(saved, format=99)
    with pytest.raises(TableError, match=f"format 99, this version reads {FORMAT_VERSION}"):
        load_bundle(saved)
    (saved / "bundle.json").write_text(json.dumps({"format": FORMAT_VERSION}))
    with pytest.raises(TableError, match="lacks card, model, recipe, versions"):
        load_bundle(saved)
    (saved / "bundle.json").write_text("{")
    with pytest.raises(TableError, match="not valid JSON"):
        load_bundle(saved)


def test_missing_model_file_is_named(saved):
    (saved / "model.skops").unlink()
    with pytest.raises(TableError, match=r"model\.skops cannot be read"):
        load_bundle(saved)


def test_other_library_versions_are_logged(saved, caplog):
    rewrite(saved, versions={"numpy": "0.1"})
    with caplog.at_level(logging.WARNING):
        load_bundle(saved)
    assert "was saved with numpy 0.1, now is" in caplog.text


def test_card_shows_honest_figures_and_the_kind_of_labels(make_table):
    X, y, groups = make_table()
    figures = evaluate(SeiqaRegressor(learners=("ridge",)), X, y, groups).to_dict()
    card = {
        "label_kind": "pseudo-label",
        "evaluation": figures,
        "limits": ["small", "synthetic"],
        "features": {"psnr": "pyiqa"},
        "reproduce": "make demo",
    }
    text = render_card(card)
    assert "pseudo-labels" in text
    assert f"| this stack | {figures['honest']['srocc']:.4f} |" in text
    assert "| best single feature |" in text
    assert "- small\n- synthetic" in text
    assert "- psnr: pyiqa" in text
    assert "mean opinion scores" in render_card(CARD)


def test_card_must_say_what_kind_of_labels():
    with pytest.raises(ValueError, match="label_kind is None"):
        render_card({"data": "x"})
    with pytest.raises(ValueError, match=r"unknown keys \['dat'\]"):
        render_card({"label_kind": "MOS", "dat": "x"})
