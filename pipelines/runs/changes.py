"""Changes to the data since the features were computed from it."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import pandas as pd

from pipelines.runs.folder import Extracted
from pipelines.settings import Settings
from seiqa_features.datasets import find_pairs
from seiqa_features.datasets.pairs import build_pairs
from seiqa_features.datasets.scenes import one_group_per_scene
from seiqa_features.errors import DataError
from seiqa_features.pictures.index import ImageIndex
from seiqa_features.table.keys import KEYS

EXAMPLES = 3
"""Number of pairs listed per type of change."""

NAMES = {
    "mos": "label", "split": "split", "group_id": "group", "distortion": "kind of distortion",
    "collection": "collection", "pair_id": "name", "picture": "picture's name",
    "order": "place in the order",
}  # fmt: skip
"""Columns that can change for a pair with the same pixels, the most important first."""

logger = logging.getLogger(__name__)


def require_same_data(settings: Settings, found: Extracted) -> None:
    """Refuse features whose data has changed, or is not the data named by the settings.

    Labels, manifests and folders are read again; a picture is decoded only if its file changed.

    Raises
    ------
    DataError
        The message says what differs and what to do.
    """
    meta = found.meta
    data = settings.named_data() if settings.data else tuple(map(Path, _listed(meta["data"])))
    shown = " ".join(map(str, data))
    if settings.data is None and not all(path.exists() for path in data):
        logger.warning("%s is gone; the labels that were read with the features are used", shown)
        return
    cache = Path(meta["cache"])
    now, problems = build_pairs(
        find_pairs(data, settings.dmos),
        ImageIndex(cache if cache.is_dir() else settings.cache),
        workers=settings.workers,
    )
    now = now[~now["pair_id"].isin(meta["failed"])]
    now = one_group_per_scene(now, found.pairs.attrs.get("scenes") or ())
    if differences := describe(found.pairs, now):
        known = set(meta["left_out"])
        raise DataError(
            [
                *(problem for problem in problems if problem not in known),
                f"{settings.run}: its features were not made from {shown} as it is now:"
                f" {', '.join(differences)}; run `seiqa features` again (what the store holds is"
                " not computed again)",
            ]
        )


def _listed(data: str | list[str]) -> list[str]:
    return [data] if isinstance(data, str) else data


def describe(then: pd.DataFrame, now: pd.DataFrame) -> list[str]:
    """Short descriptions of how a pair table differs from an earlier one; empty if it does not.

    Pairs are identified by their pixels, not their names.
    """
    old, new = _by_pixels(then), _by_pixels(now)
    gone, added = old[~old.index.isin(new.index)], new[~new.index.isin(old.index)]
    edited = added["pair_id"].isin(gone["pair_id"])
    same_name = gone["pair_id"].isin(added["pair_id"])
    differences = [
        *_counted(added[edited], "has other pixels", "have other pixels"),
        *_counted(gone[~same_name], "is gone", "are gone"),
        *_counted(added[~edited], "is new", "are new"),
    ]
    both = old.index.intersection(new.index, sort=False)
    old, new = old.loc[both], new.loc[both]
    for column, name in NAMES.items():
        if column not in old or column not in new:
            if (column in old) != (column in new):
                differences.append("the collections differ")
            continue
        differs = old[column].ne(new[column]) & ~(old[column].isna() & new[column].isna())
        if differs.any() and (column != "order" or not differences):
            rows = zip(old["pair_id"][differs], old[column][differs], new[column][differs],
                       strict=True)  # fmt: skip
            shown = [f"{pair_id}: {_shown(a)} then, {_shown(b)} now" for pair_id, a, b in rows]
            differences.append(f"the {name} of {len(shown)} differs ({_some(shown)})")
    for name, what in (("label_kind", "kind of labels"), ("label_range", "label range")):
        if then.attrs.get(name) != now.attrs.get(name):
            differences.append(f"{what}: {then.attrs.get(name)} then, {now.attrs.get(name)} now")
    return differences


def _by_pixels(pairs: pd.DataFrame) -> pd.DataFrame:
    """Index by both pixel keys, and a number for pairs with the same pixels."""
    nth = pairs.groupby(list(KEYS), sort=False).cumcount().rename("nth")
    keyed = pairs.assign(picture=[Path(path).name for path in pairs["dist_path"]])
    return keyed.set_index([keyed[key] for key in KEYS] + [nth])


def _counted(pairs: pd.DataFrame, one: str, several: str) -> list[str]:
    if pairs.empty:
        return []
    count, names = len(pairs), _some(list(pairs["pair_id"]))
    return [f"{count} {'pair ' + one if count == 1 else 'pairs ' + several} ({names})"]


def _some(texts: list[str]) -> str:
    return "; ".join(texts[:EXAMPLES]) + ("; …" if len(texts) > EXAMPLES else "")


def _shown(value: object) -> str:
    if isinstance(value, float):
        return "none" if np.isnan(value) else f"{value:g}"
    return str(value)
