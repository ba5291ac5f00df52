"""Fixtures that tests of every package share: made-up pictures on disk, and the read-only material.

Pictures are random textures with structure at several scales, so that every metric has something
to look at.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from scipy.ndimage import gaussian_filter

from seiqa_features.pictures.index import ImageIndex

# Half a minute of every training, in other processes too; its own tests switch it on.
os.environ["SEIQA_SENSE"] = "false"

Pixels = NDArray[np.uint8]
SHARED = Path(__file__).parents[2] / "shared"


def make_texture(seed: int, height: int = 48, width: int = 64) -> Pixels:
    """RGB uint8 [H, W, 3]."""
    rng = np.random.default_rng(seed)
    layers = [
        sigma * gaussian_filter(rng.normal(size=(height, width, 3)), (sigma, sigma, 0))
        for sigma in (0.7, 2.0, 6.0, 15.0)
    ]
    total = np.sum(layers, axis=0)
    scaled = (total - total.min()) / (total.max() - total.min())
    return np.round(255 * scaled).astype(np.uint8)


@pytest.fixture(autouse=True)
def _no_downloads(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """As on a machine without network and without weights of the user's own."""
    if request.node.get_closest_marker("network") is None:
        monkeypatch.setenv("HF_HUB_OFFLINE", "1")
        monkeypatch.setenv("SEIQA_WEIGHTS", str(tmp_path / "weights"))


@pytest.fixture
def texture() -> Callable[..., Pixels]:
    """`texture(seed, height=48, width=64)` makes RGB pixels."""
    return make_texture


@pytest.fixture
def save_picture() -> Callable[..., Path]:
    """`save_picture(path, seed=0, height=48, width=64)` writes a texture, folders included."""

    def save(path: Path, seed: int = 0, height: int = 48, width: int = 64) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(make_texture(seed, height, width)).save(path)
        return path

    return save


@pytest.fixture
def index(tmp_path: Path) -> ImageIndex:
    """An image index with an empty cache."""
    return ImageIndex(tmp_path / "cache")


@pytest.fixture(scope="session")
def shared() -> Path:
    """The development material beside the checkout; absent on a user's machine."""
    if not SHARED.is_dir():
        pytest.skip(f"{SHARED} is not there: development material, not part of the product")
    return SHARED
