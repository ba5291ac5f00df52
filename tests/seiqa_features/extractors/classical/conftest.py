"""A photograph that is moved about."""

from __future__ import annotations

import numpy as np
import pytest
import skimage.data
from numpy.typing import NDArray
from PIL import Image


@pytest.fixture(scope="session")
def cat() -> NDArray[np.uint8]:
    """A photograph uint8 [240, 360, 3]."""
    return np.asarray(Image.fromarray(skimage.data.chelsea()).resize((360, 240)))
