"""The degraded picture moved back onto its reference, for views whose name ends in ``_aligned``."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from PIL import Image

from seiqa_features.pictures.registration.estimating import align
from seiqa_features.pictures.registration.maps import (
    Affine,
    Alignment,
    Grey,
    Mask,
    Pixels,
    mostly_inside,
    shifting,
    warp,
)
from seiqa_features.pictures.registration.turns import fitted, turning_back
from seiqa_features.pictures.registration.whole_shifts import (
    is_success,
    shifted_by_pixels,
    whole_shift,
)
from seiqa_features.pictures.registration.windows import both_show, core_of

SHARPENINGS = 3
"""Number of iterations that restore what resampling takes."""

SMOOTHED = 1.1
"""By this factor, resampling alone can reduce the squared error of noise and artefacts."""

UNSEEN = np.float32(3 / 255)
"""A difference that resampling leaves and nobody sees. Larger ones are hardly reduced: by the
non-negative garrote (Breiman, Technometrics 37, 1995)."""


def realigned(ref: Image.Image, dist: Image.Image) -> Image.Image:
    """The degraded picture moved back onto the reference, in the size of the reference.

    What the degraded picture does not show is filled in from the reference, so that a view of it
    tells what happened to the visible part. The extractor ``aligned`` tells how far it had moved
    and how much is not visible. If nothing moved, the pictures cannot be aligned, or too little is
    visible, the degraded picture is returned as it is.

    Parameters
    ----------
    ref, dist : Image.Image
        RGB. The map is estimated with `dist` in the size of `ref`.
    """
    there, here = np.asarray(ref), fitted(dist, ref.size)
    one, other = (_unit(image.convert("L")) for image in (ref, here))
    found = align(one, other)
    if not is_trusted(found, there.shape):
        by_pixels = shifted_by_pixels(one, other, found.matrix)
        if by_pixels is None:
            return dist
        found = replace(found, matrix=by_pixels)
    back = turning_back(found.matrix, one.shape)
    if back is not None:
        return realigned(ref, dist.transpose(back))
    return Image.fromarray(moved_back(there, np.asarray(here), found))


def moved_back(ref: Pixels, dist: Pixels, found: Alignment) -> Pixels:
    """The degraded picture moved back, with the reference where it shows nothing.

    Parameters
    ----------
    ref, dist : uint8 [H, W, 3]
    found : Alignment
        Of these two, and trusted.
    """
    one, other = (_unit(Image.fromarray(image).convert("L")) for image in (ref, dist))
    # A shift by whole pixels needs no resampling, so it wins unless another map clearly fits better.
    x, y = whole_shift(one, other, found.matrix)
    core = core_of(found.window)

    def filled(moved: Pixels, shown: Mask) -> Pixels:
        return np.where(shown[..., None], moved, ref)

    shown_whole = both_show(shifting(x, y), ref.shape, core)
    whole = filled(np.roll(dist, (-y, -x), axis=(0, 1)), shown_whole)
    shown = both_show(found.matrix, ref.shape, core)
    moved = warp(_unit(dist), found.matrix)
    smallest = _squared_error(filled(_bytes(moved), shown), ref)
    if _squared_error(whole, ref) <= SMOOTHED * smallest:
        return whole
    reference = _unit(ref)
    damage = _sharpened(moved, found.matrix, reference) - reference
    seen = damage * (1 - np.square(UNSEEN / np.maximum(np.abs(damage), UNSEEN)))
    return filled(_bytes(reference + seen), shown)


def is_trusted(found: Alignment, shape: tuple[int, ...]) -> bool:
    """Whether a picture of the shape [H, W, …] has moved and is to be moved back."""
    return (
        not np.array_equal(found.matrix, np.eye(2, 3))
        and is_success(found.before, found.after)
        and mostly_inside(found.matrix, *shape[:2])
    )


def _unit(image: Image.Image | Pixels) -> Grey:
    """float32 in 0..1."""
    return np.asarray(image, np.float32) / np.float32(255)


def _sharpened(moved: Grey, matrix: Affine, ref: Grey) -> Grey:
    """A picture [H, W, 3] in 0..1 that was moved back, as sharp as before it was resampled.

    It was resampled when it was moved, by one of two usual kernels, and again when it was moved
    back. What both took is restored from the picture itself (Van Cittert's iteration), because it
    is more than what small turns and crops change otherwise, and no damage.
    """
    import cv2

    candidates = [moved]
    for kernel in (cv2.INTER_CUBIC, cv2.INTER_LINEAR):
        sharp = moved
        for _ in range(SHARPENINGS):
            away = cv2.warpAffine(
                sharp, matrix, moved.shape[1::-1], flags=kernel, borderMode=cv2.BORDER_REPLICATE
            )
            sharp = np.clip(sharp + moved - warp(np.asarray(away, np.float32), matrix), 0, 1)
        candidates.append(sharp)
    return min(candidates, key=lambda found: _squared_error(found, ref))


def _bytes(image: Grey) -> Pixels:
    return np.asarray(np.rint(image * 255), np.uint8)


def _squared_error(one: Pixels | Grey, other: Pixels | Grey) -> float:
    return float(np.square(one.astype(np.float32) - other).mean())
