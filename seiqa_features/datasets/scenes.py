"""References that show the same scene, though one is a crop of the other, reduced or recompressed.

Two data sets may take the same photograph: TID2013 has crops of pictures that LIVE shows whole or
reduced, RAID shows them through a round window. Their pixels differ, their hashes too, and a model
that learned from one has seen the scene of the other.

Key points of both pictures (SIFT: Lowe, "Distinctive image features from scale-invariant
keypoints", IJCV 60(2), 2004) are matched, each to its one nearest, and the scene is the same if a
single similarity transform (RANSAC) takes enough of them to each other.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from seiqa_features.files import text_path
from seiqa_features.pictures.decoding import load_rgb

MAX_REFERENCES = 300
"""Time grows with the square of their number: 300 take about two minutes of one core."""

MIN_COMMON = 20
"""Key points that one transform takes to each other. Of 38 pictures of LIVE, TID2013 and RAID, the
26 pairs of the same scene have 50 and more in common; of the 677 of different scenes none has as
many as 20 that match at all."""

_LONGEST_SIDE = 512
_KEY_POINTS = 400
_RATIO = 0.75
"""Of the distance to the nearest and to the second nearest key point (Lowe, section 7.1)."""

_PIXELS = 4.0
"""How far from where the transform takes it a key point may lie."""

_MOST_REDUCED = 4.0
"""Ratio of sizes between two pictures of a scene; beyond it a transform is a chance hit."""


@dataclass(frozen=True)
class _KeyPoints:
    """Places float32 [n, 2] in pixels, and descriptors float32 [n, 128]."""

    places: np.typing.NDArray[np.float32]
    descriptors: np.typing.NDArray[np.float32]


def same_scenes(pictures: Mapping[str, Path]) -> list[tuple[str, str]]:
    """Names of every two pictures that show the same scene.

    Parameters
    ----------
    pictures : mapping of str to Path

    Raises
    ------
    DataError
        A file is not there any more, or no image.
    """
    found = {name: _key_points(path) for name, path in pictures.items()}
    return [
        (one, other)
        for (one, a), (other, b) in combinations(found.items(), 2)
        if _in_common(a, b) >= MIN_COMMON
    ]


def reference_scenes(pairs: pd.DataFrame) -> list[tuple[str, str]] | None:
    """The same of a pair table's references, each named by its first pair_id; None for too many.

    Raises
    ------
    DataError
        As `same_scenes`.
    """
    first = pairs.drop_duplicates("ref_key")
    if len(first) > MAX_REFERENCES:
        return None
    paths = zip(first["pair_id"], first["ref_path"], strict=True)
    return same_scenes({str(name): text_path(str(path)) for name, path in paths})


def _key_points(path: Path) -> _KeyPoints:
    import cv2

    image = load_rgb(path).convert("L")
    image.thumbnail((_LONGEST_SIDE, _LONGEST_SIDE))
    sift: Any = cv2.SIFT_create(_KEY_POINTS)  # type: ignore[attr-defined, unused-ignore]
    points, descriptors = sift.detectAndCompute(np.asarray(image), None)
    places = np.array([point.pt for point in points], dtype=np.float32).reshape(-1, 2)
    if descriptors is None:
        descriptors = np.empty((0, 128), dtype=np.float32)
    return _KeyPoints(places, descriptors)


def _in_common(a: _KeyPoints, b: _KeyPoints) -> int:
    """Key points that one similarity transform takes from `a` to `b`."""
    import cv2

    if min(len(a.places), len(b.places)) < MIN_COMMON:
        return 0
    nearest: dict[int, Any] = {}
    for first, second in cv2.BFMatcher(cv2.NORM_L2).knnMatch(a.descriptors, b.descriptors, k=2):
        known = nearest.get(first.trainIdx)
        closer = known is None or first.distance < known.distance
        if first.distance < _RATIO * second.distance and closer:
            nearest[first.trainIdx] = first
    if len(nearest) < MIN_COMMON:
        return 0
    matches = list(nearest.values())
    transform, kept = cv2.estimateAffinePartial2D(
        a.places[[match.queryIdx for match in matches]],
        b.places[[match.trainIdx for match in matches]],
        ransacReprojThreshold=_PIXELS,
    )
    if transform is None:
        return 0
    scale = float(np.hypot(transform[0, 0], transform[1, 0]))
    plausible = 1 / _MOST_REDUCED < scale < _MOST_REDUCED
    return int(np.count_nonzero(kept)) if plausible else 0
