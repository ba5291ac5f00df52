"""Quarter turns, also of pictures that are not square.

Such a picture was squeezed into the frame of its reference after it was turned. That hides its
keypoints, and it loses detail if only the map is undone, so it is turned back before anything else.
"""

from __future__ import annotations

import numpy as np
from PIL import Image

from seiqa_features.pictures.registration.maps import Affine, Pixels

EXACT = 0.1
"""Largest difference of a map's linear part from a quarter turn's."""

Transpose = Image.Transpose
_OPPOSITE = {
    Transpose.ROTATE_90: Transpose.ROTATE_270,
    Transpose.ROTATE_270: Transpose.ROTATE_90,
}  # the two others are their own


def quarter_turns(shape: tuple[int, int]) -> dict[Transpose, Affine]:
    """The maps to a picture that was turned by a quarter and squeezed into the shape [H, W].

    By what turns it back; two of the four also mirror it.
    """
    height, width = shape
    right = np.array([0, width / height, (width / height - 1) / 2])
    down = np.array([height / width, 0, (height / width - 1) / 2])
    left, up = np.array([0, 0, width - 1]) - right, np.array([0, 0, height - 1]) - down
    rows = {
        Transpose.TRANSPOSE: (right, down),
        Transpose.ROTATE_270: (right, up),
        Transpose.ROTATE_90: (left, down),
        Transpose.TRANSVERSE: (left, up),
    }
    return {back: np.array(both, np.float32) for back, both in rows.items()}


def turning_back(matrix: Affine, shape: tuple[int, int]) -> Transpose | None:
    """What turns a picture back if the map [2, 3] is, but for a little, a quarter turn of it."""
    for back, turn in quarter_turns(shape).items():
        if np.abs(matrix - turn)[:, :2].max() < EXACT:
            return back
    return None


def fitted(image: Image.Image, size: tuple[int, int]) -> Image.Image:
    """The picture, squeezed into a frame of this width and height."""
    return image if image.size == size else image.resize(size, Image.Resampling.BICUBIC)


def both_turned_back(ref: Pixels, dist: Pixels, back: Transpose) -> list[Pixels]:
    """Two pictures uint8 [H, W, 3] as if the second had not been turned and squeezed.

    The detail that it lost by this is also taken from the first, its reference.
    """
    one, other = (Image.fromarray(pixels) for pixels in (ref, dist))
    opposite = {
        Transpose.ROTATE_90: Transpose.ROTATE_270,
        Transpose.ROTATE_270: Transpose.ROTATE_90,
    }
    squeezed = fitted(one.transpose(opposite.get(back, back)), one.size)
    return [np.array(fitted(image.transpose(back), one.size)) for image in (squeezed, other)]
