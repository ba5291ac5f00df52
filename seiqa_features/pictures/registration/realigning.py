"""The degraded picture moved back onto its reference, for views whose name ends in ``_aligned``."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from PIL import Image

from seiqa_features.pictures.registration.estimating import align
from seiqa_features.pictures.registration.frames import fitted, frame_of
from seiqa_features.pictures.registration.maps import (
    Alignment,
    Grey,
    Mask,
    Pixels,
    mostly_inside,
    rescaled,
    shifting,
)
from seiqa_features.pictures.registration.warps import Warp, warp
from seiqa_features.pictures.registration.whole_shifts import (
    is_success,
    shifted_by_pixels,
    whole_shift,
)
from seiqa_features.pictures.registration.windows import both_show, core_of

SHARPENINGS = 3
"""Number of iterations that restore what resampling takes."""

KERNELS = 2, 1
"""OpenCV's cubic and linear interpolation."""

SMOOTHED = 1.1
"""By this factor, resampling alone can reduce the squared error of noise and artefacts."""

UNSEEN = np.float32(3 / 255)
"""A difference that resampling leaves and nobody sees. Larger ones are hardly reduced: by the
non-negative garrote (Breiman, Technometrics 37, 1995)."""


def realigned(ref: Image.Image, dist: Image.Image, longest: int) -> Image.Image:
    """The degraded picture moved back onto the reference, in the size of the reference.

    What the degraded picture does not show is filled in from the reference, so that a view of it
    tells what happened to the visible part. The extractor ``aligned`` tells how far it had moved
    and how much is not visible. If nothing moved, the pictures cannot be aligned, or too little is
    visible, the degraded picture is returned as it is.

    Parameters
    ----------
    ref, dist : Image.Image
        RGB. The map is estimated with `dist` in the size of `ref`.
    longest : int
        Pictures with a longer side are reduced to it before they are moved back.
    """
    given = dist
    ref, dist = (_no_longer(image, longest) for image in (ref, dist))
    one, other = (_unit(fitted(image, ref.size).convert("L")) for image in (ref, dist))
    found = align(one, other)
    if not is_trusted(found, one.shape):
        by_pixels = shifted_by_pixels(one, other, found.matrix)
        if by_pixels is None:
            return given
        found = replace(found, matrix=by_pixels)
    framed = fitted(dist, frame_of(found.matrix, ref.size, dist.size))
    return Image.fromarray(moved_back(np.asarray(ref), np.asarray(framed), found))


def _no_longer(image: Image.Image, longest: int) -> Image.Image:
    scale = min(1.0, longest / max(image.size))
    width, height = (max(1, round(side * scale)) for side in image.size)
    return fitted(image, (width, height))


def moved_back(ref: Pixels, dist: Pixels, found: Alignment) -> Pixels:
    """The degraded picture moved back, with the reference where it shows nothing.

    It is as sharp as before it was moved.

    Parameters
    ----------
    ref : uint8 [H, W, 3]
    dist : uint8 [h, w, 3]
        The degraded picture in any frame.
    found : Alignment
        Trusted, of the reference and the degraded picture in the size of the reference.
    """
    move = _Move(ref, dist, found)
    if move.whole is not None:
        return move.whole
    return move.filled(move.reference + _seen(move.sharpened() - move.reference))


def both_resampled(ref: Pixels, dist: Pixels, found: Alignment) -> tuple[Pixels, Pixels]:
    """The reference and the degraded picture moved back, both resampled by the same maps.

    What the degraded picture lost when it was moved is then no difference, whatever its frame. The
    parameters are those of `moved_back`.
    """
    move = _Move(ref, dist, found)
    if move.whole is not None:
        return ref, move.whole
    soft = move.softened()
    return move.filled(soft), move.filled(soft + _seen(move.moved - soft))


class _Move:
    """A degraded picture that is moved back; the arguments are those of `moved_back`."""

    def __init__(self, ref: Pixels, dist: Pixels, found: Alignment) -> None:
        self.ref, self.reference = ref, _unit(ref)
        unchanged, framing = np.ones(2), np.divide(dist.shape[1::-1], ref.shape[1::-1])
        matrix = rescaled(found.matrix, unchanged, framing)
        self.warp = Warp(matrix, ref.shape, dist.shape, found.bend)
        core, moving = core_of(found.window), _unit(dist)
        self.shown = both_show(found.matrix, ref.shape, core, found.bend)
        self.moved = self.warp.back(moving)
        # Whole pixels need no resampling, so they win unless the map clearly fits better.
        one, other = (_unit(Image.fromarray(image).convert("L")) for image in (ref, dist))
        shift = shifting(*whole_shift(one, other, matrix))
        shown = both_show(rescaled(shift, unchanged, 1 / framing), ref.shape, core)
        whole = _filled(warp(moving, shift, ref.shape), shown, ref)
        smallest = _squared_error(self.filled(self.moved), ref)
        clearly = _squared_error(whole, ref) > SMOOTHED * smallest
        self.whole = None if clearly else whole

    def filled(self, moved: Grey) -> Pixels:
        """A picture in 0..1 that was moved back, with the reference where it shows nothing."""
        return _filled(moved, self.shown, self.ref)

    def sharpened(self) -> Grey:
        """The picture moved back, as sharp as before it was resampled.

        It was resampled when it was moved, by one of two usual kernels, and again when it was moved
        back. What both took is restored from the picture itself (Van Cittert's iteration), because
        it is more than what small turns and crops change otherwise, and no damage.
        """
        candidates = [self.moved]
        for kernel in KERNELS:
            sharp = self.moved
            for _ in range(SHARPENINGS):
                sharp = np.clip(sharp + self.moved - self._there_and_back(sharp, kernel), 0, 1)
            candidates.append(sharp)
        return min(candidates, key=lambda found: _squared_error(found, self.reference))

    def softened(self) -> Grey:
        """The reference as it is after being moved, by one of two usual kernels, and back."""
        candidates = [self._there_and_back(self.reference, kernel) for kernel in KERNELS]
        return min(candidates, key=lambda found: _squared_error(found, self.moved))

    def _there_and_back(self, image: Grey, kernel: int) -> Grey:
        return self.warp.back(self.warp.away(image, kernel))


def is_trusted(found: Alignment, shape: tuple[int, ...]) -> bool:
    """Whether a picture of the shape [H, W, …] has moved and is to be moved back."""
    return (
        found.moves
        and is_success(found.before, found.after)
        and mostly_inside(found.matrix, shape, found.bend)
    )


def _unit(image: Image.Image | Pixels) -> Grey:
    """float32 in 0..1."""
    return np.asarray(image, np.float32) / np.float32(255)


def _filled(moved: Grey, shown: Mask, ref: Pixels) -> Pixels:
    return np.where(shown[..., None], np.asarray(np.rint(moved * 255), np.uint8), ref)


def _seen(difference: Grey) -> Grey:
    """What is seen of a difference in -1..1."""
    part = 1 - np.square(UNSEEN / np.maximum(np.abs(difference), UNSEEN))
    return np.asarray(difference * part)


def _squared_error(one: Pixels | Grey, other: Pixels | Grey) -> float:
    return float(np.square(one.astype(np.float32) - other).mean())
