"""Registration: the map that was applied is found, and what both pictures show is told."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont, ImageOps

from seiqa_features.pictures.registration import realigning
from seiqa_features.pictures.registration.estimating import align
from seiqa_features.pictures.registration.frames import frame_of
from seiqa_features.pictures.registration.keypoints import from_keypoints
from seiqa_features.pictures.registration.maps import (
    Alignment,
    filled_box,
    inside_of,
    quarter_turns,
    rescaled,
)
from seiqa_features.pictures.registration.warps import warp
from seiqa_features.pictures.registration.whole_shifts import shifted_by_pixels, whole_shift
from tests.seiqa_features.photographs import blur, jpeg, luma, moved, noise, photograph

Pixels = NDArray[np.uint8]
realigned = partial(realigning.realigned, longest=2048)


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
    top, bottom, left, right = filled_box(inside_of(np.array([[1, 0, 5], [0, 1, 3]]), one.shape))
    assert (top, bottom, left, right) == (0, one.shape[0] - 3, 0, one.shape[1] - 5)
    both = slice(top, bottom), slice(left, right)
    np.testing.assert_allclose(back[both], one[both], atol=0.02)


@pytest.mark.parametrize(
    ("matrix", "travel"),
    [
        ([[1, 0, 3], [0, 1, -4]], 5.0),
        ([[0, -1, 29], [1, 0, 0]], None),  # a quarter turn about the centre
        ([[1.1, 0, 0], [0, 1.1, 0]], None),
    ],
)
def test_travel_is_the_mean_square_way_of_the_pixels(
    matrix: list[list[float]], travel: float | None
) -> None:
    found = Alignment(np.array(matrix, np.float32), 0.5, 1.0)
    ways = [
        np.hypot(*(np.array(matrix) @ [x, y, 1] - [x, y])) for x in range(40) for y in range(30)
    ]
    expected = np.sqrt(np.mean(np.square(ways)))
    assert found.movement((30, 40))["travel"] == pytest.approx(expected / 50, rel=1e-5)
    assert travel is None or expected == pytest.approx(travel)
    window = np.zeros((30, 40), bool)
    window[10, 7] = True
    one = np.hypot(*(np.array(matrix) @ [7, 10, 1] - [7, 10]))
    found = replace(found, window=window)
    assert found.movement((30, 40))["travel"] == pytest.approx(one / 50, rel=1e-5)


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
    grey = [luma(picture) for picture in (ref, flat)]
    assert np.array_equal(align(*grey).matrix, np.eye(2, 3))
    assert realigned(ref, flat) is flat


@pytest.mark.parametrize(("y", "x"), [(0, 1), (2, -2), (-7, 5)])
def test_a_shift_by_whole_pixels_is_undone_exactly(y: int, x: int) -> None:
    ref = photograph("astronaut")
    shifted = Image.fromarray(np.roll(np.asarray(ref), (y, x), axis=(0, 1)))
    assert np.array_equal(realigned(ref, shifted), ref)


def test_whole_shifts_of_pictures_of_two_sizes() -> None:
    ref = luma(photograph("astronaut"))
    wider = np.pad(ref, ((3, 5), (7, 0)))
    assert whole_shift(ref, wider, np.array([[1, 0, 6], [0, 1, 4]], np.float32)) == (7, 3)
    assert whole_shift(wider, ref, np.array([[1, 0, -6], [0, 1, -4]], np.float32)) == (-7, -3)


def test_the_nearest_whole_shift_is_found_from_an_estimate_that_is_off() -> None:
    ref = luma(photograph("astronaut"))
    shifted = np.roll(ref, (2, -1), axis=(0, 1))
    estimate = np.array([[1, 0, -1.7], [0, 1, 1.3]], np.float32)
    assert whole_shift(ref, shifted, estimate) == (-1, 2)
    assert whole_shift(ref, shifted, np.eye(2, 3, dtype=np.float32)) == (-1, 2)


def page() -> Image.Image:
    """Small print, which is only grey at the size at which the map is estimated."""
    picture = Image.new("RGB", (900, 640), "white")
    draw = ImageDraw.Draw(picture)
    for number in range(30):
        line = f"{number}. A quick brown fox jumps over lazy dogs for {number * 7.31:.2f} euros. "
        draw.text((20, 10 + 21 * number), 2 * line, "black", ImageFont.load_default(15))
    return picture


@pytest.mark.parametrize(("y", "x"), [(0, 1), (1, 0), (1, 1), (0, -2)])
def test_print_that_moved_by_a_pixel_is_moved_back_exactly(y: int, x: int) -> None:
    ref = page()
    shifted = np.roll(np.asarray(ref), (y, x), axis=(0, 1))
    assert np.array_equal(realigned(ref, Image.fromarray(shifted)), ref)
    paler = realigned(ref, Image.fromarray(shifted // 2 + 100))  # moved and otherwise changed
    inner = slice(2, -2), slice(2, -2)
    np.testing.assert_array_equal(np.asarray(paler)[inner], np.asarray(ref)[inner] // 2 + 100)


@pytest.mark.parametrize(
    "damage",
    [
        lambda p: jpeg(p, 10),
        lambda p: blur(p, 1),
        lambda p: noise(p, 40),
        lambda p: Image.new("RGB", p.size, "white"),
        lambda p: p.transpose(Image.Transpose.FLIP_LEFT_RIGHT),
        lambda p: p.resize((p.width // 2, p.height // 2)).resize(p.size),
    ],
    ids=["JPEG", "blur", "noise", "white", "mirrored", "half size"],
)
def test_damaged_print_has_not_moved(damage: Callable[[Image.Image], Image.Image]) -> None:
    ref = page()
    one, other = (luma(p) for p in (ref, damage(ref)))
    assert shifted_by_pixels(one, other, np.eye(2, 3, dtype=np.float32)) is None


@pytest.mark.parametrize("size", [(1, 40), (40, 1), (2, 2)])
def test_a_shift_out_of_the_picture_is_none(size: tuple[int, int]) -> None:
    one = np.linspace(0, 1, size[0] * size[1], dtype=np.float32).reshape(size)
    far = np.array([[1, 0, 50], [0, 1, 50]], np.float32)
    assert shifted_by_pixels(one, one[::-1, ::-1].copy(), far) is None


@pytest.mark.parametrize("degrees", [1, 8])
def test_the_black_corners_of_a_turned_picture_do_not_mislead(degrees: float) -> None:
    ref = photograph("chelsea")
    turned = ref.rotate(degrees, Image.Resampling.BICUBIC)
    grey = [luma(picture) for picture in (ref, turned)]
    found = align(*grey).matrix
    middle = (np.array(ref.size) - 1) / 2
    assert np.abs(found @ [*middle, 1] - middle).max() < 0.3
    assert np.degrees(np.arctan2(found[0, 1], found[0, 0])) == pytest.approx(degrees, abs=0.05)


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


@pytest.mark.parametrize(("share", "undone"), [(0.07, True), (0.2, False)])
def test_a_crop_is_undone_if_most_is_left(share: float, undone: bool) -> None:
    ref = photograph("chelsea")
    width, height = ref.size
    box = (share * width, share * height, (1 - share) * width, (1 - share) * height)
    cropped = ref.resize(ref.size, Image.Resampling.BICUBIC, box)
    away, back = (
        np.square(np.asarray(picture, float) - np.asarray(ref)).mean()
        for picture in (cropped, realigned(ref, cropped))
    )
    assert (back < 0.1 * away) == undone


def framed(picture: Image.Image) -> Image.Image:
    return ImageOps.expand(picture, (picture.width // 8, picture.height // 8), "white")


@pytest.mark.parametrize("name", ["chelsea", "coffee"])
@pytest.mark.parametrize(
    ("moving", "left"),
    [
        (lambda p: p.transpose(Image.Transpose.ROTATE_180), 0.001),
        (ImageOps.mirror, 0.001),
        (ImageOps.flip, 0.001),
        (lambda p: p.rotate(30, Image.Resampling.BICUBIC), 0.03),
        (lambda p: p.transpose(Image.Transpose.ROTATE_90), 0.1),  # squeezed, too
        (framed, 0.03),
        (lambda p: framed(ImageOps.mirror(p)), 0.05),
        (lambda p: jpeg(ImageOps.mirror(p), 30), 0.05),
    ],
    ids=["180", "mirrored", "flipped", "30", "90", "framed", "framed mirror", "JPEG"],
)
def test_large_movements_are_undone(
    name: str, moving: Callable[[Image.Image], Image.Image], left: float
) -> None:
    ref = photograph(name)
    dist = moving(ref)
    away, back = (
        np.square(np.asarray(picture.resize(ref.size), float) - np.asarray(ref)).mean()
        for picture in (dist, realigned(ref, dist))
    )
    assert back < left * away


QUARTERS = [
    Image.Transpose.ROTATE_90,
    Image.Transpose.ROTATE_270,
    Image.Transpose.TRANSPOSE,
    Image.Transpose.TRANSVERSE,
]


@pytest.mark.parametrize("back", QUARTERS)
def test_a_quarter_turn_is_a_map_to_the_squeezed_picture(back: Image.Transpose) -> None:
    ref = np.zeros((30, 48), np.float32)
    ref[5:11, 8:20] = 1
    turned = Image.fromarray(ref).transpose(back).resize((48, 30), Image.Resampling.BILINEAR)
    errors = [
        np.abs(warp(np.asarray(turned), matrix) - ref).mean() for matrix in quarter_turns((30, 48))
    ]
    assert min(errors) < 0.03  # at the edges
    assert sum(error < 0.05 for error in errors) == 1


@pytest.mark.parametrize("picture", [photograph("chelsea"), page()], ids=["photograph", "page"])
@pytest.mark.parametrize("turn", QUARTERS)
def test_a_quarter_turn_of_a_picture_that_is_not_square_is_undone(
    picture: Image.Image, turn: Image.Transpose
) -> None:
    ref = picture.crop((0, 0, picture.width, picture.width // 2))
    back = np.asarray(realigned(ref, ref.transpose(turn)), float)
    assert np.abs(back - np.asarray(ref)).mean() < 0.5
    damaged = jpeg(ref, 10)
    back = np.asarray(realigned(ref, damaged.transpose(turn)), float)
    assert np.abs(back - np.asarray(damaged)).mean() < 2.5


def test_another_picture_has_not_turned_by_a_quarter() -> None:
    ref, other = photograph("chelsea"), photograph("coffee")
    turned = other.resize(ref.size).transpose(Image.Transpose.ROTATE_90)
    assert realigned(ref, turned) is turned


@pytest.mark.parametrize("picture", [photograph("coffee"), page()], ids=["photograph", "page"])
@pytest.mark.parametrize(
    "cutting",
    [
        framed,
        lambda p: p.crop((8, 6, p.width - 9, p.height - 7)),
        lambda p: ImageOps.expand(p, (0, p.height // 6), "black"),
    ],
    ids=["margin", "crop", "letterbox"],
)
def test_nothing_is_lost_by_another_frame(
    picture: Image.Image, cutting: Callable[[Image.Image], Image.Image]
) -> None:
    assert np.array_equal(realigned(picture, cutting(picture)), picture)


def test_large_pictures_are_reduced_before_they_are_moved_back() -> None:
    ref = photograph("chelsea").resize((1200, 800))
    cropped = ref.crop((30, 20, 1170, 780))
    small = realigning.realigned(ref, cropped, 600)
    assert small.size == (600, 400)
    expected = np.asarray(ref.resize((600, 400), Image.Resampling.BICUBIC), float)
    assert np.abs(np.asarray(small) - expected).mean() < 0.5
    noisy = noise(ref, 60)
    assert realigning.realigned(ref, noisy, 600) is noisy


def test_a_frame_has_the_scale_of_the_reference() -> None:
    half = np.array([[0.5, 0, 100], [0, 0.5, 75]], np.float32)  # shown in the middle half
    tiny = np.array([[0.1, 0, 180], [0, 0.1, 135]], np.float32)
    turn = quarter_turns((300, 400))[0]
    assert frame_of(half, (400, 300), (800, 600)) == (800, 600)
    assert frame_of(half, (400, 300), (4000, 3000)) == (800, 600)
    assert frame_of(half, (400, 300), (400, 300)) == (800, 600)
    assert frame_of(half, (400, 300), (807, 595)) == (807, 595)  # as good as its own size
    assert frame_of(tiny, (400, 300), (400, 300)) == (800, 600)  # and no larger
    assert frame_of(turn, (400, 300), (300, 400)) == (300, 400)
    assert frame_of(turn, (400, 300), (600, 800)) == (300, 400)


@pytest.mark.parametrize("name", ["astronaut", "coffee"])
def test_a_thumbnail_of_a_crop_is_as_blurred_as_that_of_the_picture(name: str) -> None:
    ref = photograph(name)
    there = np.asarray(ref, float)
    crop = ref.crop((6, 4, ref.width - 6, ref.height - 4))
    small, cut = (p.resize((p.width // 2, p.height // 2)) for p in (ref, crop))
    whole = np.square(np.asarray(small.resize(ref.size), float) - there).mean()
    back = np.square(np.asarray(realigned(ref, cut), float) - there).mean()
    assert 0.7 * whole < back < 1.3 * whole


def test_a_map_in_another_frame_is_the_same_map() -> None:
    matrix = np.array([[0.5, 0.1, 100], [-0.1, 0.5, 75]], np.float32)
    same, larger = np.ones(2), np.array([2.0, 3.0])
    there = rescaled(matrix, same, larger)
    place = matrix @ [10, 20, 1] + 0.5
    np.testing.assert_allclose(there @ [10, 20, 1] + 0.5, place * larger, rtol=1e-6)
    np.testing.assert_allclose(rescaled(there, same, 1 / larger), matrix, rtol=1e-5)


def test_a_map_is_refined_where_thin_lines_show() -> None:
    ref = Image.new("RGB", (960, 720), "white")
    draw = ImageDraw.Draw(ref)
    for place in range(30, 700, 45):
        draw.line((place, 20, 960 - place, 700), "black", 1)
        draw.line((20, place, 940, place), "gray", 1)
    cropped = ref.resize(ref.size, Image.Resampling.BICUBIC, (9, 7, 951, 713))
    one, other = (luma(p) for p in (ref, cropped))
    corners = np.array([[0, 0, 1], [959, 0, 1], [0, 719, 1], [959, 719, 1]]).T
    scales = np.array([960 / 942, 720 / 706])
    expected = (corners[:2] + 0.5 - [[9], [7]]) * scales[:, None] - 0.5
    assert np.abs(align(one, other).matrix @ corners - expected).max() < 0.1


def test_of_pictures_without_matching_keypoints_there_is_no_map() -> None:
    cat, cup = (luma(photograph(name).resize((288, 192))) for name in ("chelsea", "coffee"))
    ramp = np.broadcast_to(np.linspace(0, 1, 96, dtype=np.float32), (96, 96)).copy()
    side = np.linspace(0, 1, 3, dtype=np.float32).reshape(1, 3)
    for one, other in ((cat, cup), (cat, np.zeros_like(cat)), (ramp, ramp), (side, side)):
        assert from_keypoints(one, other) is None
    found = from_keypoints(cat, cat[:, ::-1].copy())
    assert found is not None
    mirror = [[-1, 0, cat.shape[1] - 1], [0, 1, 0]]
    np.testing.assert_allclose(found[:, :2], np.array(mirror)[:, :2], atol=0.01)
    np.testing.assert_allclose(found[:, 2], np.array(mirror)[:, 2], atol=1.5)


def chart() -> Image.Image:
    """A chart of few lines and words: most of it is white."""
    picture = Image.new("RGB", (640, 480), "white")
    draw = ImageDraw.Draw(picture)
    draw.rectangle((60, 40, 600, 420), outline="black")
    columns = np.arange(60, 600)
    for wave, colour in ((60.0, "blue"), (95.0, "orange")):
        rows = 230 + 150 * np.sin(columns / wave)
        draw.line(list(zip(columns.tolist(), rows.tolist(), strict=True)), colour, 3)
    font = ImageFont.load_default(16)
    for number in range(6):
        draw.text((60 + 108 * number, 428), f"{number * 0.4:.1f}", "black", font)
        draw.text((20, 410 - 76 * number), f"{number * 25}", "black", font)
    for place, said in (((120, 330), "start"), ((440, 320), "trough")):
        draw.text(place, said, "black", font)
    return picture


@pytest.mark.parametrize("picture", [chart(), page()], ids=["chart", "page"])
@pytest.mark.parametrize(
    ("moving", "corners"),
    [
        (lambda p: p.crop((80, 60, p.width - 80, p.height - 60)), None),
        (ImageOps.mirror, [(1, 0), (0, 1)]),
        (lambda p: jpeg(p.transpose(Image.Transpose.ROTATE_180), 20), [(1, 1), (0, 0)]),
    ],
    ids=["cropped by a quarter", "mirrored", "upside down"],
)
def test_charts_and_print_that_moved_far_are_aligned(
    picture: Image.Image,
    moving: Callable[[Image.Image], Image.Image],
    corners: list[tuple[int, int]] | None,
) -> None:
    size = np.array(picture.size)
    dist = moving(picture).resize(picture.size, Image.Resampling.BICUBIC)
    one, other = (luma(p) for p in (picture, dist))
    expected = np.array(corners or [-(p := np.array([80, 60]) / (size - [160, 120])), 1 + p])
    reached = (np.column_stack([[[0, 0], size], [1, 1]]) @ align(one, other).matrix.T) / size
    np.testing.assert_allclose(reached, expected, atol=0.01)


def test_a_mirrored_picture_has_not_changed_its_scale() -> None:
    mirror = Alignment(np.array([[-1, 0, 39], [0, 1, 0]], np.float32), 0.5, 1.0)
    assert mirror.movement((30, 40))["scale"] == 0


def test_a_map_between_reduced_pictures_is_that_of_the_pictures() -> None:
    scales = np.array([0.5, 0.25])
    mirror = np.array([[-1, 0, 19], [0, 1, 0]])  # of 20 columns
    whole = rescaled(mirror, 1 / scales, 1 / scales)
    np.testing.assert_allclose(whole, [[-1, 0, 39], [0, 1, 0]], atol=1e-6)
    turned = np.array([[0.8, 0, 3], [0, 1.2, -5]])
    back = rescaled(rescaled(turned, scales, scales), 1 / scales, 1 / scales)
    np.testing.assert_allclose(back, turned, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("kernel", [Image.Resampling.BICUBIC, Image.Resampling.BILINEAR])
def test_what_resampling_takes_is_no_damage(kernel: Image.Resampling) -> None:
    ref = photograph("chelsea")
    turned = np.asarray(realigned(ref, ref.rotate(3, kernel)), float)
    softened = np.asarray(realigned(ref, blur(ref, 2).rotate(3, kernel)), float)
    unmoved = np.asarray(blur(ref, 2), float)
    there = np.asarray(ref, float)
    assert np.sqrt(np.square(turned - there).mean()) < 3
    # Damage that came with the turn is as large as without it.
    ratio = np.square(softened - there).mean() / np.square(unmoved - there).mean()
    assert 0.8 < ratio < 1.2


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
        lambda ref: noise(ref, 120),  # other keypoints
        lambda ref: Image.fromarray(np.roll(np.asarray(ref), ref.width // 2, axis=1)),
    ],
)
def test_what_was_not_moved_is_returned_as_it_is(damage) -> None:
    ref = photograph("chelsea")
    dist = damage(ref)
    assert realigned(ref, dist) is dist
