"""Bends: smooth displacements that no affine map describes.

A picture that was taken from another angle or through another lens, or a page that is not flat, is
bent: the displacement changes slowly from place to place.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Bend = NDArray[np.float32]
"""[RASTER, RASTER, 2]: by what share of its width and height a place of the reference is displaced,
on a raster over the whole picture."""
Shares = NDArray[np.float64]
"""Coordinates [H, W] from 0 to 1 in shares of the width or height."""

RASTER = 64
"""Places of a bend across and down."""

UNDOINGS = 10
"""Number of iterations that invert a bend."""


def raster() -> tuple[Shares, Shares]:
    """The places x and y of a bend [RASTER, RASTER]."""
    places = (np.arange(RASTER) + 0.5) / RASTER
    x, y = np.meshgrid(places, places)
    return x, y


def bend_at(bend: Bend, x: Shares, y: Shares) -> Bend:
    """The displacements [H, W, 2] at places; beyond the border they are those at the border."""
    import cv2

    column, row = ((values * RASTER - 0.5).astype(np.float32) for values in (x, y))
    found = cv2.remap(bend, column, row, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(found, np.float32)


def composed(bend: Bend, first: Bend) -> Bend:
    """One bend after another: the displacement by both."""
    x, y = raster()
    return first + bend_at(bend, x + first[..., 0], y + first[..., 1])


def undoing(bend: Bend) -> Bend:
    """The bend that leads back, by fixed-point iteration: it converges unless a bend is steep."""
    x, y = raster()
    back = -bend
    for _ in range(UNDOINGS):
        back = -bend_at(bend, x + back[..., 0], y + back[..., 1])
    return back


def steepness(bend: Bend) -> float:
    """Largest change of the displacement between neighbouring places, in distances of these."""
    return RASTER * max(float(np.abs(np.diff(bend, axis=axis)).max()) for axis in (0, 1))
