"""One thread per kernel, as the runner has it, and a photograph that is moved about."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
import skimage.data
import torch
from numpy.typing import NDArray
from PIL import Image


@pytest.fixture(scope="session", autouse=True)
def single_threaded_kernels() -> Iterator[None]:
    """On a busy machine more threads are forty times slower."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="session")
def cat() -> NDArray[np.uint8]:
    """A photograph uint8 [240, 360, 3]."""
    return np.asarray(Image.fromarray(skimage.data.chelsea()).resize((360, 240)))
