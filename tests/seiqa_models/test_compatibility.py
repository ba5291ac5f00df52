"""A bundle is used only where this installation computes the features that it was trained on."""

from __future__ import annotations

import copy
import logging
from pathlib import Path

import pytest

from seiqa_features.datasets.pairs import Found
from seiqa_features.errors import DataError
from seiqa_features.extraction.runtime import Runtime
from seiqa_features.weights.files import DEFAULT_FOLDER, WeightFiles
from seiqa_models.bundle import load_bundle
from seiqa_models.compatibility import matching_recipe
from seiqa_models.scorer import Scorer

RUNTIME = Runtime(WeightFiles(DEFAULT_FOLDER))


def test_the_recipe_that_was_saved_is_the_one_that_is_computed(bundle: tuple[Path, Found]) -> None:
    loaded = load_bundle(bundle[0])
    assert matching_recipe(loaded, RUNTIME).to_dict() == loaded.recipe


def test_a_bundle_of_a_table_is_for_tables(bundle: tuple[Path, Found]) -> None:
    loaded = load_bundle(bundle[0])
    object.__setattr__(loaded, "recipe", {})
    with pytest.raises(DataError, match="use seiqa predict-table"):
        Scorer(loaded)


def test_a_model_that_reads_a_column_nobody_makes_is_refused(bundle: tuple[Path, Found]) -> None:
    loaded = load_bundle(bundle[0])
    other = copy.deepcopy(loaded.recipe)
    del other["features"]["gms"]
    object.__setattr__(loaded, "recipe", other)
    with pytest.raises(DataError, match=r"its model reads gms.*no such column; train again"):
        matching_recipe(loaded, RUNTIME)


def test_other_library_versions_are_warned_of(
    bundle: tuple[Path, Found], caplog: pytest.LogCaptureFixture
) -> None:
    loaded = load_bundle(bundle[0])
    other = copy.deepcopy(loaded.recipe)
    other["blocks"]["gms__max128"]["libraries"]["torch"] = "1.0"
    object.__setattr__(loaded, "recipe", other)
    with caplog.at_level(logging.WARNING):
        matching_recipe(loaded, RUNTIME)
    assert "gms__max128" in caplog.text
    assert "1.0" in caplog.text


def test_another_extractor_version_is_refused(bundle: tuple[Path, Found]) -> None:
    loaded = load_bundle(bundle[0])
    other = copy.deepcopy(loaded.recipe)
    other["blocks"]["colour__max128"]["version"] = 0
    object.__setattr__(loaded, "recipe", other)
    with pytest.raises(DataError, match="bundle was trained on colour__max128"):
        matching_recipe(loaded, RUNTIME)


def test_an_extractor_that_is_gone_is_named(bundle: tuple[Path, Found]) -> None:
    loaded = load_bundle(bundle[0])
    other = copy.deepcopy(loaded.recipe)
    other["features"]["retired"] = ["max128"]
    object.__setattr__(loaded, "recipe", other)
    with pytest.raises(DataError, match=r"other features: extractor 'retired' .*train again"):
        matching_recipe(loaded, RUNTIME)


def test_an_output_that_the_model_does_not_read_may_come_or_go(bundle: tuple[Path, Found]) -> None:
    loaded = load_bundle(bundle[0])
    other = copy.deepcopy(loaded.recipe)
    other["blocks"]["gms__max128"]["outputs"]["retired"] = 0
    object.__setattr__(loaded, "recipe", other)
    assert "retired" not in str(matching_recipe(loaded, RUNTIME).to_dict())
