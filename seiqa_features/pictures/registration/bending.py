"""The bend between two luma pictures, from dense optical flow.

The flow between the reference and the degraded picture (DIS: Kroeger, Timofte, Dai and Van Gool,
ECCV 2016) is averaged over large parts of the picture, so that a bend can undo what happened to all
of it, and not what happened to a face or a word. Where a picture is flat, no flow can be seen, and
the bend is drawn to 0.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from seiqa_features.pictures.registration.bends import RASTER, Bend, composed, steepness
from seiqa_features.pictures.registration.comparing import correlation, reduced
from seiqa_features.pictures.registration.maps import Affine, Grey, inside_of, rescaled
from seiqa_features.pictures.registration.warps import warp
from seiqa_features.pictures.registration.whole_shifts import is_success

FIRST_SIDE, SIDE, FULL_SIDES = 192, 256, (512, 1024)
"""Longest side in pixels at which a bend is sought, estimated and refined."""

FIRST_WIDTHS, WIDTHS, FULL_WIDTHS = (1 / 6, 1 / 10), (1 / 16, 1 / 24), 3 * (1 / 24,)
"""Standard deviations, as shares of the sides, of the Gaussian windows in which flow is averaged
there, one after the other: an average of a wave is less high than the wave."""

LEAST_GAIN = 0.1
"""Share by which the first windows must reduce 1 − correlation; otherwise there is no bend."""

LEAST_DETAIL = 1e-4
"""Mean square of the gradient of luma in 0..1 per pixel below which the bend is drawn to 0."""

CLEAREST = 0.05
"""Squares of the gradient above it count alike."""

STEEPEST = 0.75
"""Largest change of the displacement from place to place, as a share of their distance. From 1 on,
a bend can fold."""

SMALLEST = 32
"""Shorter side in pixels, of pictures of `FIRST_SIDE`, below which no flow can be computed."""

ALIKE, LEAST_ALIKE = 0.995, 0.88
"""Correlation above which no bend is sought, and least one with it."""


def bend_between(ref: Grey, dist: Grey, matrix: Affine, before: float) -> tuple[Bend, float] | None:
    """What a map leaves, and the correlation without it; None if a bend makes no clear difference.

    Parameters
    ----------
    ref, dist : float32 [H, W]
        Luma in 0..1.
    matrix : float32 [2, 3]
        Maps the reference to the degraded picture.
    before : float
        The correlation with it.
    """
    if before > ALIKE:
        return None
    pair = _Pair(ref, dist, matrix, FIRST_SIDE)
    if min(pair.one.shape) < SMALLEST:
        return None
    bend = pair.improved(np.zeros((RASTER, RASTER, 2), np.float32), FIRST_WIDTHS)
    if 1 - pair.likeness(bend) > (1 - LEAST_GAIN) * (1 - pair.likeness(None)):
        return None
    pair = _Pair(ref, dist, matrix, SIDE)
    bend = pair.improved(bend, WIDTHS)
    reached = pair.likeness(bend)
    if reached < LEAST_ALIKE or not is_success(before, reached) or steepness(bend) > STEEPEST:
        return None
    for side in FULL_SIDES:
        if max(ref.shape) > side / 2:
            bend = _Pair(ref, dist, matrix, side).improved(bend, FULL_WIDTHS)
    return bend, pair.likeness(bend)


class _Pair:
    """Both pictures, no longer than `side`; the other arguments are those of `bend_between`."""

    def __init__(self, ref: Grey, dist: Grey, matrix: Affine, side: int) -> None:
        self.one, self.other, scales = reduced(ref, dist, side)
        self.matrix = rescaled(matrix, scales, scales)
        across, down = np.gradient(self.one, axis=1), np.gradient(self.one, axis=0)
        self.detail = np.minimum(across**2 + down**2, CLEAREST)

    def likeness(self, bend: Bend | None) -> float:
        return correlation(self.one, self.other, self.matrix, None, bend)

    def improved(self, bend: Bend, widths: Iterable[float]) -> Bend:
        """The bend and what it leaves, which is averaged in windows of these widths in turn."""
        for width in widths:
            moved = warp(self.other, self.matrix, None, bend)
            shown = inside_of(self.matrix, self.one.shape, bend)
            flow = _flow(self.one, moved) / self.one.shape[::-1]
            bend = composed(bend, _averaged(flow, self.detail * shown, width))
        return bend


def _flow(one: Grey, other: Grey) -> NDArray[np.float32]:
    """By how many pixels to the right and down the second picture is displaced, [H, W, 2]."""
    import cv2

    dis = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_FAST)
    # Otherwise a result could depend on how the rows are shared among threads.
    dis.setUseSpatialPropagation(False)
    dis.setFinestScale(1)  # half the size, where print can still be seen
    a, b = (np.asarray(np.rint(image * 255), np.uint8) for image in (one, other))
    flow = dis.calc(a, b, None)  # type: ignore[call-overload, unused-ignore]
    return np.asarray(flow, np.float32)


def _averaged(flow: NDArray[np.floating], detail: NDArray[np.floating], width: float) -> Bend:
    """The mean of a flow [H, W, 2], weighted by the detail [H, W], around each place of a bend."""
    import cv2

    weighted = np.dstack([flow * detail[..., None], detail])
    totals = cv2.resize(weighted, (RASTER, RASTER), interpolation=cv2.INTER_AREA)
    totals = cv2.GaussianBlur(totals, (0, 0), width * RASTER, borderType=cv2.BORDER_REPLICATE)
    return np.asarray(totals[..., :2] / (totals[..., 2:] + LEAST_DETAIL), np.float32)
