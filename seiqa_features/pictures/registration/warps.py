"""Pictures moved by a map: back onto the reference, and away from it."""

from __future__ import annotations

from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from seiqa_features.pictures.registration.bends import Bend, bend_at, undoing
from seiqa_features.pictures.registration.maps import Affine, places


def warp(
    image: NDArray[np.float32],
    matrix: Affine,
    shape: tuple[int, ...] | None = None,
    bend: Bend | None = None,
) -> NDArray[np.float32]:
    """The degraded picture float32 [H, W] or [H, W, C] in 0..1, realigned with the reference.

    In the reference's shape [H, W, …], by default its own. Lanczos interpolation; beyond the border
    the outermost pixels are replicated.
    """
    return Warp(matrix, shape or image.shape, image.shape, bend).back(image)


class Warp:
    """Moves pictures by one map, back onto the reference and away from it.

    Beyond the border, the outermost pixels are replicated.

    Parameters
    ----------
    matrix, bend
        Map pixels of the reference to those of the degraded picture.
    ours, theirs : tuple
        Shapes H, W, … of the reference and of the degraded picture.
    """

    def __init__(
        self,
        matrix: Affine,
        ours: tuple[int, ...],
        theirs: tuple[int, ...],
        bend: Bend | None = None,
    ) -> None:
        self.matrix, self.bend = matrix, bend
        self.ours, self.theirs = ours[:2], theirs[:2]

    def back(self, image: NDArray[np.float32]) -> NDArray[np.float32]:
        """A degraded picture [H, W] or [H, W, C] in 0..1 moved back, by Lanczos interpolation."""
        import cv2

        kernel = cv2.INTER_LANCZOS4
        if self.bend is None:
            flags = kernel | cv2.WARP_INVERSE_MAP
            moved = cv2.warpAffine(
                image, self.matrix, self.ours[::-1], flags=flags, borderMode=cv2.BORDER_REPLICATE
            )
        else:
            x, y = self._back
            moved = cv2.remap(image, x, y, kernel, borderMode=cv2.BORDER_REPLICATE)
        return np.asarray(np.clip(moved, 0, 1), dtype=np.float32)

    def away(self, image: NDArray[np.float32], kernel: int) -> NDArray[np.float32]:
        """A reference [H, W] or [H, W, C] moved as the degraded picture was, by OpenCV's kernel."""
        import cv2

        if self.bend is None:
            moved = cv2.warpAffine(
                image, self.matrix, self.theirs[::-1], flags=kernel, borderMode=cv2.BORDER_REPLICATE
            )
        else:
            x, y = self._away
            moved = cv2.remap(image, x, y, kernel, borderMode=cv2.BORDER_REPLICATE)
        return np.asarray(moved, dtype=np.float32)

    @cached_property
    def _back(self) -> list[NDArray[np.float32]]:
        """Where the pixels of the reference are in the degraded picture."""
        found = places(self.matrix, self.ours, self.bend)
        return [values.astype(np.float32) for values in found]

    @cached_property
    def _away(self) -> list[NDArray[np.float32]]:
        """Where the pixels of the degraded picture are in the reference."""
        import cv2

        assert self.bend is not None
        sides = self.ours[::-1]
        found = places(cv2.invertAffineTransform(self.matrix), self.theirs)
        shares = [(values + 0.5) / side for values, side in zip(found, sides, strict=True)]
        back = bend_at(undoing(self.bend), *shares)
        return [
            (values + back[..., axis] * side).astype(np.float32)
            for axis, (values, side) in enumerate(zip(found, sides, strict=True))
        ]
