"""Shifts by whole pixels, compared at the pictures' own size.

They need no resampling, so a picture that only moved is the reference again. The map of `align` is
estimated on reduced pictures, where print and other fine detail differ after a shift by a pixel
whatever the map: that the picture only moved shows at its own size.
"""

from __future__ import annotations

from functools import cache

import numpy as np

from seiqa_features.pictures.registration.maps import Affine, Grey, mostly_inside, shifting

LEAST_SUCCESS = 0.5
"""Share by which 1 − correlation must fall; on noise, resampling alone reduces it."""

ROWS = 512
"""About as many rows of a picture are compared."""

FARTHEST_STEPS = 8
"""Maximum number of pixels between a shift and the estimate."""

Shift = tuple[int, int]
"""By so many pixels to the right and down."""


def shifted_by_pixels(ref: Grey, dist: Grey, estimate: Affine) -> Affine | None:
    """The map of the shift near an estimate that brings two luma pictures [H, W] together.

    None if there is none: at the pictures' own size, it must succeed (`is_success`).
    """
    shift = whole_shift(ref, dist, estimate)
    found = shifting(*shift)
    if shift == (0, 0) or not mostly_inside(found, ref.shape):
        return None
    before, after = (_correlation(*_overlap(ref, dist, s)) for s in ((0, 0), shift))
    return found if is_success(before, after) else None


def is_success(before: float, after: float) -> bool:
    """Whether correlation without and with a map shows that it undoes what was done."""
    return 1 - after <= (1 - LEAST_SUCCESS) * (1 - before)


def whole_shift(ref: Grey, dist: Grey, estimate: Affine) -> Shift:
    """The best shift near what a map does at the centre: no neighbour has a smaller error."""
    height, width = ref.shape
    centre = np.array([(width - 1) / 2, (height - 1) / 2, 1])
    x, y = np.rint(estimate.astype(np.float64) @ centre - centre[:2]).astype(int).tolist()

    @cache  # neighbours of one step are mostly those of the next
    def error(shift: Shift) -> float:
        ours, theirs = _overlap(ref, dist, shift)
        return float(np.mean((ours - theirs) ** 2)) if ours.size else np.inf

    best = x, y
    for _ in range(FARTHEST_STEPS):
        around = [(best[0] + right, best[1] + down) for down in (0, -1, 1) for right in (0, -1, 1)]
        nearest = min(around, key=error)  # the first of equals, which is `best`
        if nearest == best:
            break
        best = nearest
    return best


def _overlap(ref: Grey, dist: Grey, shift: Shift) -> tuple[Grey, Grey]:
    """Some rows of what both pictures show: the reference's pixels, and those `shift` away."""
    (height, width), (x, y) = ref.shape, shift
    step = max(1, height // ROWS)
    top, left = max(0, -y), max(0, -x)
    bottom, right = max(top, min(height, len(dist) - y)), max(left, min(width, dist.shape[1] - x))
    ours = ref[top:bottom:step, left:right]
    theirs = dist[top + y : bottom + y : step, left + x : right + x]
    return ours, theirs


def _correlation(one: Grey, other: Grey) -> float:
    """Of two pictures; 0 if one of them is flat."""
    a, b = (values.astype(np.float64) - values.mean(dtype=np.float64) for values in (one, other))
    return float(np.mean(a * b) / (a.std() * b.std())) if a.any() and b.any() else 0.0
