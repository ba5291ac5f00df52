"""Registration: the geometric map between two luma pictures, and the region common to both.

A shift by phase correlation (Kuglin and Hines, 1975), then a small affine map that maximises the
correlation coefficient (ECC: Evangelidis and Psarakis, PAMI 2008). `realigned` undoes the map for
views whose name ends in ``_aligned``.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Grey = NDArray[np.float32]
Pixels = NDArray[np.uint8]
Affine = NDArray[np.float32]
"""A 2×3 matrix that maps pixel coordinates of the reference to those of the degraded picture."""

VERSION = 2
"""Increased when `realigned` returns other pixels; part of the fingerprint of aligned views."""

SIDE = 256
"""Longest side in pixels at which the map is estimated."""

ROUNDS = 40
"""Maximum number of ECC iterations."""

FARTHEST = 0.25
"""A shift by more than this share of the shorter side is rejected."""

MOST_TURN = 0.35
"""Largest entry of the affine map's difference from the identity: 20 degrees, or 35 % scale."""

LEAST_GAIN = 0.002
"""Minimum increase of correlation for an alignment to be accepted."""

FLAT = 1e-4
"""Standard deviation of luma in 0..1 below which a picture cannot be aligned."""

LEAST_OVERLAP = 0.85
"""Share of the reference that must be visible; with less of it, `realigned` changes nothing."""

LEAST_SUCCESS = 0.5
"""Share by which `realigned` must reduce 1 − correlation; on noise, resampling alone reduces it."""


@dataclass(frozen=True)
class Alignment:
    """A map from the reference to the degraded picture, and the correlation with and without it."""

    matrix: Affine
    before: float
    after: float

    def movement(self, shape: tuple[int, ...]) -> dict[str, float]:
        """Features of the map alone, for two pictures of the shape [H, W], by name."""
        height, width = shape
        linear = self.matrix[:, :2].astype(np.float64)
        # Measured at the centre, so that a rotation about it is not a shift.
        centre = np.array([width - 1, height - 1]) / 2
        travel = linear @ centre + self.matrix[:, 2] - centre
        inside = inside_of(self.matrix, height, width)
        values = {
            "shift": np.hypot(*travel) / np.hypot(height, width),
            "rotation": abs(np.degrees(np.arctan2(linear[1, 0] - linear[0, 1], np.trace(linear)))),
            "scale": abs(np.log2(max(np.linalg.det(linear), 1e-6))) / 2,
            "overlap": inside.mean(),
            "correlation": self.after,
            "gain": self.after - self.before,
        }
        return {name: float(value) for name, value in values.items()}


def align(ref: Grey, dist: Grey) -> Alignment:
    """Align two luma pictures float32 [H, W] in 0..1.

    The identity is kept unless another map increases the correlation by `LEAST_GAIN`: for flat
    pictures, unrelated pictures, or if nothing moved.
    """
    import cv2

    height, width = ref.shape
    scale = min(1.0, SIDE / max(height, width))
    size = max(2, round(width * scale)), max(2, round(height * scale))
    one, other = (
        np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), dtype=np.float32)
        for image in (ref, dist)
    )
    identity = np.eye(2, 3, dtype=np.float32)
    before = _correlation(one, other, identity)
    best, after = identity, before
    for find in (_shifted, _refined):
        matrix = find(one, other, best)
        if matrix is None:
            continue
        reached = _correlation(one, other, matrix)
        # Once a shift is found, any better map near it is a refinement and needs no minimum gain.
        if reached > after + (LEAST_GAIN if best is identity else 0):
            best, after = matrix, reached
    full = best.astype(np.float64)
    scales = np.array([size[0] / width, size[1] / height])
    # Pixel centres are at half units at both sizes.
    full[:, 2] = full[:, 2] / scales + (full[:, :2] - np.eye(2)) @ (0.5 - 0.5 / scales)
    return Alignment(full.astype(np.float32), before, after)


def _shifted(one: Grey, other: Grey, _start: Affine) -> Affine | None:
    """The subpixel shift by phase correlation; None if implausible."""
    import cv2

    window = cv2.createHanningWindow(one.shape[::-1], cv2.CV_32F)
    # On copies: OpenCV 5 applies the window to its arguments in place.
    (x, y), _ = cv2.phaseCorrelate(one.copy(), other.copy(), window)
    if not np.isfinite([x, y]).all() or max(abs(x), abs(y)) > FARTHEST * min(one.shape):
        return None
    return _shift(x, y)


def _refined(one: Grey, other: Grey, start: Affine) -> Affine | None:
    """The affine map with the largest correlation near `start`; None if none is found."""
    import cv2

    everywhere = np.ones(one.shape, dtype=np.uint8)
    stop = (cv2.TERM_CRITERIA_COUNT | cv2.TERM_CRITERIA_EPS, ROUNDS, 1e-5)
    try:
        _, matrix = cv2.findTransformECC(
            one, other, start.copy(), cv2.MOTION_AFFINE, stop, everywhere, 5
        )
    except cv2.error:  # flat pictures or nothing in common: no convergence
        return None
    if np.abs(matrix[:, :2] - np.eye(2)).max() > MOST_TURN:
        return None
    return np.asarray(matrix, dtype=np.float32)


def _correlation(one: Grey, other: Grey, matrix: Affine) -> float:
    """Correlation in the common region; 1 if both are flat and equal, 0 if one is flat."""
    inside = inside_of(matrix, *one.shape)
    if inside.mean() < 0.5:
        return -1.0
    a, b = (values[inside].astype(np.float64) for values in (one, warp(other, matrix)))
    if min(a.std(), b.std()) < FLAT:
        return float(np.array_equal(one, other))
    return float(np.mean((a - a.mean()) * (b - b.mean())) / (a.std() * b.std()))


def warp(image: NDArray[np.float32], matrix: Affine) -> NDArray[np.float32]:
    """The degraded picture float32 [H, W] or [H, W, C] in 0..1, realigned with the reference.

    Cubic interpolation; beyond the border the outermost pixels are replicated.
    """
    import cv2

    height, width = image.shape[:2]
    flags = cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP
    warped = cv2.warpAffine(
        image, matrix, (width, height), flags=flags, borderMode=cv2.BORDER_REPLICATE
    )
    return np.asarray(np.clip(warped, 0, 1), dtype=np.float32)


def inside_of(matrix: Affine, height: int, width: int) -> NDArray[np.bool_]:
    """Which pixels of the reference are also inside the degraded picture, bool [H, W]."""
    x, y = np.meshgrid(np.arange(width), np.arange(height))
    across = matrix[0, 0] * x + matrix[0, 1] * y + matrix[0, 2]
    down = matrix[1, 0] * x + matrix[1, 1] * y + matrix[1, 2]
    slack = 0.5
    return np.asarray(
        (across >= -slack) & (across <= width - 1 + slack)
        & (down >= -slack) & (down <= height - 1 + slack)
    )  # fmt: skip


def filled_box(inside: NDArray[np.bool_]) -> tuple[int, int, int, int]:
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


def realigned(ref: Image.Image, dist: Image.Image) -> Image.Image:
    """The degraded picture moved back onto the reference, in the size of the reference.

    What the degraded picture does not show is filled in from the reference, so that a view of it
    tells what happened to the visible part. The extractor ``aligned`` tells how much is not
    visible. If nothing moved, the pictures cannot be aligned, or too little is visible, the
    degraded picture is returned as it is.

    Parameters
    ----------
    ref, dist : Image.Image
        RGB. The map is estimated with `dist` in the size of `ref`.
    """
    fitted = dist if dist.size == ref.size else dist.resize(ref.size, Image.Resampling.BICUBIC)
    one, other = (_unit(image.convert("L")) for image in (ref, fitted))
    found = align(one, other)
    if (
        np.array_equal(found.matrix, np.eye(2, 3))
        or 1 - found.after > (1 - LEAST_SUCCESS) * (1 - found.before)
        or inside_of(found.matrix, *one.shape).mean() < LEAST_OVERLAP
    ):
        return dist
    # A shift by whole pixels needs no resampling, so it wins if the estimate was slightly off.
    pixels, there = np.asarray(fitted), np.asarray(ref)
    x, y = _whole_shift(one, other, found.matrix)
    warped = np.rint(warp(_unit(fitted), found.matrix) * 255).astype(np.uint8)
    candidates = (
        _filled(np.roll(pixels, (-y, -x), axis=(0, 1)), _shift(x, y), there),
        _filled(warped, found.matrix, there),
    )
    return Image.fromarray(min(candidates, key=lambda moved: _squared_error(moved, there)))


def _unit(image: Image.Image) -> Grey:
    """float32 in 0..1."""
    return np.asarray(image, np.float32) / np.float32(255)


def _whole_shift(one: Grey, other: Grey, matrix: Affine) -> tuple[int, int]:
    """The best of the nine shifts (x, y) by whole pixels near what the map does at the centre.

    The map was estimated on a reduced picture: without much detail it can be off by a pixel.
    """
    height, width = one.shape
    centre = np.array([(width - 1) / 2, (height - 1) / 2, 1])
    x, y = np.rint(matrix.astype(np.float64) @ centre - centre[:2]).astype(int).tolist()

    def difference(shift: tuple[int, int]) -> float:
        x, y = shift
        ours = one[max(0, -y) : height - max(0, y), max(0, -x) : width - max(0, x)]
        theirs = other[max(0, y) : height + min(0, y), max(0, x) : width + min(0, x)]
        return float(np.mean((ours - theirs) ** 2))

    return min(
        ((x + right, y + down) for down in (0, -1, 1) for right in (0, -1, 1)), key=difference
    )


def _shift(x: float, y: float) -> Affine:
    return np.array([[1, 0, x], [0, 1, y]], dtype=np.float32)


def _filled(moved: Pixels, matrix: Affine, ref: Pixels) -> Pixels:
    """The moved picture uint8 [H, W, 3], with the reference where it shows nothing."""
    return np.where(inside_of(matrix, *ref.shape[:2])[..., None], moved, ref)


def _squared_error(one: Pixels, other: Pixels) -> float:
    return float(np.square(one.astype(np.float32) - other).mean())
