"""Text read for real: the recogniser's networks come inside its package."""

from __future__ import annotations

import math
import os
import subprocess
import sys
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image, ImageDraw, ImageFont

from seiqa_features.errors import WeightsError
from seiqa_features.extraction.runtime import Runtime
from seiqa_features.extractors.content.text import SPEC, WEIGHTS
from seiqa_features.extractors.registry import all_extractors
from seiqa_features.extractors.specs import Extract
from seiqa_features.table.recipe import Recipe
from seiqa_features.weights import places
from seiqa_features.weights.files import WeightFiles
from tests.seiqa_features.photographs import jpeg

Values = Mapping[str, torch.Tensor]
UNDEFINED = ("edit_distance", "similarity", "words_lost", "words_invented")


def page(*lines: str) -> Image.Image:
    """Black on white, 240×120."""
    picture = Image.new("RGB", (240, 120), "white")
    for row, line in enumerate(lines):
        font = ImageFont.load_default(size=24)
        ImageDraw.Draw(picture).text((12, 15 + 45 * row), line, fill="black", font=font)
    return picture


def batch(*pictures: Image.Image) -> torch.Tensor:
    pixels = np.stack([np.asarray(picture) for picture in pictures]).transpose(0, 3, 1, 2)
    return torch.from_numpy(np.ascontiguousarray(pixels)).float() / 255


PRICE = page("Only $19.99", "Fresh coffee")
CHANGED = page("Only $91.99", "Fresh coffee")
BLANK = page()


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Extract:
    return Runtime(WeightFiles(tmp_path_factory.mktemp("weights"))).work("text")


@pytest.fixture(scope="module")
def values(work: Extract) -> Values:
    """Itself, compressed, another price, no text; and text where there was none."""
    dists = batch(PRICE, jpeg(PRICE, 50), CHANGED, BLANK, PRICE)
    return work(ref=batch(PRICE, BLANK), dist=dists, ref_index=torch.tensor([0, 0, 0, 0, 1]))


def test_outputs_are_as_the_spec_says(values: Values) -> None:
    assert values.keys() == SPEC.outputs.keys()
    for found in values.values():
        assert found.shape == (5,)
        assert found.dtype == torch.float64


def test_every_character_of_clear_print_is_read(values: Values) -> None:
    assert values["characters_ref"].tolist() == [21, 21, 21, 21, 0]
    assert values["characters_dist"].tolist() == [21, 21, 21, 0, 21]


def test_the_same_text_is_the_identity_also_when_compressed(values: Values) -> None:
    for name in UNDEFINED:
        assert values[name][:2].tolist() == [SPEC.outputs[name].identity] * 2, name


def test_a_changed_price_shows(values: Values) -> None:
    """$19.99 → $91.99: two of 21 characters, one word of four."""
    assert values["edit_distance"][2].item() == pytest.approx(2 / 21)
    assert values["similarity"][2].item() == pytest.approx(1 - 2 / 21)
    assert values["words_lost"][2] == values["words_invented"][2] == 0.25


def test_text_that_is_gone_is_all_lost(values: Values) -> None:
    gone = {name: values[name][3].item() for name in UNDEFINED}
    expected = {"edit_distance": 1, "similarity": 0, "words_lost": 1, "words_invented": 0}
    assert gone == expected


def test_a_reference_without_text_leaves_them_undefined_not_zero(values: Values) -> None:
    assert all(math.isnan(values[name][4]) for name in UNDEFINED)


def test_a_pair_has_the_same_values_alone(work: Extract, values: Values) -> None:
    alone = work(ref=batch(PRICE), dist=batch(CHANGED), ref_index=torch.tensor([0]))
    for name, value in alone.items():
        assert torch.equal(value, values[name][2:3]), name


def test_smallest_pictures_break_nothing(work: Extract) -> None:
    blank = torch.full((1, 3, SPEC.min_side, SPEC.min_side + 1), 0.5)
    found = work(ref=blank, dist=blank, ref_index=torch.tensor([0]))
    assert found["characters_ref"].item() == 0
    assert math.isnan(found["similarity"].item())


# --- the package -----------------------------------------------------------------------------


def test_the_networks_are_those_that_were_tested(tmp_path: Path) -> None:
    files = WeightFiles(tmp_path)
    for weight in WEIGHTS.values():
        path = files.verified(weight)
        assert path.stat().st_size == pytest.approx(1e6 * weight.megabytes, rel=0.5)
        assert files.checksum(weight) == weight.sha256


def test_nothing_is_reported_to_anyone(tmp_path: Path) -> None:
    """onnxruntime would note an identifier of the machine and its events, to be sent later."""
    code = (
        "from PIL import Image; from seiqa_features import extract;"
        " extract('text', Image.new('RGB', (64, 64)), Image.new('RGB', (64, 64), 'red'))"
    )
    places = {"HOME": "home", "TMPDIR": "temporary", "XDG_CACHE_HOME": "caches"}
    folders = {name: tmp_path / place for name, place in places.items()}
    for folder in folders.values():
        folder.mkdir()
    root = str(Path(__file__).parents[4])
    environment = {**os.environ, "PYTHONPATH": root, **{k: str(v) for k, v in folders.items()}}
    environment.pop("ORT_DISABLE_TELEMETRY", None)  # set by the tests above
    subprocess.run([sys.executable, "-c", code], env=environment, cwd=tmp_path, check=True)
    left = [path for folder in folders.values() for path in folder.rglob("*") if path.is_file()]
    assert left == []


@pytest.mark.parametrize("absent", ["rapidocr", "onnxruntime"])
def test_without_the_extra_it_is_unavailable_in_one_line(
    absent: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    installed = places.distribution

    def distribution(name: str) -> object:
        if name == absent:
            raise PackageNotFoundError(name)
        return installed(name)

    monkeypatch.setattr(places, "distribution", distribution)
    recipe = Recipe.parse({"text": ["max512"], "gms": ["max512"]})
    bound, unavailable = Runtime(WeightFiles(tmp_path)).bind(recipe, skip_unavailable=True)
    assert [block.spec.name for block in bound.blocks] == ["gms"]
    assert list(unavailable) == ["text"]
    assert f"without {absent}: run `pip install 'seiqa[content]'`" in unavailable["text"]
    assert "\n" not in unavailable["text"]
    with pytest.raises(WeightsError, match=r"pip install 'seiqa\[content\]'") as error:
        Runtime(WeightFiles(tmp_path)).bind(recipe)
    assert "text" in str(error.value)


def test_listing_needs_no_package() -> None:
    assert all_extractors()["text"].spec is SPEC
