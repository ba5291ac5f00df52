"""A geometric map between two pictures, what it does to pixels, and how far it moves them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seiqa_features.pictures.registration.bends import Bend

Grey = NDArray[np.float32]
Pixels = NDArray[np.uint8]
Mask = NDArray[np.bool_]
Affine = NDArray[np.float32]
"""A 2×3 matrix that maps pixel coordinates of the reference to those of the degraded picture."""
Places = tuple[NDArray[np.float64], NDArray[np.float64]]
"""Coordinates x and y in pixels, [H, W] each."""
Scales = NDArray[np.float64]
"""Factors [2] of width and height."""

LEAST_OVERLAP = 0.55
"""Share of the reference that must be visible for a picture to be moved back."""


@dataclass(frozen=True)
class Alignment:
    """How a degraded picture has moved.

    Attributes
    ----------
    matrix : float32 [2, 3]
    before, after : float
        Correlation of the two pictures without and with the map.
    window : bool [H, W] or None
        The part of both pictures that shows content; None if all does.
    bend : float32 [RASTER, RASTER, 2] or None
        What the affine map leaves; None if it leaves nothing. Never with a window.
    """

    matrix: Affine
    before: float
    after: float
    window: Mask | None = None
    bend: Bend | None = None

    @property
    def moves(self) -> bool:
        """Whether the map moves anything."""
        return self.bend is not None or not np.array_equal(self.matrix, np.eye(2, 3))

    def movement(self, shape: tuple[int, int]) -> dict[str, float]:
        """Features of the map alone, for two pictures of the shape [H, W], by name."""
        height, width = shape
        linear = self.matrix[:, :2].astype(np.float64)
        # Measured at the centre, so that a rotation about it is not a shift.
        centre = np.array([width - 1, height - 1]) / 2
        shift = linear @ centre + self.matrix[:, 2] - centre
        diagonal = np.hypot(height, width)
        values = {
            "shift": np.hypot(*shift) / diagonal,
            "rotation": abs(np.degrees(np.arctan2(linear[1, 0] - linear[0, 1], np.trace(linear)))),
            "scale": abs(np.log2(max(abs(np.linalg.det(linear)), 1e-6))) / 2,
            "travel": np.sqrt(self._squared_distance(shape)) / diagonal,
            "overlap": inside_of(self.matrix, shape, self.bend).mean(),
            "correlation": self.after,
            "gain": self.after - self.before,
        }
        return {name: float(value) for name, value in values.items()}

    def _squared_distance(self, shape: tuple[int, int]) -> float:
        """Mean square of the distance in pixels by which the map moves a pixel of the window."""
        if self.bend is not None:
            there, here = places(self.matrix, shape, self.bend), places(np.eye(2, 3), shape)
            return float(np.square(np.subtract(there, here)).sum(axis=0).mean())
        if self.window is None:
            sides = np.array(shape[::-1], np.float64)
            centre, spread = (sides - 1) / 2, np.diag(sides**2 - 1) / 12
        else:
            pixels = np.argwhere(self.window)[:, ::-1]
            centre, spread = pixels.mean(axis=0), np.cov(pixels.T, bias=True)
        moved = self.matrix.astype(np.float64) - np.eye(2, 3)
        linear = moved[:, :2]
        drift = linear @ centre + moved[:, 2]
        return float(drift @ drift + np.trace(linear @ spread @ linear.T))


def shifting(x: float, y: float) -> Affine:
    """The map of a shift by x pixels to the right and y down."""
    return np.array([[1, 0, x], [0, 1, y]], dtype=np.float32)


def quarter_turns(shape: tuple[int, int]) -> list[Affine]:
    """The maps to a picture that was turned by a quarter and squeezed into the shape [H, W].

    Two of the four also mirror it.
    """
    height, width = shape
    right = np.array([0, width / height, (width / height - 1) / 2])
    down = np.array([height / width, 0, (height / width - 1) / 2])
    left, up = np.array([0, 0, width - 1]) - right, np.array([0, 0, height - 1]) - down
    return [np.array([x, y], np.float32) for x in (right, left) for y in (down, up)]


def rescaled(matrix: NDArray[np.floating], ours: Scales, theirs: Scales) -> Affine:
    """The map [2, 3] after both pictures were resized.

    Pixel centres are at half units at all sizes.

    Parameters
    ----------
    matrix : float [2, 3]
        Maps the reference to the degraded picture.
    ours, theirs : float64 [2]
        By what width and height of the reference, and of the degraded picture, were multiplied.
    """
    linear, offset = matrix[:, :2].astype(np.float64), matrix[:, 2].astype(np.float64)
    moved = (linear @ (0.5 / ours - 0.5) + offset + 0.5) * theirs - 0.5
    return np.column_stack([linear / ours * theirs[:, None], moved]).astype(np.float32)


def places(matrix: NDArray[Any], shape: tuple[int, ...], bend: Bend | None = None) -> Places:
    """Where in the degraded picture the pixels of a reference of the shape [H, W, …] are."""
    import cv2

    height, width = shape[:2]
    x, y = np.meshgrid(np.arange(width, dtype=np.float64), np.arange(height, dtype=np.float64))
    if bend is not None:
        shares = cv2.resize(bend, (width, height), interpolation=cv2.INTER_CUBIC)
        x, y = x + shares[..., 0] * width, y + shares[..., 1] * height
    across = matrix[0, 0] * x + matrix[0, 1] * y + matrix[0, 2]
    down = matrix[1, 0] * x + matrix[1, 1] * y + matrix[1, 2]
    return across, down


def inside_of(matrix: Affine, shape: tuple[int, ...], bend: Bend | None = None) -> Mask:
    """Which pixels of a reference [H, W, …] are also inside the degraded picture, bool [H, W]."""
    height, width = shape[:2]
    across, down = places(matrix, shape, bend)
    slack = 0.5
    return np.asarray(
        (across >= -slack) & (across <= width - 1 + slack)
        & (down >= -slack) & (down <= height - 1 + slack)
    )  # fmt: skip


def mostly_inside(matrix: Affine, shape: tuple[int, ...], bend: Bend | None = None) -> bool:
    """Whether the degraded picture shows `LEAST_OVERLAP` of a reference [H, W, …]."""
    return bool(inside_of(matrix, shape, bend).mean() >= LEAST_OVERLAP)


def filled_box(inside: Mask) -> tuple[int, int, int, int]:
    """A large box (top, bottom, left, right) of inside pixels only; empty if there is none."""
    top, bottom, left, right = 0, inside.shape[0], 0, inside.shape[1]
    while top < bottom and left < right:
        part = inside[top:bottom, left:right]
        if part.all():
            break
        # Remove the border line with the largest share of outside pixels.
        shares = [part[0].mean(), part[-1].mean(), part[:, 0].mean(), part[:, -1].mean()]
        line = int(np.argmin(shares))
        top, bottom = top + (line == 0), bottom - (line == 1)
        left, right = left + (line == 2), right - (line == 3)
    return top, bottom, left, right
