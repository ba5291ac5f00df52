"""Frames: the size in which a degraded picture is moved back.

A map is estimated with the degraded picture squeezed into the frame of the reference. There, what
was cropped, framed by a margin or turned by a quarter has another scale, and moving it back from
there would resample it twice. In a frame of its own, its content has the scale of the reference:
mostly, this is the picture's own size, and nothing is lost.
"""

from __future__ import annotations

import numpy as np
from PIL import Image

from seiqa_features.pictures.registration.maps import Affine

NEARLY = 0.01
"""A picture whose size differs from its frame by less than this share is not resized."""

LARGEST = 2
"""A frame is at most this many times as long as the reference, or the picture itself."""

Size = tuple[int, int]
"""(width, height) in pixels."""


def frame_of(matrix: Affine, size: Size, own: Size) -> Size:
    """The frame in which a picture's content has the scale of its reference.

    Parameters
    ----------
    matrix : float32 [2, 3]
        Maps the reference to the picture squeezed into the reference's frame of this `size`.
    own : Size
        The picture's own.
    """
    stretches = np.linalg.norm(matrix[:, :2].astype(np.float64), axis=1)
    most = np.maximum(own, LARGEST * np.array(size))
    frame = np.clip(np.array(size) / np.maximum(stretches, 1e-6), 1, most)
    if (np.abs(np.array(own) / frame - 1) < NEARLY).all():
        return own
    width, height = np.rint(frame).astype(int).tolist()
    return width, height


def fitted(image: Image.Image, frame: Size) -> Image.Image:
    """The picture squeezed into a frame."""
    return image if image.size == frame else image.resize(frame, Image.Resampling.BICUBIC)
