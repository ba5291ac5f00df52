"""The geometric map between two luma pictures.

A shift by phase correlation (Kuglin and Hines, 1975), then a small affine map that maximises the
correlation coefficient (ECC: Evangelidis and Psarakis, PAMI 2008). Where these fail, quarter turns
are tried, and the map is sought from keypoints, which finds any other movement. What is left may
be a bend.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import numpy as np

from seiqa_features.pictures.registration.bending import bend_between
from seiqa_features.pictures.registration.comparing import correlation, reduced
from seiqa_features.pictures.registration.keypoints import from_keypoints
from seiqa_features.pictures.registration.maps import (
    Affine,
    Alignment,
    Grey,
    Mask,
    quarter_turns,
    rescaled,
    shifting,
)
from seiqa_features.pictures.registration.whole_shifts import is_success
from seiqa_features.pictures.registration.windows import core_of, shared_window

SIDE, FULL_SIDE = 256, 1024
"""Longest side in pixels at which the map is estimated, and at which it is refined."""

ROUNDS, FULL_ROUNDS = 40, 8
"""Maximum number of ECC iterations at these sizes."""

FARTHEST = 0.25
"""A shift by more than this share of the shorter side is rejected."""

MOST_TURN = 0.35
"""Largest entry of the affine map's difference from its start: 20 degrees, or 35 % scale."""

LEAST_GAIN = 0.002
"""Minimum increase of correlation for an alignment to be accepted."""

HARDLY_MOVED, FOUND = 0.9, 0.98
"""Correlation without a map, and with one, above which large movements are not sought."""

TURNED = 0.8
"""Minimum correlation with a quarter turn undone. Of the turns of other pictures it is below .6."""


Find = Callable[[Grey, Grey, Affine], Affine | None]
"""Finds a map of one picture to another, from a map near it."""


def align(ref: Grey, dist: Grey) -> Alignment:
    """Align two luma pictures float32 [H, W] in 0..1.

    The identity is kept unless another map increases the correlation by `LEAST_GAIN`: for flat
    pictures, unrelated pictures, or if nothing moved.
    """
    one, other, scales = reduced(ref, dist, SIDE)
    window = shared_window(one, other)
    core = core_of(window)
    identity = np.eye(2, 3, dtype=np.float32)
    before = correlation(one, other, identity, core)
    find_coarsely, find_finely = partial(_refined, smoothing=5), partial(_refined, smoothing=1)
    near: list[Find] = [
        _shifted,
        partial(find_coarsely, within=window),
        partial(find_finely, within=core),
    ]
    if core is not None:  # all of a window is found from farther away, and less exactly
        near.insert(2, partial(find_coarsely, within=core))
    best, after = _improved(
        (identity, before), near, lambda reached: reached > before + LEAST_GAIN, one, other, core
    )
    if before < HARDLY_MOVED and after < FOUND:
        far, reached = _moved_far(ref, dist, one, other, core)
        if reached > after and is_success(before, reached):
            best, after = far, reached
    if window is not None:
        window = _resized(window, ref.shape)
    matrix = rescaled(best, 1 / scales, 1 / scales)
    moved = best is not identity and is_success(before, after)
    if moved:
        matrix = _at_full_size(ref, dist, matrix, window)
    if window is None:
        start, reached = (matrix, after) if moved else (identity, before)
        bent = bend_between(ref, dist, start, reached)
        if bent is not None:
            return Alignment(start, before, bent[1], None, bent[0])
    return Alignment(matrix, before, after, window)


def _resized(mask: Mask, shape: tuple[int, int]) -> Mask:
    import cv2

    pixels = mask.astype(np.uint8)
    return cv2.resize(pixels, shape[::-1], interpolation=cv2.INTER_NEAREST) > 0


def _at_full_size(ref: Grey, dist: Grey, matrix: Affine, window: Mask | None) -> Affine:
    """The map refined where thin lines and print show; as it is if that is no better."""
    one, other, scales = reduced(ref, dist, FULL_SIDE)
    core = None if window is None else core_of(_resized(window, one.shape))
    start = rescaled(matrix, scales, scales)
    find = partial(_refined, within=core, rounds=FULL_ROUNDS)
    # Lines of one pixel that are more than a pixel away are found only if smoothed.
    finest: list[Find] = [partial(find, smoothing=3), partial(find, smoothing=1)]
    found = start, correlation(one, other, start, core)
    best, _ = _improved(found, finest, lambda _: True, one, other, core)
    return rescaled(best, 1 / scales, 1 / scales)


def _moved_far(
    ref: Grey, dist: Grey, one: Grey, other: Grey, core: Mask | None
) -> tuple[Affine, float]:
    """The map of a large movement between reduced pictures, and the correlation with it."""
    start = _quarter_turned(one, other, core)
    if start is None:
        whole = from_keypoints(ref, dist)
        if whole is None:
            return np.eye(2, 3, dtype=np.float32), -1.0
        scales = np.divide(one.shape, ref.shape)[::-1]
        start = rescaled(whole, scales, scales)
    found = start, correlation(one, other, start, core)
    # Thin lines are alike only once it is refined.
    finely = partial(_refined, within=core, smoothing=1)
    return _improved(found, [finely], lambda _: True, one, other, core)


def _improved(
    found: tuple[Affine, float],
    finders: Sequence[Find],
    enough: Callable[[float], bool],
    one: Grey,
    other: Grey,
    core: Mask | None,
) -> tuple[Affine, float]:
    """The map of the largest correlation that is enough, and it: each is sought near the last."""
    best, after = found
    for find in finders:
        matrix = find(one, other, best)
        if matrix is None:
            continue
        reached = correlation(one, other, matrix, core)
        if reached > after and enough(reached):
            best, after = matrix, reached
    return best, after


def _quarter_turned(one: Grey, other: Grey, core: Mask | None) -> Affine | None:
    """The map of a quarter turn; None if none makes the pictures alike."""
    height, width = one.shape
    found = {correlation(one, other, m, core): m for m in quarter_turns((height, width))}
    best = max(found)
    return found[best] if best > TURNED else None


def _shifted(one: Grey, other: Grey, _start: Affine) -> Affine | None:
    """The subpixel shift by phase correlation; None if implausible."""
    import cv2

    window = cv2.createHanningWindow(one.shape[::-1], cv2.CV_32F)
    # On copies: OpenCV 5 applies the window to its arguments in place.
    (x, y), _ = cv2.phaseCorrelate(one.copy(), other.copy(), window)
    if not np.isfinite([x, y]).all() or max(abs(x), abs(y)) > FARTHEST * min(one.shape):
        return None
    return shifting(x, y)


def _refined(
    one: Grey,
    other: Grey,
    start: Affine,
    *,
    within: Mask | None,
    smoothing: int,
    rounds: int = ROUNDS,
) -> Affine | None:
    """The affine map with the largest correlation near `start`; None if none is found.

    Smoothed by a Gaussian filter of that width in pixels, pictures are found from farther away, but
    what is beyond their border or in black corners pulls the map off by a pixel.
    """
    import cv2

    compared = np.ones(one.shape, bool) if within is None else within
    stop = (cv2.TERM_CRITERIA_COUNT | cv2.TERM_CRITERIA_EPS, rounds, 1e-5)
    try:
        _, matrix = cv2.findTransformECC(
            one, other, start.copy(), cv2.MOTION_AFFINE, stop, compared.astype(np.uint8), smoothing
        )
    except cv2.error:  # flat pictures or nothing in common: no convergence
        return None
    if np.abs(matrix[:, :2] - start[:, :2]).max() > MOST_TURN:
        return None
    return np.asarray(matrix, dtype=np.float32)
