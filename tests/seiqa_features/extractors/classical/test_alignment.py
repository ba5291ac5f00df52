"""Alignment: what moved is found and put back, what changed is not explained away."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import skimage.data
import torch
from numpy.typing import NDArray
from PIL import Image, ImageFilter, ImageOps

from seiqa_features.extractors.classical.alignment import SMALLEST
from seiqa_features.extractors.registry import get_extractor
from seiqa_features.extractors.specs import Resources
from tests.seiqa_features.photographs import moved

Pixels = NDArray[np.uint8]
EXTRACT = get_extractor("aligned").build(Resources())


def features(ref: Pixels, dist: Pixels) -> dict[str, float]:
    one, other = (torch.from_numpy(p.copy()).permute(2, 0, 1)[None] / 255 for p in (ref, dist))
    values = EXTRACT(ref=one.float(), dist=other.float(), ref_index=torch.tensor([0]))
    return {name: value.item() for name, value in values.items()}


def cropped(pixels: Pixels, share: float) -> Pixels:
    height, width = pixels.shape[:2]
    box = (share * width, share * height, (1 - share) * width, (1 - share) * height)
    return np.asarray(
        Image.fromarray(pixels).resize((width, height), Image.Resampling.BICUBIC, box)
    )


@pytest.mark.parametrize(
    "harmless",
    [
        lambda p: moved(p, 0, 1),
        lambda p: moved(p, 2, 2),
        lambda p: cropped(p, 0.01),
        lambda p: cropped(p, 0.02),
        lambda p: np.asarray(Image.fromarray(p).rotate(2, Image.Resampling.BICUBIC)),
    ],
    ids=["1 pixel", "2 pixels", "2 % crop", "4 % crop", "2 degrees"],
)
def test_displacement_is_not_read_as_damage(
    cat: Pixels, harmless: Callable[[Pixels], Pixels]
) -> None:
    found = features(cat, harmless(cat))
    assert found["correlation"] > 0.98
    assert found["ssim"] > 0.9
    assert found["residual"] < 0.03


def squeezed(picture: Image.Image, size: tuple[int, int]) -> Pixels:
    return np.asarray(picture.resize(size, Image.Resampling.BICUBIC))


@pytest.mark.parametrize(
    ("move", "ssim"),
    [
        (lambda p: ImageOps.expand(p, 30, "white"), 0.99),
        (lambda p: p.transpose(Image.Transpose.ROTATE_90), 0.93),
    ],
    ids=["margin", "quarter turn"],
)
def test_what_resampling_took_is_no_damage(
    cat: Pixels, move: Callable[[Image.Image], Image.Image], ssim: float
) -> None:
    ref = Image.fromarray(cat)
    blurred = ref.filter(ImageFilter.GaussianBlur(2))
    found, damaged = (features(cat, squeezed(move(p), ref.size)) for p in (ref, blurred))
    assert found["ssim"] > ssim
    assert found["residual"] < 0.02
    assert damaged["ssim"] < found["ssim"] - 0.08
    assert damaged["residual"] > 2 * found["residual"]


def test_a_quarter_turn_is_told_by_the_map(cat: Pixels) -> None:
    turned = Image.fromarray(cat).transpose(Image.Transpose.ROTATE_90)
    found = features(cat, squeezed(turned, (cat.shape[1], cat.shape[0])))
    assert found["rotation"] == pytest.approx(90, abs=0.1)
    assert found["scale"] == pytest.approx(0, abs=0.01)
    assert found["shift"] < 0.001
    assert found["travel"] > 0.2


def test_turn_and_scale_are_features(cat: Pixels) -> None:
    turned = features(cat, np.asarray(Image.fromarray(cat).rotate(3, Image.Resampling.BICUBIC)))
    assert turned["rotation"] == pytest.approx(3, abs=0.3)
    assert turned["shift"] < 0.005
    grown = features(cat, cropped(cat, 0.02))
    assert grown["scale"] == pytest.approx(-np.log2(0.96), abs=0.01)
    assert grown["rotation"] < 0.3
    assert 0.9 < grown["overlap"] < 0.95


def test_a_swapped_part_stays_damage(cat: Pixels) -> None:
    swapped = cat.copy()
    swapped[60:180, 100:220] = cat[60:180, 240:360]
    found = features(cat, moved(swapped, 2, 2))
    assert found["shift"] > 0.004  # the shift is found all the same
    assert found["ssim"] < 0.9
    assert found["residual"] > 0.05


def test_a_changed_part_is_told_from_a_distortion_of_everything(cat: Pixels) -> None:
    noise = np.random.default_rng(0).normal(0, 20, cat.shape)
    noisy = np.clip(cat + noise, 0, 255).astype(np.uint8)
    edited = cat.copy()
    edited[100:112, 200:224] = 255 - edited[100:112, 200:224]
    everywhere, somewhere = features(cat, noisy), features(cat, edited)
    assert everywhere["residual"] > somewhere["residual"]
    assert everywhere["concentration"] < 0.7
    assert somewhere["concentration"] > 3
    rms = np.sqrt(np.mean(np.square(127.5 - cat[100:112, 200:224] @ [0.299, 0.587, 0.114]))) / 127.5
    assert somewhere["peak"] == pytest.approx(rms, rel=0.5)
    assert features(cat, moved(edited, 2, 2))["concentration"] > 3


def test_another_picture_is_not_aligned(cat: Pixels) -> None:
    other = np.asarray(Image.fromarray(skimage.data.astronaut()).resize((360, 240)))
    found = features(cat, other)
    assert found["ssim"] < 0.4
    assert found["residual"] > 0.2


@pytest.mark.parametrize("level", [0, 128, 255])
def test_flat_pictures_are_defined(cat: Pixels, level: int) -> None:
    flat = np.full_like(cat, level)
    for ref, dist in ((cat, flat), (flat, cat)):
        found = features(ref, dist)
        assert np.isfinite(list(found.values())).all()
        assert (found["shift"], found["correlation"]) == (0, 0)
    assert features(flat, flat)["correlation"] == 1


def test_the_identity_is_exact(cat: Pixels) -> None:
    found = features(cat, cat)
    assert (found["shift"], found["overlap"], found["gain"], found["residual"]) == (0, 1, 0, 0)
    assert (found["peak"], found["concentration"]) == (0, 0)
    assert found["correlation"] == pytest.approx(1, abs=1e-12)


def test_too_little_in_common_is_undefined(cat: Pixels) -> None:
    small = cat[: SMALLEST + 4, : SMALLEST + 4]
    found = features(small, moved(small, 12, 12))
    undefined = "ssim", "gmsd", "mdsi", "residual", "peak", "concentration"
    assert np.isnan([found[name] for name in undefined]).all()
    assert found["shift"] > 0.1
