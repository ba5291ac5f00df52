"""References of the same scene, even if one is a crop, downscaled or recompressed.

Two data sets may use the same photograph: TID2013 has crops of pictures that LIVE has whole or
downscaled, and RAID shows them through a round window. Pixels and hashes differ, but a model
trained on one data set has seen the scenes of the other.

Key points of both pictures (SIFT: Lowe, "Distinctive image features from scale-invariant
keypoints", IJCV 60(2), 2004) are matched to their nearest neighbours, and the scene is the same if
a single similarity transform (RANSAC) maps enough of them onto each other.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from seiqa_features.datasets.grouping import joined_groups
from seiqa_features.path_texts import text_path
from seiqa_features.pictures.decoding import load_rgb

MAX_REFERENCES = 300
"""Time grows with the square of the number: 300 take about two minutes on one core."""

MAX_COMPARISONS = MAX_REFERENCES * (MAX_REFERENCES - 1) // 2
"""The same limit, where not every reference is compared with every other."""

MIN_COMMON = 20
"""Minimum number of key points that one transform maps onto each other. Among 38 pictures of LIVE,
TID2013 and RAID, the 26 pairs of the same scene have 50 or more in common; of the 677 pairs of
different scenes, none has even 20 matches."""

_LONGEST_SIDE = 512
_KEY_POINTS = 400
_RATIO = 0.75
"""Maximum ratio of the nearest to the second nearest distance (Lowe, section 7.1)."""

_PIXELS = 4.0
"""Maximum distance between a key point and its transformed match."""

_MOST_REDUCED = 4.0
"""Maximum scale ratio between two pictures of a scene; larger ones are chance matches."""


@dataclass(frozen=True)
class _KeyPoints:
    """Positions float32 [n, 2] in pixels, and descriptors float32 [n, 128]."""

    places: np.typing.NDArray[np.float32]
    descriptors: np.typing.NDArray[np.float32]


def same_scenes(pictures: Mapping[str, Path]) -> list[tuple[str, str]]:
    """Names of all pairs of pictures that show the same scene.

    Parameters
    ----------
    pictures : mapping of str to Path

    Raises
    ------
    DataError
        A file no longer exists or is not an image.
    """
    found = {name: _key_points(path) for name, path in pictures.items()}
    return [
        (one, other)
        for (one, a), (other, b) in combinations(found.items(), 2)
        if _in_common(a, b) >= MIN_COMMON
    ]


def reference_scenes(pairs: pd.DataFrame) -> list[tuple[str, str]] | None:
    """`same_scenes` of a table's references, named by their first pair_id; None if too many.

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


def scenes_across(pairs: pd.DataFrame) -> list[tuple[str, str]] | None:
    """References of different collections that show the same scene, by their pixel hashes.

    Parameters
    ----------
    pairs : pd.DataFrame
        A pair table with a column `collection`.

    Returns
    -------
    list of (str, str)
        References with equal pixels are not listed; None if there are too many to compare.

    Raises
    ------
    DataError
        As `same_scenes`.
    """
    there = pairs.loc[pairs["collection"].notna(), ["collection", "ref_key", "ref_path"]]
    where = there.groupby("ref_key")["collection"].agg(set)
    first = there.drop_duplicates("ref_key").set_index("ref_key")["ref_path"]
    apart = [
        (str(one), str(other))
        for one, other in combinations(where.index, 2)
        if len(where[one] | where[other]) > 1
    ]
    if len(apart) > MAX_COMPARISONS:
        return None
    found = {key: _key_points(text_path(str(path))) for key, path in first.items()}
    return [
        (one, other) for one, other in apart if _in_common(found[one], found[other]) >= MIN_COMMON
    ]


def one_group_per_scene(
    pairs: pd.DataFrame, scenes: Sequence[Sequence[str]] | None = None
) -> pd.DataFrame:
    """The pair table with one group for every scene that several collections show.

    Parameters
    ----------
    pairs : pd.DataFrame
        Without a column `collection` it is returned unchanged.
    scenes : sequence of (str, str), optional
        References that show the same scene, if this is known [they are looked for].

    Returns
    -------
    pd.DataFrame
        With `attrs["scenes"]`, the references found; None if there are too many to compare.

    Raises
    ------
    DataError
        A reference no longer exists or is not an image.
    """
    if "collection" not in pairs:
        return pairs
    same = scenes_across(pairs) if scenes is None else scenes
    shown = [(key, place) for place, keys in enumerate(same or ()) for key in keys]
    keys, places = [key for key, _ in shown], [place for _, place in shown]
    scene = dict(zip(keys, joined_groups(keys, places), strict=True))
    references, known = pd.factorize(pairs["ref_key"])
    scenes_of = pd.factorize(pd.Index([scene.get(key, key) for key in known]))[0]
    table = pairs.assign(group_id=joined_groups(pairs["group_id"], scenes_of[references]))
    table.attrs = {**pairs.attrs, "scenes": None if same is None else [list(pair) for pair in same]}
    return table


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
    """Number of key points that one similarity transform maps from `a` to `b`."""
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
