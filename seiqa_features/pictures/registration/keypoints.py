"""The map between two pictures from matched keypoints, however far one of them has moved.

Phase correlation and ECC find small movements only. A picture that was turned, turned upside down,
mirrored, framed or cropped by a quarter still has most of its keypoints (SIFT: Lowe, IJCV 60,
2004): those that look alike in both are matched, and the affine map that most of them agree on is
found by RANSAC (Fischler and Bolles, CACM 24, 1981).
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

DISTINCT = 0.8
"""Largest ratio of a match's distance to that of the second best match (Lowe's ratio test)."""

LEAST_AGREEING = 10
"""Minimum number of matches that a map explains. Between unrelated pictures it is about 4."""

EXACT = 2.0
"""Largest distance in pixels between a keypoint and where the map moves its match."""

Keypoints = tuple[NDArray[np.float32], Any]
"""Places float32 [n, 2] in pixels, and descriptors [n, 128]."""


def from_keypoints(ref: Grey, dist: Grey) -> Affine | None:
    """The affine map between two luma pictures float32 [H, W] in 0..1; None if none is found.

    Keypoints look different in a mirror, so the mirrored picture is tried if the other fails.
    """
    scale = min(1.0, SIDE / max(ref.shape))
    ours = _keypoints(ref, scale)
    if ours is None:
        return None
    found = _agreed(ours, _keypoints(dist, scale))
    if found is None:
        found = _agreed(ours, _keypoints(dist[:, ::-1], scale))
        if found is not None:
            found[0] = np.array([0, 0, dist.shape[1] * scale - 1]) - found[0]
    return None if found is None else rescaled(found, np.array([scale, scale]))


def _agreed(ours: Keypoints, theirs: Keypoints | None) -> NDArray[np.float64] | None:
    """The affine map [2, 3] that most matches agree on; None if these are too few."""
    import cv2

    if theirs is None:
        return None
    pairs = cv2.BFMatcher(cv2.NORM_L2).knnMatch(ours[1], theirs[1], k=2)
    alike = [best for best, second in pairs if best.distance < DISTINCT * second.distance]
    if len(alike) < LEAST_AGREEING:
        return None
    matrix, agreeing = cv2.estimateAffine2D(
        ours[0][[match.queryIdx for match in alike]],
        theirs[0][[match.trainIdx for match in alike]],
        method=cv2.RANSAC,
        ransacReprojThreshold=EXACT,
    )
    if matrix is None or agreeing.sum() < LEAST_AGREEING:
        return None
    return np.asarray(matrix, np.float64)


def _keypoints(image: Grey, scale: float) -> Keypoints | None:
    """The keypoints of a picture reduced to this share of its size; None if they are too few."""
    import cv2

    pixels = np.asarray(np.rint(image * 255), np.uint8)
    reduced = cv2.resize(pixels, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    found, descriptors = cv2.SIFT.create(nfeatures=MOST).detectAndCompute(reduced, None)
    if len(found) < LEAST_AGREEING:
        return None
    return np.array([point.pt for point in found], np.float32), descriptors
