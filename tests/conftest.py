"""Fixtures that tests of every package share: made-up pictures on disk, and the read-only material.

Pictures are random textures with structure at several scales, so that every metric has something
to look at.
"""

from __future__ import annotations

import gc
import importlib
import os
import signal
from collections.abc import Callable, Generator, Iterator
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
import pytest_socket
from numpy.typing import NDArray
from PIL import Image
from scipy.ndimage import gaussian_filter

from seiqa_features.pictures.index import ImageIndex
from seiqa_features.remote import stores
from seiqa_features.remote.paths import RemotePath

if TYPE_CHECKING:
    from tests.stores.faults import ObjectStore

# Half a minute of every training, in other processes too; its own tests switch it on.
os.environ["SEIQA_SENSE"] = "false"

# A shell that starts the tests in the background, or nohup, has them ignore these signals, and so
# would every process that a test starts and then interrupts.
signal.signal(signal.SIGINT, signal.default_int_handler)
if hasattr(signal, "SIGHUP") and signal.getsignal(signal.SIGHUP) == signal.SIG_IGN:
    signal.signal(signal.SIGHUP, signal.SIG_DFL)

Pixels = NDArray[np.uint8]
SHARED = Path(__file__).parents[2] / "shared"


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """No collection of garbage looks at the tests and what they import: a tenth of their time."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


def pytest_sessionfinish() -> None:
    gc.unfreeze()  # or libraries that count their objects at the end would miss some


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
def _s3() -> Iterator[ObjectStore]:
    yield from _served("tests.stores.s3", "S3")


@pytest.fixture(scope="session")
def _gs() -> Iterator[ObjectStore]:
    yield from _served("tests.stores.gcs", "GCS")


def _served(module: str, name: str) -> Iterator[ObjectStore]:
    pytest_socket.enable_socket()  # a server needs one, and no test is running yet that must not
    store: ObjectStore = getattr(importlib.import_module(module), name)()
    yield store
    store.stop()


@pytest.fixture(params=["s3", "gs"])
def object_store(
    request: pytest.FixtureRequest,
    socket_enabled: None,  # noqa: ARG001
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> ObjectStore:
    """A server that the environment names, of either kind; its requests are noted from now on."""
    store: ObjectStore = request.getfixturevalue(f"_{request.param}")
    for variable, value in store.environment.items():
        monkeypatch.setenv(variable, value)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "caches"))
    store.forget()
    return store


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Requests to object stores that fail are not sent again."""
    monkeypatch.setattr(stores, "RETRIES", 0)
    monkeypatch.setattr(stores, "PATIENCE", timedelta(milliseconds=30))


@pytest.fixture
def bucket(object_store: ObjectStore) -> RemotePath:
    """An empty bucket on `object_store`."""
    made = object_store.make_bucket()
    object_store.forget()
    return made


@pytest.fixture(scope="session")
def shared() -> Path:
    """The development material beside the checkout; absent on a user's machine."""
    if not SHARED.is_dir():
        pytest.skip(f"{SHARED} is not there: development material, not part of the product")
    return SHARED
