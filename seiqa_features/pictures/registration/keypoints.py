"""The map between two pictures from matched keypoints, however far one of them has moved.

Phase correlation and ECC find small movements only. A picture that was turned, turned upside down,
mirrored, framed or cropped by a quarter still has most of its keypoints (SIFT: Lowe, IJCV 60,
2004): each is matched with the one in the other picture that looks most like it, if this holds in
both directions, so that repeated print is not matched with a single word. The affine map that most
matches agree on is found by RANSAC (Fischler and Bolles, CACM 24, 1981).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from seiqa_features.pictures.registration.maps import Affine, Grey, rescaled

SIDE = 384
"""Longest side in pixels at which keypoints are sought."""

MOST = 500
"""Largest number of keypoints of a picture; those of the highest contrast are used."""

FAINTEST = 0.02
"""Least contrast of a keypoint. At SIFT's default of .04, charts and diagrams have too few."""

DISTINCT = 0.8
"""Largest ratio of a match's distance to that of the second best match (Lowe's ratio test)."""

LEAST_AGREEING = 5
"""Minimum number of matches that a map explains. Between unrelated pictures it is 3 or 4, and
rarely more; whether the map makes them alike is checked afterwards."""

EXACT = 2.0
"""Largest distance in pixels between a keypoint and where the map moves its match."""

Keypoints = tuple[NDArray[np.float32], Any]
"""Places float32 [n, 2] in pixels, and descriptors [n, 128]."""


def from_keypoints(ref: Grey, dist: Grey) -> Affine | None:
    """The affine map between two luma pictures float32 [H, W] in 0..1; None if none is found.

    Keypoints look different in a mirror, so the mirrored picture is tried as well: the map that
    explains more matches is returned.
    """
    scale = min(1.0, SIDE / max(ref.shape))
    ours = _keypoints(ref, scale)
    if ours is None:
        return None
    agreeing, matrix = _agreed(ours, _keypoints(dist, scale))
    in_mirror, mirrored = _agreed(ours, _keypoints(dist[:, ::-1], scale))
    if in_mirror > agreeing:
        matrix = mirrored
        matrix[0] = np.array([0, 0, dist.shape[1] * scale - 1]) - matrix[0]
    elif not agreeing:
        return None
    whole = np.array([1 / scale, 1 / scale])
    return rescaled(matrix, whole, whole)


def _agreed(ours: Keypoints, theirs: Keypoints | None) -> tuple[int, NDArray[np.float64]]:
    """How many matches agree, and on which affine map [2, 3]; 0 if these are too few."""
    import cv2

    nothing = 0, np.eye(2, 3)
    if theirs is None:
        return nothing
    matcher = cv2.BFMatcher(cv2.NORM_L2)
    back = matcher.match(theirs[1], ours[1])
    alike = [
        best
        for best, second in matcher.knnMatch(ours[1], theirs[1], k=2)
        if best.distance < DISTINCT * second.distance
        and back[best.trainIdx].trainIdx == best.queryIdx
    ]
    if len(alike) < LEAST_AGREEING:
        return nothing
    matrix, agreeing = cv2.estimateAffine2D(
        ours[0][[match.queryIdx for match in alike]],
        theirs[0][[match.trainIdx for match in alike]],
        method=cv2.RANSAC,
        ransacReprojThreshold=EXACT,
    )
    if matrix is None or agreeing.sum() < LEAST_AGREEING:
        return nothing
    return int(agreeing.sum()), np.asarray(matrix, np.float64)


def _keypoints(image: Grey, scale: float) -> Keypoints | None:
    """The keypoints of a picture reduced to this share of its size; None if they are too few."""
    import cv2

    pixels = np.asarray(np.rint(image * 255), np.uint8)
    reduced = cv2.resize(pixels, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    detector = cv2.SIFT.create(nfeatures=MOST, contrastThreshold=FAINTEST)
    found, descriptors = detector.detectAndCompute(reduced, None)
    if len(found) < LEAST_AGREEING:
        return None
    return np.array([point.pt for point in found], np.float32), descriptors
