"""Pictures that occur more than once: the same bytes, or nearly the same to the eye."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

NEAR_BITS = 4
"""64-bit perceptual hashes count as nearly the same if they differ in at most this many bits."""

_SHOWN = 10
"""Maximum number of examples listed; all are counted."""


def find_duplicates(
    pairs: pd.DataFrame,
    hashes: Mapping[str, int] | None,
    scenes: Sequence[tuple[str, str]] | None,
) -> dict[str, Any]:
    """Find repetitions that leak training data into a test.

    Parameters
    ----------
    pairs : DataFrame
        With ``pair_id, group_id, split, mos, ref_key, dist_key``.
    hashes : mapping of pair_id to int, or None
        64-bit perceptual hash of each pair's reference image.
    scenes : sequence of (str, str), or None
        pair_ids of any two pairs whose references show the same scene.

    Returns
    -------
    dict, each with ``n`` and up to 10 ``examples``
        ``pairs``: the same two images again (pair_ids); ``disagreeing``: such pairs whose labels
        differ; ``references_in_groups``: a reference image in two groups;
        ``references_in_splits`` and ``distorted_in_splits``: an image in two of train, val and
        test; ``identical``: reference and distorted image are the same. ``near``: references
        of different groups whose hashes differ in at most 4 bits; None without hashes.
        ``scenes``: different groups whose references show the same scene; None without scenes.
    """
    same = pairs.groupby(["ref_key", "dist_key"], sort=False)
    labels = same["mos"].agg(lambda mos: mos.nunique() > 1)
    repeated = same["pair_id"].agg(list)[same.size() > 1]
    return {
        "pairs": _named(repeated),
        "disagreeing": _named(repeated[labels[repeated.index]]),
        "references_in_groups": _in_several(pairs, "ref_key", "group_id"),
        "references_in_splits": _in_several(pairs, "ref_key", "split"),
        "distorted_in_splits": _in_several(pairs, "dist_key", "split"),
        "identical": _named(pairs.loc[pairs["ref_key"] == pairs["dist_key"], "pair_id"]),
        "near": None if hashes is None else _near(pairs, hashes),
        "scenes": None if scenes is None else _scenes(pairs, scenes),
    }


def _named(found: pd.Series) -> dict[str, Any]:
    return {"n": len(found), "examples": found.tolist()[:_SHOWN]}


def _in_several(pairs: pd.DataFrame, key: str, what: str) -> dict[str, Any]:
    """Images that occur in several groups or splits, given by their first pair in each."""
    firsts = pairs.drop_duplicates([key, what]).groupby(key, sort=False)["pair_id"]
    return _named(firsts.agg(list)[firsts.size() > 1])


def _scenes(pairs: pd.DataFrame, scenes: Sequence[tuple[str, str]]) -> dict[str, Any]:
    group = dict(zip(pairs["pair_id"], pairs["group_id"], strict=True))
    found = [[one, other] for one, other in scenes if group[one] != group[other]]
    return {"n": len(found), "examples": found[:_SHOWN]}


def _near(pairs: pd.DataFrame, hashes: Mapping[str, int]) -> dict[str, Any]:
    known = pairs[pairs["pair_id"].isin(hashes.keys())].drop_duplicates(["ref_key", "group_id"])
    names, groups = known["pair_id"].to_numpy(), known["group_id"].to_numpy()
    references = known["ref_key"].to_numpy()
    codes = np.array([hashes[name] for name in names], dtype=np.uint64)
    found = []
    for k in range(len(names) - 1):
        later = slice(k + 1, None)
        differing = np.bitwise_count(codes[later] ^ codes[k])
        near = (differing <= NEAR_BITS) & (groups[later] != groups[k])
        near &= references[later] != references[k]  # identical pictures are counted elsewhere
        found += [[str(names[k]), str(names[k + 1 + j])] for j in np.flatnonzero(near)]
    return {"n": len(found), "examples": found[:_SHOWN]}
