"""Bends: smooth displacements are found and undone; damage is left as it is."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
import pytest
from PIL import Image, ImageFilter
from skimage import data

from seiqa_features.pictures.registration.bending import bend_between
from seiqa_features.pictures.registration.bends import (
    RASTER,
    Bend,
    bend_at,
    composed,
    raster,
    steepness,
    undoing,
)
from seiqa_features.pictures.registration.estimating import align
from seiqa_features.pictures.registration.maps import Alignment, places
from seiqa_features.pictures.registration.realigning import (
    both_resampled,
    is_trusted,
    realigned,
)
from seiqa_features.pictures.registration.warps import Warp, warp
from tests.seiqa_features.photographs import blur, jpeg, luma, noise, photograph

IDENTITY = np.eye(2, 3, dtype=np.float32)


def wave(height: float, length: float = 1.0) -> Bend:
    """A wave of this height and length in shares of the sides, in both directions."""
    x, y = raster()
    turn = 2 * np.pi / length
    return np.dstack([height * np.sin(turn * y), height * np.cos(turn * x)]).astype(np.float32)


def bent(picture: Image.Image, bend: Bend) -> Image.Image:
    """The picture as `bend` displaces its pixels: moved back by it, it is the picture again."""
    pixels = np.asarray(picture, np.float32) / 255
    moved = Warp(IDENTITY, pixels.shape, pixels.shape, bend).away(pixels, cv2.INTER_CUBIC)
    return Image.fromarray(np.rint(np.clip(moved, 0, 1) * 255).astype(np.uint8))


def from_another_angle(picture: Image.Image, share: float = 0.05) -> Image.Image:
    """A perspective view: two corners are farther away by this share of the width."""
    width, height = picture.size
    corners = [[0, 0], [width, 0], [width, height], [0, height]]
    seen = [
        [share * width, share * height / 2],
        [width, 0],
        [width - share * width / 2, height],
        [0, height - share * height],
    ]
    matrix = cv2.getPerspectiveTransform(np.float32(corners), np.float32(seen))
    turned = cv2.warpPerspective(
        np.asarray(picture),
        matrix,
        (width, height),
        flags=cv2.INTER_CUBIC,
        borderMode=cv2.BORDER_REFLECT,
    )
    return Image.fromarray(turned)


def difference(one: Image.Image, other: Image.Image) -> float:
    """Root mean square in 0..255."""
    return float(np.sqrt(np.square(np.subtract(one, other, dtype=np.float64)).mean()))


def test_a_bend_is_undone_by_its_inverse() -> None:
    bend = wave(0.03)
    inner = slice(4, -4), slice(4, -4)  # beyond the border, a bend is only continued
    assert np.abs(composed(undoing(bend), bend)[inner]).max() < 1e-4
    assert np.abs(composed(bend, undoing(bend))[inner]).max() < 1e-4


def test_a_bend_is_interpolated_between_its_places_and_continued_beyond_them() -> None:
    bend = wave(0.03)
    x, y = raster()
    np.testing.assert_array_equal(bend_at(bend, x, y), bend)
    half = bend_at(bend, np.array([[0.5]]), np.array([[0.25]]))[0, 0]
    np.testing.assert_allclose(half, [0.03, -0.03], atol=1e-3)
    beyond = bend_at(bend, np.array([[-0.5]]), np.array([[0.25]]))[0, 0]
    np.testing.assert_allclose(beyond[0], 0.03, atol=1e-3)


def test_steepness_is_the_largest_slope() -> None:
    assert steepness(wave(0.03)) == pytest.approx(2 * np.pi * 0.03, rel=0.01)
    assert steepness(np.ones((RASTER, RASTER, 2), np.float32)) == 0


def test_no_bend_is_the_map_alone() -> None:
    matrix = np.array([[1.02, 0.01, 3], [-0.02, 0.98, -2]], np.float32)
    nothing = np.zeros((RASTER, RASTER, 2), np.float32)
    np.testing.assert_array_equal(
        places(matrix, (30, 40), nothing), np.stack(places(matrix, (30, 40)))
    )
    ours = luma(photograph("coffee"))
    np.testing.assert_allclose(warp(ours, matrix, None, nothing), warp(ours, matrix), atol=0.02)


def test_travel_counts_the_bend() -> None:
    bend = np.zeros((RASTER, RASTER, 2), np.float32)
    bend[..., 0] = 3 / 40  # three pixels to the right everywhere
    found = Alignment(np.array([[1, 0, 0], [0, 1, 4]], np.float32), 0.5, 1.0, None, bend)
    movement = found.movement((30, 40))
    assert movement["travel"] == pytest.approx(5 / 50)
    assert movement["overlap"] == pytest.approx(26 / 30 * 37 / 40, abs=0.02)


@pytest.mark.parametrize("name", ["astronaut", "chelsea", "coffee"])
@pytest.mark.parametrize(
    "change",
    [
        from_another_angle,
        lambda picture: from_another_angle(picture, 0.12),
        lambda picture: bent(picture, wave(0.006)),
        lambda picture: bent(picture, wave(0.02)),
        lambda picture: bent(picture, wave(0.02)).crop((8, 6, picture.width - 9, picture.height)),
    ],
    ids=["angle", "wide angle", "small wave", "wave", "wave and crop"],
)
def test_a_bent_picture_is_moved_back(
    name: str, change: Callable[[Image.Image], Image.Image]
) -> None:
    ref = photograph(name)
    dist = change(ref)
    squeezed = dist.resize(ref.size)
    found = align(luma(ref), luma(squeezed))
    assert found.bend is not None
    assert is_trusted(found, ref.size[::-1])
    assert found.after > 0.98
    back = realigned(ref, dist, 2048)
    assert back.size == ref.size
    assert difference(ref, back) < 0.3 * difference(ref, squeezed)


def test_the_bend_that_is_found_is_the_one_that_was_applied() -> None:
    ref = photograph("coffee")
    found = align(luma(ref), luma(bent(ref, wave(0.02))))
    assert found.bend is not None
    width, height = ref.size
    x, y = places(found.matrix, (height, width), found.bend)
    across, down = places(IDENTITY, (height, width), wave(0.02))
    inner = slice(height // 10, -height // 10), slice(width // 10, -width // 10)
    off = np.hypot(x - across, y - down)[inner]
    assert np.median(off) < 0.5  # pixels, of up to 12
    expected = np.sqrt(np.mean((0.02 * width) ** 2 / 2 + (0.02 * height) ** 2 / 2))
    travel = found.movement((height, width))["travel"] * np.hypot(width, height)
    assert travel == pytest.approx(expected, rel=0.1)


def covered(picture: Image.Image) -> Image.Image:
    width, height = picture.size
    result = picture.copy()
    result.paste((120, 110, 100), (width // 3, height // 3, width // 2, height // 2))
    return result


def shuffled(picture: Image.Image) -> Image.Image:
    pixels = np.asarray(picture)
    rows = np.array_split(pixels, 6)
    return Image.fromarray(np.concatenate([rows[i] for i in (3, 0, 5, 1, 4, 2)]))


def another(picture: Image.Image) -> Image.Image:
    return Image.fromarray(data.rocket()).resize(picture.size)


@pytest.mark.parametrize("name", ["astronaut", "chelsea", "coffee"])
@pytest.mark.parametrize(
    "damage",
    [
        lambda picture: blur(picture, 4),
        lambda picture: jpeg(picture, 5),
        lambda picture: noise(picture, 40),
        lambda picture: picture.filter(ImageFilter.MedianFilter(9)),
        lambda picture: picture.resize((24, 24)).resize(picture.size),
        covered,
        shuffled,
        another,
    ],
    ids=["blur", "jpeg", "noise", "median", "tiny", "covered", "shuffled", "another"],
)
def test_damage_is_no_bend(name: str, damage: Callable[[Image.Image], Image.Image]) -> None:
    ref = photograph(name)
    assert align(luma(ref), luma(damage(ref))).bend is None


def test_damage_that_came_with_a_bend_stays() -> None:
    ref = photograph("coffee")
    back = realigned(ref, from_another_angle(covered(ref)), 2048)
    width, height = ref.size
    rows, columns = (slice(side // 3 + 5, side // 2 - 5) for side in (height, width))
    inside = np.asarray(back)[rows, columns]
    assert np.abs(inside - np.array([120.0, 110, 100])).mean() < 8


def test_what_resampling_takes_is_taken_from_the_reference_too() -> None:
    ref = photograph("chelsea")
    pixels, dist = np.asarray(ref), np.asarray(from_another_angle(ref))
    found = align(luma(ref), luma(Image.fromarray(dist)))
    ours, theirs = map(Image.fromarray, both_resampled(pixels, dist, found))
    assert difference(ours, theirs) < difference(ref, theirs)


@pytest.mark.parametrize("threads", [1, 2, 5])
def test_threads_do_not_change_a_bend(threads: int) -> None:
    ref = photograph("coffee")
    one, other = luma(ref), luma(from_another_angle(ref))
    before = cv2.getNumThreads()
    try:
        cv2.setNumThreads(1)
        alone = align(one, other)
        cv2.setNumThreads(threads)
        together = align(one, other)
    finally:
        cv2.setNumThreads(before)
    assert alone.bend is not None
    assert together.bend is not None
    np.testing.assert_array_equal(alone.bend, together.bend)


def test_pictures_that_are_alike_or_flat_have_no_bend() -> None:
    ours = luma(photograph("coffee"))
    assert bend_between(ours, ours, IDENTITY, 1.0) is None
    flat = np.full_like(ours, 0.5)
    assert bend_between(ours, flat, IDENTITY, 0.0) is None
    assert bend_between(flat, ours, IDENTITY, 0.0) is None
    assert bend_between(flat[:3, :2], ours[:3, :2], IDENTITY, 0.0) is None


def test_behind_a_window_no_bend_is_sought() -> None:
    ref = photograph("coffee")
    framed = [Image.new("RGB", ref.size, (128, 128, 128)) for _ in range(2)]
    inner = ref.width // 8, ref.height // 8, ref.width * 7 // 8, ref.height * 7 // 8
    for frame, picture in zip(framed, (ref, bent(ref, wave(0.02))), strict=True):
        frame.paste(picture.crop(inner), inner[:2])
    found = align(*map(luma, framed))
    assert found.window is not None
    assert found.bend is None
