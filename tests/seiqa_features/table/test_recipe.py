"""Recipes: names to blocks, and a fingerprint that changes whenever a value could."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace

import PIL
import pytest

from seiqa_features.errors import UsageError
from seiqa_features.extractors.registry import get_extractor
from seiqa_features.extractors.specs import Output
from seiqa_features.pictures.views import View
from seiqa_features.table import recipe
from seiqa_features.table.recipe import Block, Recipe


def block(view: str = "max512", **changes: object) -> Block:
    return Block(replace(get_extractor("psnr").spec, **changes), View.parse(view))


def test_parse_keeps_order_and_drops_repeated_views() -> None:
    parsed = Recipe.parse({"vsi": ["s256", "max512", "s256"], "psnr": ["s64"]})
    assert [b.name for b in parsed.blocks] == ["vsi__s256", "vsi__max512", "psnr__s64"]


def test_to_dict_is_json_and_parses_back() -> None:
    parsed = Recipe.parse({"vsi": ["s256", "max512"], "psnr": ["s64"]})
    remembered = json.loads(json.dumps(parsed.to_dict()))
    assert Recipe.parse(remembered["features"]) == parsed
    assert remembered["blocks"] == {b.name: b.ingredients for b in parsed.blocks}


def test_a_bound_recipe_survives_json() -> None:
    bound = Recipe.parse({"psnr": ["s64"]}).bind({}, lambda _: "bfloat16")
    pretrained = replace(bound.blocks[0], checksums=(("net", "12ab"),))
    assert pretrained.dtype == "bfloat16"
    saved = json.loads(json.dumps(Recipe((pretrained,)).to_dict()))
    assert Recipe.from_dict(saved) == Recipe((pretrained,))


def test_unknown_extractor_suggests_the_nearest_name() -> None:
    with pytest.raises(UsageError, match=r"^extractor 'haarspi' does not exist; did you mean haa"):
        Recipe.parse({"haarspi": ["s256"]})


def test_unknown_extractor_like_no_other_lists_what_there_is() -> None:
    with pytest.raises(UsageError, match=r"'qqqqqqqq' does not exist; there are .*psnr, .*vsi"):
        Recipe.parse({"qqqqqqqq": ["s256"]})


def test_unknown_view() -> None:
    with pytest.raises(UsageError, match=r"view 'large' does not exist; expected e\.g\. s256"):
        Recipe.parse({"psnr": ["large"]})


@pytest.mark.parametrize(
    ("name", "view", "message"),
    [
        ("clip_l14", "s256", "extractor clip_l14 cannot use view s256; it sees c224"),
        ("clip_l14", "max224", "extractor clip_l14 cannot use view max224; it sees c224"),
        ("dinov2_l14", "s256", "a multiple of 14, such as s252"),
    ],
)
def test_a_view_the_extractor_cannot_use(name: str, view: str, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        Recipe.parse({name: [view]})
    assert str(caught.value).endswith(message)


def test_grid_blocks_hold_pooled_outputs() -> None:
    (square,), (grid,) = (Recipe.parse({"psnr": [v]}).blocks for v in ("s64", "grid64x4"))
    assert list(square.outputs) == ["value"]
    assert list(grid.outputs) == ["value_mean", "value_worst"]


def test_directions_are_known_for_columns_of_every_kind() -> None:
    found = Recipe.parse({"psnr": ["s64", "grid64x2"], "colour": ["max512"], "clip_b16": ["s224"]})
    directions = found.directions
    assert directions["psnr__s64__value"] == "higher"
    assert directions["psnr__grid64x2__value_worst"] == "higher"
    assert directions["colour__max512__delta_e"] == "lower"
    assert directions["colour__max512__hist_cosine"] == "higher"
    assert directions["clip_b16__s224__image_l2"] == "lower"
    assert directions["clip_b16__s224__bad_dist"] == "lower"
    without = {"lightness_shift", "grid", "hist_absdiff", "patch_std"}
    assert not {f"colour__max512__{name}" for name in without} & directions.keys()


def test_fingerprint_is_the_same_every_time() -> None:
    assert block().fingerprint == block().fingerprint
    assert len(block().fingerprint) == 16


def test_fingerprint_does_not_hear_what_changes_no_value() -> None:
    assert block(cost=99.0, licence="other").fingerprint == block().fingerprint


def _library(patch: pytest.MonkeyPatch) -> None:
    real = recipe.version
    patch.setattr(recipe, "version", lambda name: "99.0" if name == "piq" else real(name))


@pytest.mark.parametrize(
    "other",
    [
        lambda _: block("s256"),
        lambda _: block("max511"),
        lambda _: block(version=2),
        lambda _: block(name="psnr2"),
        lambda _: block(outputs={"value": Output(), "other": Output()}),
        lambda _: block(libraries=("torch", "piq", "numpy")),
        lambda _: block("max512_lanczos"),
        lambda _: block(resampling="lanczos"),
        lambda _: replace(block(), checksums=(("net", "12ab"),)),
        lambda _: replace(block(), dtype="bfloat16"),
        lambda patch: _library(patch) or block(),
        lambda patch: patch.setattr(PIL, "__version__", "99.0") or block(),
    ],
    ids=[
        "view",
        "size",
        "version",
        "name",
        "outputs",
        "libraries",
        "filter",
        "own filter",
        "weights",
        "arithmetic",
        "library",
        "pillow",
    ],
)
def test_fingerprint_changes_with_whatever_can_change_a_value(
    other: Callable[[pytest.MonkeyPatch], Block], monkeypatch: pytest.MonkeyPatch
) -> None:
    before = block().fingerprint
    assert other(monkeypatch).fingerprint != before
