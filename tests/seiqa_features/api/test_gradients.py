"""Features of batches with gradients: the numbers of a table, and their slopes."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from seiqa_features.api.gradients import features_of, without_gradient
from seiqa_features.errors import DataError
from seiqa_features.extraction.direct import compute_table, held
from seiqa_features.extraction.runtime import Runtime
from seiqa_features.table.recipe import Recipe
from seiqa_features.weights.files import WeightFiles
from tests.seiqa_features.photographs import as_tensor, jpeg, photograph
from tests.seiqa_features.random_networks import TINY_VIT, resources_for

VIEWS = ["full", "max96", "s64", "min64", "c64", "pad96", "s64_bilinear"]


@pytest.fixture(scope="module")
def pair() -> tuple[Image.Image, Image.Image]:
    ref = photograph("astronaut").crop((0, 0, 150, 120))
    return ref, jpeg(ref, 10)


def both(
    features: Mapping[str, list[str]], pair: tuple[Image.Image, Image.Image], runtime: Runtime
) -> tuple[dict[str, torch.Tensor], dict[str, np.ndarray], torch.Tensor]:
    """The features with a gradient, those of a table, and the degraded picture."""
    recipe, _ = runtime.bind(Recipe.parse(features))
    table, failures = compute_table({"0": tuple(map(held, pair))}, recipe, runtime)
    assert not failures
    dist = as_tensor(pair[1]).requires_grad_()
    found = features_of(
        dist, as_tensor(pair[0]), recipe=recipe, columns=set(table.columns), runtime=runtime
    )
    return found, {name: np.asarray(table[name].iloc[0]) for name in table}, dist


@pytest.mark.parametrize("view", VIEWS)
def test_they_are_a_tables(
    view: str, pair: tuple[Image.Image, Image.Image], tmp_path: Path
) -> None:
    runtime = Runtime(WeightFiles(tmp_path))
    found, table, dist = both({"gms": [view], "ssim": [view]}, pair, runtime)
    assert found.keys() == table.keys()
    assert sum(value.requires_grad for value in found.values()) > 15
    for name, value in found.items():
        np.testing.assert_allclose(value[0].detach(), table[name], rtol=1e-5, atol=1e-7)
        if value.isnan().all():  # too small for the scale
            continue
        [slope] = torch.autograd.grad(value.sum(), dist, retain_graph=True)
        assert slope.isfinite().all()
        assert slope.abs().max() > 0


def test_pictures_of_several_sizes_are_seen_at_the_size_of_the_reference(tmp_path: Path) -> None:
    ref = photograph("coffee").crop((0, 0, 160, 120))
    small = jpeg(ref.resize((100, 75)), 40)
    found, table, _ = both({"mdsi": ["full"]}, (ref, small), Runtime(WeightFiles(tmp_path)))
    assert found["mdsi__full__value"].item() == pytest.approx(
        float(table["mdsi__full__value"]), rel=1e-5
    )


def test_embeddings_are_paired_as_in_a_table(
    pair: tuple[Image.Image, Image.Image], tmp_path: Path
) -> None:
    runtime = Runtime(WeightFiles(tmp_path, dict(resources_for(TINY_VIT, tmp_path).weights)))
    recipe, _ = runtime.bind(Recipe.parse({TINY_VIT: ["s64"]}))
    kinds = [f"cls_{kind}" for kind in ("absdiff", "product", "cosine", "l2", "l1")]
    columns = {f"{TINY_VIT}__s64__{kind}" for kind in kinds}
    assert without_gradient(recipe, columns) == []
    table, _ = compute_table({"0": tuple(map(held, pair))}, recipe, runtime)
    dist = as_tensor(pair[1]).requires_grad_()
    found = features_of(dist, as_tensor(pair[0]), recipe=recipe, columns=columns, runtime=runtime)
    assert found.keys() == columns
    for name, value in found.items():
        expected = np.asarray(table[name].iloc[0])
        np.testing.assert_allclose(value[0].detach(), expected, rtol=1e-4, atol=1e-5)
        assert value.requires_grad


def test_the_gradient_through_a_view_is_that_of_an_unrounded_one(
    pair: tuple[Image.Image, Image.Image], tmp_path: Path
) -> None:
    """Pillow resizes 8-bit pictures, so the slope is measured over a change of many levels."""
    runtime = Runtime(WeightFiles(tmp_path))
    recipe, _ = runtime.bind(Recipe.parse({"psnr": ["max96"]}))
    ref, dist = map(as_tensor, pair)
    dist = (0.2 + 0.6 * dist).requires_grad_()
    options = {"recipe": recipe, "columns": {"psnr__max96__value"}, "runtime": runtime}
    [value] = features_of(dist, ref, **options).values()
    [slope] = torch.autograd.grad(value.sum(), dist)
    along = slope / slope.abs().max()
    step = 8 / 255
    up, down = (
        features_of(dist.detach() + sign * step * along, ref, **options)["psnr__max96__value"]
        for sign in (1, -1)
    )
    assert ((up - down) / (2 * step)).item() == pytest.approx(
        (slope * along).sum().item(), rel=0.05
    )


def test_what_has_no_gradient_is_named_if_it_is_read() -> None:
    recipe = Recipe.parse(
        {
            "gms": ["max96", "tiles512", "max96_aligned"],
            "colour": ["max96"],
            "psnr": ["s64_lanczos"],
        }
    )
    columns = {
        *("gms__max96__gmsd", "gms__tiles512__gmsd_mean", "gms__max96_aligned__gmsd"),
        *(f"colour__max96__{name}" for name in ("delta_e", "lightness_shift", "hue_shift")),
        "psnr__s64_lanczos__value",
    }
    assert without_gradient(recipe, columns) == [
        "view tiles512",
        "view max96_aligned",
        "colour (delta_e, lightness_shift and 1 more)",
        "view s64_lanczos",
    ]
    assert without_gradient(recipe, {"gms__max96__gmsd"}) == []


def test_small_views_are_undefined_and_bad_pictures_refused(tmp_path: Path) -> None:
    runtime = Runtime(WeightFiles(tmp_path))
    recipe, _ = runtime.bind(Recipe.parse({"cw_ssim": ["full"]}))
    options = {"recipe": recipe, "columns": {"cw_ssim__full__value"}, "runtime": runtime}
    ref = torch.rand(1, 3, 20, 20, generator=torch.Generator().manual_seed(0))
    [value] = features_of(0.5 * ref, ref, **options).values()
    assert value.isnan().all()
    with pytest.raises(DataError, match=r"dist: float values .* expected 0 to 1"):
        features_of(ref + 1, ref, **options)
