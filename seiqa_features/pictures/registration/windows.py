"""The window: the part of two pictures that shows content, if a frame around it stays in place.

Some pictures show their content through a window in a flat surround, for instance a round one in
experiments on vision or a framed photograph. If the content moves and the window does not, what the
window's edge hides changes, moving the picture back makes a strong difference of that, and the edge
misleads the search for the map. So with such a window only what both pictures show well inside of
it is compared.
"""

from __future__ import annotations

import numpy as np

from seiqa_features.pictures.registration.bends import Bend
from seiqa_features.pictures.registration.maps import Affine, Grey, Mask, inside_of

TOLERANCE = 3 / 255
"""Largest difference of luma in 0..1 from the surround."""

FULL = 0.9
"""Least share of the border that is surround, and of the window that is not."""

ALIKE = 0.95
"""Least intersection over union of the windows of two pictures that are taken for one."""

SOFT_EDGE = 0.15
"""Width of the window's edge that is not compared, as a share of the window's smaller side."""


def shared_window(ref: Grey, dist: Grey) -> Mask | None:
    """The window of two luma pictures float32 [H, W] in 0..1, bool [H, W]; None if there is none.

    It is at the same place in both, or nearly so.
    """
    one = window_of(ref)
    other = None if one is None else window_of(dist)
    if one is None or other is None or (one & other).sum() < ALIKE * (one | other).sum():
        return None
    return one & other


def window_of(image: Grey) -> Mask | None:
    """The convex window of a luma picture [H, W] in 0..1, bool [H, W]; None if it has none."""
    import cv2

    border = np.concatenate([image[0], image[-1], image[1:-1, 0], image[1:-1, -1]])
    surround = np.median(border)
    if (np.abs(border - surround) <= TOLERANCE).mean() < FULL:
        return None
    content = np.abs(image - surround) > TOLERANCE
    points = cv2.findNonZero(content.astype(np.uint8))
    if points is None:
        return None
    window = np.zeros(content.shape, np.uint8)
    cv2.fillConvexPoly(window, cv2.convexHull(points), 1)
    # Letters on paper are no window: much of their hull is paper.
    return window > 0 if content[window > 0].mean() >= FULL else None


def core_of(window: Mask | None) -> Mask | None:
    """The window bool [H, W] without its edge; None if there is no window."""
    import cv2

    if window is None:
        return None
    rows, columns = (np.flatnonzero(window.any(axis=axis)) for axis in (1, 0))
    edge = SOFT_EDGE * min(np.ptp(rows) + 1, np.ptp(columns) + 1)
    padded = np.pad(window.astype(np.uint8), 1)  # what is beyond the picture is not shown
    distance = cv2.distanceTransform(padded, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)[1:-1, 1:-1]
    return np.asarray(distance > edge)


def both_show(
    matrix: Affine, shape: tuple[int, ...], core: Mask | None, bend: Bend | None = None
) -> Mask:
    """Which pixels of the reference the degraded picture shows, too, bool [H, W].

    Parameters
    ----------
    matrix : float32 [2, 3]
        Maps pixel coordinates of the reference to those of the degraded picture.
    shape : tuple
        H, W, ….
    core : bool [H, W] or None
        The part of both pictures that shows content; None if they have no window.
    bend : float32 [RASTER, RASTER, 2] or None
        What the map leaves. Pictures with a window have none.
    """
    import cv2

    inside = inside_of(matrix, shape, bend)
    if core is None:
        return inside
    flags = cv2.INTER_NEAREST | cv2.WARP_INVERSE_MAP
    moved = cv2.warpAffine(core.astype(np.uint8), matrix, core.shape[::-1], flags=flags)
    return inside & core & (moved > 0)
