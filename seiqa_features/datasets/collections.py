"""Several collections as one data set: scales of their own, and scenes that they share.

A collection is a study: the pairs that one laboratory's observers scored on one scale. Several are
given as several folders or manifests, or as one manifest with a column `collection`. A scene that
two of them show, cropped or reduced, is one group in every split: a model trained on the one has
seen it.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from seiqa_features.datasets.pairs import Collection, Found
from seiqa_features.errors import DataError, UsageError
from seiqa_features.remote.paths import RemotePath

TURNED = "−label"
"""How a label is computed from one that is higher for worse pictures."""


def collection_name(data: Path) -> str:
    """The name of a data set: that of its folder, or of a manifest with its folder's.

    Examples
    --------
    >>> collection_name(Path("/data/live/labels.csv"))
    'live-labels'
    """
    path = data
    if not isinstance(data, RemotePath):
        path = Path(os.path.realpath(data))  # unlike resolve(), it tolerates a loop of links
    return path.name if path.is_dir() else f"{path.parent.name}-{path.stem}"


def merged(parts: Sequence[tuple[str, Found]]) -> Found:
    """The pairs of several data sets, pair_ids and groups with the name of theirs in front.

    Parameters
    ----------
    parts : sequence of (str, Found)
        Name and content of each data set. One that has a column `collection` keeps its collections.

    Raises
    ------
    DataError
        Two collections have the same name.
    """
    names = Counter(known for name, found in parts for known in found.collections or [name])
    if twice := [name for name, count in names.items() if count > 1]:
        raise DataError(
            [f"{', '.join(str(found.source) for _, found in parts)}: two collections are called"
             f" {twice[0]}; rename a folder or manifest, and give each data set once"]
        )  # fmt: skip
    whole = Found(Path(", ".join(str(found.source) for _, found in parts)))
    for name, found in parts:
        _add(whole, name, found)
    return whole


def _add(whole: Found, name: str, found: Found) -> None:
    for pair in found.pairs:
        whole.pairs.append(
            replace(
                pair,
                pair_id=f"{name}/{pair.pair_id}",
                group=None if pair.group is None else f"{name}/{pair.group}",
                collection=pair.collection if found.collections else name,
            )
        )
    whole.problems += found.problems
    whole.left_out += found.left_out
    if found.label_kind != "MOS":
        whole.label_kind = found.label_kind
    whole.neighbours_alike |= found.neighbours_alike
    whole.collections |= found.collections or {
        name: Collection(found.label_range, found.turned, found.identity)
    }


def turn(found: Found, name: str) -> None:
    """Turn the labels of a collection whose labels are higher for worse pictures, in place.

    Raises
    ------
    UsageError
        There is no such collection, or its direction is known.
    """
    known = list(found.collections) or [collection_name(found.source)]
    if name not in known:
        raise UsageError(
            f"setting dmos: there is no collection {name!r}; there are {', '.join(known)}"
        )
    known_already = found.collections[name].turned if found.collections else found.turned
    if known_already:
        raise UsageError(
            f"setting dmos: the labels of {name} are turned already ({known_already}); leave it out"
        )
    for pair in found.pairs:
        if pair.mos is not None and (not found.collections or pair.collection == name):
            pair.mos = 0.0 - pair.mos  # 0 stays 0, and not -0
    if found.collections:
        label_range = _turned_range(found.collections[name].label_range)
        found.collections[name] = Collection(label_range, TURNED)
    else:
        found.label_range, found.turned = _turned_range(found.label_range), TURNED
        found.identity = None


def _turned_range(label_range: tuple[float, float] | None) -> tuple[float, float] | None:
    return None if label_range is None else (0.0 - label_range[1], 0.0 - label_range[0])
