"""Heat maps: MDSI's own map, lit where something changed and dark elsewhere."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import piq
import pytest
import torch
from matplotlib import colormaps
from numpy.typing import NDArray
from PIL import Image, ImageFilter
from skimage import data

from seiqa_features.errors import UsageError, WeightsError
from seiqa_features.extraction.heatmap import (
    difference_map,
    mdsi_similarity,
    overlay,
    patch_cosine_map,
)
from seiqa_features.extraction.runtime import Runtime
from seiqa_features.extractors.registry import get_extractor
from seiqa_features.weights.files import WeightFiles
from tests.busy_process import process_uses
from tests.seiqa_features.random_networks import TINY_VIT, resources_for

REAL = "timm:vit_tiny_patch16_224"

Floats = NDArray[np.float32]
Texture = Callable[..., NDArray[np.uint8]]


@pytest.fixture
def picture(texture: Texture) -> Callable[..., Floats]:
    """`picture(seed, height=96, width=128)` is RGB in 0..1."""
    return lambda seed, height=96, width=128: texture(seed, height, width).astype(np.float32) / 255


def to_tensor(picture: Floats) -> torch.Tensor:
    return torch.from_numpy(picture).permute(2, 0, 1)[None].double()


@pytest.mark.parametrize("size", [(96, 128), (384, 512)])
def test_the_map_is_the_one_inside_mdsi(
    picture: Callable[..., Floats], size: tuple[int, int]
) -> None:
    """Pooled as the paper does it gives piq's MDSI, which other tests hold to the authors' values.

    The frame is black, so that continuing the border is the same as padding with black.
    """
    ref, dist = picture(1, *size), 0.6 * picture(1, *size) + 0.4 * picture(2, *size)
    for one in (ref, dist):
        one[:4] = one[-4:] = one[:, :4] = one[:, -4:] = 0
    tensors = {"ref": to_tensor(ref), "dist": to_tensor(dist)}
    similarity = mdsi_similarity(**tensors)[0, 0].numpy()
    powered = similarity.astype(complex) ** 0.25
    ours = np.abs(powered - powered.mean()).mean() ** 0.25
    assert ours == pytest.approx(piq.mdsi(tensors["dist"], tensors["ref"]).item(), rel=1e-6)
    assert similarity.shape == (96, 128) if size == (96, 128) else (192, 256)


def test_same_pictures_give_zero(picture: Callable[..., Floats]) -> None:
    same = difference_map(ref=picture(1), dist=picture(1))
    assert same.dtype == np.float32
    assert same.shape == (6, 8)
    assert same.max() < 1e-6


def test_only_the_changed_region_lights_up(picture: Callable[..., Floats]) -> None:
    ref, dist = picture(1), picture(1)
    dist[32:64, 48:96] = picture(2)[32:64, 48:96]
    found = difference_map(ref=ref, dist=dist)
    changed = np.zeros((6, 8), bool)
    changed[2:4, 3:6] = True
    assert found[changed].min() > 0.1
    assert found[~changed].max() < 0.06  # the gradient reaches one pixel over the region's edge
    assert found.max() <= 1


def test_more_blur_loses_more(picture: Callable[..., Floats]) -> None:
    ref = picture(3)
    blurred = [
        np.asarray(
            Image.fromarray((255 * ref).astype(np.uint8)).filter(ImageFilter.GaussianBlur(radius))
        )
        for radius in (1, 2, 4)
    ]
    lost = [difference_map(ref=ref, dist=b.astype(np.float32) / 255).mean() for b in blurred]
    assert 0 < lost[0] < lost[1] < lost[2]


def test_colour_alone_is_seen(picture: Callable[..., Floats]) -> None:
    ref = picture(1)
    grey = np.repeat(ref @ np.float32([0.299, 0.587, 0.114]), 3).reshape(ref.shape)
    found = difference_map(ref=ref, dist=np.clip(grey, 0, 1))
    assert found.mean() > 0.02


def test_brightness_alone_draws_no_frame(picture: Callable[..., Floats]) -> None:
    ref = 0.5 * picture(1) + 0.02
    found = difference_map(ref=ref, dist=ref + np.float32(0.2))
    assert found.max() < 0.02
    assert found.max() < 2 * found[1:-1, 1:-1].mean()


def test_another_size_is_brought_to_the_references(picture: Callable[..., Floats]) -> None:
    ref = picture(1, 384, 768)
    pixels = Image.fromarray(np.round(255 * ref).astype(np.uint8))
    half = np.asarray(pixels.resize((384, 192), Image.Resampling.BICUBIC), np.float32) / 255
    found = difference_map(ref=ref, dist=half)
    assert found.shape == (16, 32)
    assert 0 < found.mean() < difference_map(ref=ref, dist=picture(2, 192, 384)).mean() / 3


def test_smallest_pictures_have_one_cell(picture: Callable[..., Floats]) -> None:
    assert difference_map(ref=picture(1, 6, 8), dist=picture(2, 6, 8)).shape == (1, 1)


def test_tokens_of_a_replaced_region_differ_most(
    picture: Callable[..., Floats], tmp_path: Path
) -> None:
    resources = resources_for(TINY_VIT, tmp_path)
    runtime = Runtime(WeightFiles(tmp_path / "weight_files", resources.weights))
    ref, dist = picture(1, 224, 224), picture(1, 224, 224)
    dist[64:128, 32:96] = picture(2, 224, 224)[64:128, 32:96]
    same = patch_cosine_map(ref=ref, dist=ref, runtime=runtime, model=TINY_VIT)
    found = patch_cosine_map(ref=ref, dist=dist, runtime=runtime, model=TINY_VIT)
    assert found.dtype == np.float32
    assert found.shape == same.shape == (14, 14)
    assert not same.any()
    changed = np.zeros((14, 14), bool)
    changed[4:8, 2:6] = True
    assert found[changed].mean() > 1.8 * found[~changed].mean()
    assert (found >= 0).all()


def test_trained_tokens_light_up_exactly_where_a_region_was_replaced(
    shared: Path, tmp_path: Path
) -> None:
    weight = get_extractor(REAL).spec.weights[0].name
    file = shared / "weights" / "vit_tiny_patch16_224.fp16.safetensors"
    runtime = Runtime(WeightFiles(tmp_path, {weight: file}))
    folder = shared / "data" / "tid2013_kodak" / "reference"
    ref, other = (
        np.asarray(Image.open(folder / name).convert("RGB").resize((448, 448)), np.float32) / 255
        for name in ("I04.png", "I10.png")
    )
    dist = ref.copy()
    dist[96:192, 128:256] = other[96:192, 128:256]  # cells of 32 pixels
    found = patch_cosine_map(ref=ref, dist=dist, runtime=runtime, model=REAL)
    changed = np.zeros((14, 14), bool)
    changed[3:6, 4:8] = True
    assert np.array_equal(found > 0.25, changed)
    assert found[changed].mean() > 20 * found[~changed].mean()


def test_lite0_shows_where_a_region_was_replaced_without_a_download(tmp_path: Path) -> None:
    ref, other = (
        np.asarray(Image.fromarray(array).resize((448, 448)), np.float32) / 255
        for array in (data.astronaut(), data.coffee())
    )
    dist = ref.copy()
    dist[128:320, 128:320] = other[128:320, 128:320]  # cells of 64 pixels
    runtime = Runtime(WeightFiles(tmp_path))
    assert not patch_cosine_map(ref=ref, dist=ref, runtime=runtime, model="lite0").any()
    found = patch_cosine_map(ref=ref, dist=dist, runtime=runtime, model="lite0")
    assert found.shape == (7, 7)
    assert (found >= 0).all()
    assert found[2:5, 2:5].mean() > 0.5
    border = np.ones((7, 7), bool)
    border[1:-1, 1:-1] = False
    assert found[border].mean() < 0.2


def test_missing_weights_and_networks_without_tokens_are_refused(
    picture: Callable[..., Floats], tmp_path: Path
) -> None:
    runtime = Runtime(WeightFiles(tmp_path))
    with pytest.raises(WeightsError, match=r"weights timm/vit_small\S+ are missing"):
        patch_cosine_map(ref=picture(1), dist=picture(2), runtime=runtime)
    with pytest.raises(UsageError, match="extractor gms has no map; take lite0"):
        patch_cosine_map(ref=picture(1), dist=picture(2), runtime=runtime, model="gms")


def test_overlay_is_the_grey_picture_under_a_colour_that_rises_with_the_map() -> None:
    image = np.full((32, 48, 3), 0.5, np.float32)
    steps = [overlay(image, np.full((2, 3), d, np.float32)) for d in (0.0, 0.1, 0.5, 1.0, 1.7)]
    assert all(step.shape == (32, 48, 3) and step.dtype == np.uint8 for step in steps)
    inferno = np.array(colormaps["inferno"](0.1**0.5)[:3])
    assert np.abs(steps[1] / 255 - (0.7 * inferno + 0.3 * 128 / 255)).max() < 0.01
    lightness = [step.mean() for step in steps]
    assert lightness[0] < lightness[1] < lightness[2] < lightness[3] == lightness[4]


def test_overlay_is_smooth_and_in_place() -> None:
    image = np.zeros((64, 64, 3), np.float32)
    difference = np.zeros((4, 4), np.float32)
    difference[0, 3] = 1
    shown = overlay(image, difference).astype(int).sum(axis=2)
    assert shown[2, 61] == shown.max() > 2 * shown[32:, :32].max()
    assert np.abs(np.diff(shown, axis=0)).max() < shown.max() / 6  # no edge between the cells


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (np.zeros((20, 20), np.float32), r"picture is \(20, 20\); expected RGB"),
        (np.zeros((20, 20, 4), np.float32), r"\(20, 20, 4\); expected RGB"),
        (np.full((20, 20, 3), 255, np.float32), "from 255 to 255; expected 0 to 1"),
        (np.full((20, 20, 3), np.nan, np.float32), "from nan to nan; expected 0 to 1"),
    ],
)
def test_what_is_no_picture_is_refused(wrong: Floats, message: str) -> None:
    right = np.zeros((20, 20, 3), np.float32)
    with pytest.raises(ValueError, match=message):
        difference_map(ref=right, dist=wrong)
    with pytest.raises(ValueError, match=message):
        overlay(wrong, np.zeros((2, 2), np.float32))


def test_what_is_no_map_is_refused() -> None:
    right = np.zeros((20, 20, 3), np.float32)
    for wrong in (np.zeros((2, 2, 1)), np.zeros((0, 2)), np.full((2, 2), np.nan)):
        with pytest.raises(ValueError, match="expected finite numbers"):
            overlay(right, wrong.astype(np.float32))


def test_maps_do_not_depend_on_the_processs_threads(
    picture: Callable[..., Floats], tmp_path: Path
) -> None:
    ref, dist = picture(1, 160, 224), picture(2, 160, 224)
    runtime = Runtime(WeightFiles(tmp_path, resources_for(TINY_VIT, tmp_path).weights))
    maps = []
    for threads in (1, 3):
        with process_uses(threads):
            maps.append(
                (
                    difference_map(ref=ref, dist=dist),
                    patch_cosine_map(ref=ref, dist=dist, runtime=runtime, model=TINY_VIT),
                )
            )
    assert all(np.array_equal(one, other) for one, other in zip(*maps, strict=True))
