"""View names and what they do to a picture."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from PIL import Image

from seiqa_features.errors import UsageError
from seiqa_features.views import View, to_array


@pytest.mark.parametrize(
    ("name", "ref_size", "target"),
    [
        ("s256", (512, 384), (256, 256)),
        ("s256", (20, 30), (256, 256)),
        ("max512", (512, 384), (512, 384)),
        ("max512", (100, 50), (100, 50)),  # never enlarged
        ("max512", (1024, 768), (512, 384)),
        ("max512", (768, 1024), (384, 512)),
        ("max100", (301, 200), (100, 66)),
        ("max512", (2000, 16), (512, 16)),  # no side below what a picture must have
    ],
)
def test_target(name: str, ref_size: tuple[int, int], target: tuple[int, int]) -> None:
    assert View.parse(name).target(ref_size) == target


@pytest.mark.parametrize("name", ["", "256", "s", "s0256", "S256", "max", "max5", "s99999", "s2 "])
def test_a_name_that_is_no_view(name: str) -> None:
    with pytest.raises(UsageError) as caught:
        View.parse(name)
    assert str(caught.value) == f"view {name!r} does not exist; expected e.g. s256 or max512"
    assert caught.value.exit_code == 2


def test_array_of_unchanged_size_holds_the_pixels(texture: Callable[..., np.ndarray]) -> None:
    pixels = texture(0, height=20, width=30)
    array = to_array(Image.fromarray(pixels), (30, 20))
    assert array.shape == (3, 20, 30)
    assert array.dtype == np.float32
    assert array.flags.c_contiguous
    assert np.array_equal(array, pixels.transpose(2, 0, 1).astype(np.float32) / np.float32(255))


def test_array_is_resampled_to_width_and_height() -> None:
    pixels = np.zeros((40, 60, 3), np.uint8)
    pixels[:, 30:] = (255, 0, 51)
    array = to_array(Image.fromarray(pixels), (30, 20))
    assert array.shape == (3, 20, 30)
    assert np.allclose(array[:, 10, 2], 0)
    assert np.allclose(array[:, 10, -3], (1, 0, 0.2))
    assert array.min() >= 0
    assert array.max() <= 1


def test_shrinking_is_antialiased() -> None:
    stripes = np.zeros((64, 64, 3), np.uint8)
    stripes[:, ::2] = 255
    array = to_array(Image.fromarray(stripes), (16, 16))
    assert np.abs(array - 0.5).max() < 0.05
