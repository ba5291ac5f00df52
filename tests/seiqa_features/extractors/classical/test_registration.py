"""Registration: the map that was applied is found, and what both pictures show is told."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from seiqa_features.extractors.classical.registration import align, filled_box, inside_of, warp
from tests.seiqa_features.photographs import moved

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
