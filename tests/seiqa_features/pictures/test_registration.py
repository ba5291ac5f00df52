"""Registration: the map that was applied is found, and what both pictures show is told."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from seiqa_features.pictures import registration
from seiqa_features.pictures.registration import align, filled_box, inside_of, realigned, warp
from tests.seiqa_features.photographs import blur, jpeg, moved, noise, photograph

Pixels = NDArray[np.uint8]


@pytest.mark.parametrize(("y", "x"), [(0.0, 1.0), (2.0, -2.0), (0.5, 0.25), (-7.0, 11.0)])
def test_a_shift_is_found_to_a_fraction_of_a_pixel(cat: Pixels, y: float, x: float) -> None:
    one, other = (p.mean(axis=2, dtype=np.float32) / 255 for p in (cat, moved(cat, y, x)))
    found = align(one, other).matrix
    centre = np.array([cat.shape[1], cat.shape[0]]) / 2
    travel = found[:, :2] @ centre + found[:, 2] - centre
    np.testing.assert_allclose(travel, [x, y], atol=0.15)
    assert np.abs(found[:, :2] - np.eye(2)).max() < 0.005


def test_a_map_is_undone(cat: Pixels) -> None:
    one, other = (p.mean(axis=2, dtype=np.float32) / 255 for p in (cat, moved(cat, 3, 5)))
    back = warp(other, np.array([[1, 0, 5], [0, 1, 3]], dtype=np.float32))
    top, bottom, left, right = filled_box(inside_of(np.array([[1, 0, 5], [0, 1, 3]]), *one.shape))
    assert (top, bottom, left, right) == (0, one.shape[0] - 3, 0, one.shape[1] - 5)
    both = slice(top, bottom), slice(left, right)
    np.testing.assert_allclose(back[both], one[both], atol=0.02)


def test_nothing_in_common_has_an_empty_box() -> None:
    top, bottom, left, right = filled_box(np.zeros((5, 7), dtype=bool))
    assert (bottom - top) * (right - left) == 0


def test_no_input_is_changed(cat: Pixels) -> None:
    one, other = (p.mean(axis=2, dtype=np.float32) / 255 for p in (cat, moved(cat, 2, 3)))
    before = one.copy(), other.copy()
    align(one, other)  # OpenCV 5 applies a window in place to pictures of some sizes
    assert np.array_equal(one, before[0])
    assert np.array_equal(other, before[1])


@pytest.mark.parametrize("size", [(256, 256), (288, 192)])
def test_a_flat_picture_stays_where_it_is(size: tuple[int, int]) -> None:
    ref = photograph("astronaut").resize(size)
    flat = Image.new("RGB", size, (116, 116, 116))
    grey = [np.asarray(picture.convert("L"), np.float32) / 255 for picture in (ref, flat)]
    assert np.array_equal(align(*grey).matrix, np.eye(2, 3))
    assert realigned(ref, flat) is flat


@pytest.mark.parametrize(("y", "x"), [(0, 1), (2, -2), (-7, 5)])
def test_a_shift_by_whole_pixels_is_undone_exactly(y: int, x: int) -> None:
    ref = photograph("astronaut")
    shifted = Image.fromarray(np.roll(np.asarray(ref), (y, x), axis=(0, 1)))
    assert np.array_equal(realigned(ref, shifted), ref)


def test_the_nearest_whole_shift_is_found_from_an_estimate_that_is_off() -> None:
    ref = np.asarray(photograph("astronaut").convert("L"), np.float32) / 255
    shifted = np.roll(ref, (2, -1), axis=(0, 1))
    estimate = np.array([[1, 0, -1.7], [0, 1, 1.3]], np.float32)
    assert registration._whole_shift(ref, shifted, estimate) == (-1, 2)


def test_a_crop_and_a_turn_are_undone() -> None:
    ref = photograph("chelsea")
    width, height = ref.size
    cropped = ref.crop((3, 2, width - 3, height - 2))
    turned = ref.rotate(1.5, Image.Resampling.BICUBIC, fillcolor=(128, 128, 128))
    for dist in (cropped, turned):
        assert realigned(ref, dist).size == ref.size
        away = np.asarray(dist.resize(ref.size, Image.Resampling.BICUBIC), float) - np.asarray(ref)
        back = np.asarray(realigned(ref, dist), float) - np.asarray(ref)
        assert np.square(back).mean() < 0.15 * np.square(away).mean()


def test_damage_that_came_with_a_shift_stays() -> None:
    ref = photograph("astronaut")
    damaged = jpeg(ref, 10)
    shifted = Image.fromarray(np.roll(np.asarray(damaged), 2, axis=1))
    back = np.asarray(realigned(ref, shifted), float)
    assert np.array_equal(back[:, :-2], np.asarray(damaged)[:, :-2])
    assert np.array_equal(back[:, -2:], np.asarray(ref)[:, -2:])


@pytest.mark.parametrize(
    "damage",
    [
        lambda ref: blur(ref, 4),
        lambda ref: noise(ref, 40),
        lambda ref: jpeg(ref, 10),
        lambda ref: photograph("coffee").resize(ref.size),
        lambda ref: ref.transpose(Image.Transpose.FLIP_LEFT_RIGHT),
        lambda ref: Image.fromarray(np.roll(np.asarray(ref), ref.width // 2, axis=1)),
    ],
)
def test_what_was_not_moved_is_returned_as_it_is(damage) -> None:
    ref = photograph("chelsea")
    dist = damage(ref)
    assert realigned(ref, dist) is dist
