"""Windows: content that moves behind a frame is told from a frame that moves with its content."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from seiqa_features.pictures.registration import realigning
from seiqa_features.pictures.registration.estimating import align
from seiqa_features.pictures.registration.maps import Grey, shifting
from seiqa_features.pictures.registration.windows import (
    both_show,
    core_of,
    shared_window,
    window_of,
)
from tests.seiqa_features import photographs
from tests.seiqa_features.photographs import moved, photograph

Pixels = NDArray[np.uint8]
realigned = partial(realigning.realigned, longest=2048)
SURROUND = (121, 109, 90)
SIDE = 288
DISTANCE = np.hypot(*(np.indices((SIDE, SIDE)) - (SIDE - 1) / 2))


@pytest.fixture(scope="module")
def content() -> Pixels:
    return np.asarray(photograph("astronaut").resize((SIDE, SIDE)))


def round_window(content: Pixels) -> Pixels:
    """Opaque up to a radius of 100 pixels, fading up to 112."""
    share = np.clip((112 - DISTANCE) / 12, 0, 1)[..., None]
    return np.rint(share * content + (1 - share) * np.array(SURROUND)).astype(np.uint8)


def rectangle(content: Pixels) -> Pixels:
    framed = np.full_like(content, SURROUND)
    framed[30:-30, 40:-40] = content[30:-30, 40:-40]
    return framed


def luma(pixels: Pixels) -> Grey:
    return photographs.luma(Image.fromarray(pixels))


def squared_error(one: Image.Image, other: Image.Image) -> float:
    return float(np.square(np.asarray(one, float) - np.asarray(other, float)).mean())


@pytest.mark.parametrize("window", [round_window, rectangle])
def test_a_window_is_found(content: Pixels, window: Callable[[Pixels], Pixels]) -> None:
    found = window_of(luma(window(content)))
    assert found is not None
    truth = (DISTANCE < 110) if window is round_window else np.zeros((SIDE, SIDE), bool)
    if window is rectangle:
        truth[30:-30, 40:-40] = True
    assert (found ^ truth).mean() < 0.02


def letters() -> Pixels:
    page = Image.new("RGB", (SIDE, SIDE), "white")
    for row in range(5):
        ImageDraw.Draw(page).text((40, 40 + 40 * row), "Some words on paper", "black", font_size=20)
    return np.asarray(page)


@pytest.mark.parametrize(
    "pixels", [lambda c: c, lambda c: np.full_like(c, 90), lambda _: letters()],
    ids=["a photograph", "a flat picture", "letters on paper"],
)  # fmt: skip
def test_what_is_no_window(content: Pixels, pixels: Callable[[Pixels], Pixels]) -> None:
    assert window_of(luma(pixels(content))) is None


@pytest.mark.parametrize("window", [round_window, rectangle])
def test_content_that_moved_behind_a_window_is_moved_back_without_its_edge(
    content: Pixels, window: Callable[[Pixels], Pixels]
) -> None:
    ref, dist = (Image.fromarray(window(picture)) for picture in (content, moved(content, 4, 14)))
    found = align(luma(np.asarray(ref)), luma(np.asarray(dist)))
    assert found.matrix == pytest.approx(shifting(14, 4), abs=0.1)
    back = realigned(ref, dist)
    assert squared_error(back, ref) < 0.01 * squared_error(dist, ref)


@pytest.mark.parametrize("turn", [np.fliplr, np.flipud, np.rot90])
def test_content_that_was_mirrored_or_turned_behind_a_window_is_found(
    content: Pixels, turn: Callable[[Pixels], Pixels]
) -> None:
    ref, dist = (Image.fromarray(round_window(p)) for p in (content, turn(content).copy()))
    assert squared_error(realigned(ref, dist), ref) < 0.01 * squared_error(dist, ref)


def test_other_content_behind_a_window_is_not_taken_for_moved(content: Pixels) -> None:
    other = np.asarray(photograph("coffee").resize((SIDE, SIDE)))
    ref = Image.fromarray(round_window(content))
    for turned in (other, np.rot90(other)):
        dist = Image.fromarray(round_window(turned.copy()))
        assert realigned(ref, dist) is dist


def test_damage_behind_a_window_stays(content: Pixels) -> None:
    damaged = content.copy()
    damaged[120:170, 110:180] = 128
    ref, dist, alone = (
        Image.fromarray(round_window(picture))
        for picture in (content, moved(damaged, 0, 9), damaged)
    )
    assert squared_error(realigned(ref, dist), alone) < 0.05 * squared_error(alone, ref)


def test_two_windows_are_one_at_the_same_place(content: Pixels) -> None:
    framed = luma(rectangle(content))
    behind = shared_window(framed, luma(rectangle(moved(content, 0, 20))))
    assert behind is not None
    assert behind.mean() == pytest.approx((SIDE - 60) * (SIDE - 80) / SIDE**2, rel=0.02)
    assert shared_window(framed, np.roll(framed, 20, axis=1)) is None  # moved with its content
    assert shared_window(framed, luma(content)) is None


def test_pixels_that_both_show() -> None:
    core = core_of(DISTANCE < 100)
    assert core is not None
    assert (core == (DISTANCE < 70)).mean() > 0.99
    shown = both_show(shifting(20, 0), (SIDE, SIDE), core)
    assert shown[SIDE // 2, SIDE // 2]
    assert not shown[SIDE // 2, SIDE // 2 + 60]  # moved below the edge
    assert not shown[~core].any()
    everywhere = both_show(shifting(20, 0), (SIDE, SIDE), None)
    assert everywhere.mean() == pytest.approx(1 - 20 / SIDE)
