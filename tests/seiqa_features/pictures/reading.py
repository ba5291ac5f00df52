"""What a picture in a file is read as, or why it is not read."""

from __future__ import annotations

import io

import numpy as np
import pytest
from numpy.typing import NDArray

from seiqa_features.errors import DataError
from seiqa_features.pictures.decoding import read_rgb

NAME = "the picture"


def shown(content: bytes) -> NDArray[np.uint8]:
    """RGB pixels [H, W, 3] of a file's content."""
    return np.asarray(read_rgb(io.BytesIO(content), name=NAME))


def refused(content: bytes) -> str:
    """The one line, with the name of the picture, that says why it is not read."""
    with pytest.raises(DataError) as caught:
        shown(content)
    (line,) = caught.value.problems
    assert line.startswith(f"{NAME}: ")
    return line
