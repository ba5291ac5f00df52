"""Summary of a pair table, as the lines that `seiqa check` prints."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from seiqa_features.datasets.pairs import SPLITS


def summarise(pairs: pd.DataFrame) -> list[tuple[str, str]]:
    """(name, value) lines: pairs per split, labels, kinds, sizes, groups, duplicates."""
    if pairs.empty:
        return [("usable pairs", "0")]
    labels = pairs["mos"].dropna()
    kind = pairs.attrs["label_kind"]
    per_split = pairs["split"].value_counts()
    lines = [
        ("usable pairs", str(len(pairs))),
        *[(f"in {split}", str(per_split[split])) for split in SPLITS if split in per_split],
        (f"with {kind}", str(len(labels))),
    ]
    collections = pairs.attrs.get("collections", {})
    if collections:
        lines += [_collection(pairs, name, known) for name, known in collections.items()]
        lines.append(("scenes of several", _shared(pairs)))
    elif len(labels):
        lines.append((f"{kind} range", f"{labels.min():g} to {labels.max():g}"))
        lines.append(("higher is better", _direction(pairs.attrs.get("turned"))))
    if pairs["distortion"].notna().any():
        lines.append(("kinds of distortion", _kinds(pairs["distortion"])))
    sizes = sorted(
        pd.concat([pairs["ref_size"], pairs["dist_size"]]).unique(),
        key=lambda size: math.prod(map(int, size.split("×"))),
    )
    groups = pairs["group_id"].value_counts()
    lines += [
        ("image sizes", sizes[0] if len(sizes) == 1 else f"{sizes[0]} to {sizes[-1]}"),
        ("sizes differ in", f"{(pairs['ref_size'] != pairs['dist_size']).sum()} pairs"
         " (the degraded image takes the reference's size)"),
        ("groups", f"{len(groups)}, of {groups.min()} to {groups.max()} pairs"),
        ("identical pairs", _identical(pairs)),
        ("duplicate pairs", _duplicates(pairs)),
    ]  # fmt: skip
    return lines


def shared_scenes(pairs: pd.DataFrame, scenes: Sequence[tuple[str, str]] | None) -> tuple[str, str]:
    """The line about scenes shared by several groups; `scenes` is from `reference_scenes`."""
    name = "scenes in two groups"
    if scenes is None:
        return name, "not looked for: too many references"
    ids = [pair_id for scene in scenes for pair_id in scene]
    there = pairs.loc[pairs["pair_id"].isin(ids), ["pair_id", "group_id"]]
    group = dict(zip(there["pair_id"], there["group_id"], strict=True))
    apart = [f"{one} and {other}" for one, other in scenes if group[one] != group[other]]
    if not apart:
        return name, "none"
    more = "; …" if len(apart) > 3 else ""
    return (
        name,
        f"{len(apart)} (cropped or reduced; give them one group): {'; '.join(apart[:3])}{more}",
    )


def _collection(pairs: pd.DataFrame, name: str, known: Mapping[str, Any]) -> tuple[str, str]:
    rows = pairs.loc[pairs["collection"] == name, ["mos", "group_id"]]
    labels = rows["mos"].dropna()
    said = f"{len(rows)} pairs in {rows['group_id'].nunique()} groups, "
    if labels.empty:
        return (f"collection {name}", said + "no label")
    return (
        f"collection {name}",
        f"{said}label {labels.min():g} to {labels.max():g}, higher is better:"
        f" {_direction(known['turned'])}",
    )


def _shared(pairs: pd.DataFrame) -> str:
    """The groups that have pairs of several collections."""
    known = pairs.loc[pairs["collection"].notna(), ["group_id", "collection"]]
    where = known.groupby("group_id")["collection"].agg(set)
    several = where[where.map(len) > 1]
    if "scenes" in pairs.attrs and pairs.attrs["scenes"] is None:
        return f"{len(several)} known; too many references to compare all"
    if several.empty:
        return "none"
    first = pairs.drop_duplicates(["group_id", "collection"])
    named = [
        " = ".join(Path(path).name for path in first.loc[first["group_id"] == group, "ref_path"])
        for group in several.index[:3]
    ]
    return f"{len(several)}, each one group: {'; '.join(named)}{'; …' if len(several) > 3 else ''}"


def _kinds(kinds: pd.Series) -> str:
    unknown = int(kinds.isna().sum())
    return f"{kinds.nunique()}" + (f" ({unknown} pairs have none)" if unknown else "")


def _direction(turned: str | None) -> str:
    if turned is None:
        return "taken as given"
    return f"the label is {turned}: in the files lower is better"


def _identical(pairs: pd.DataFrame) -> str:
    same = pairs.loc[pairs["ref_key"] == pairs["dist_key"], "pair_id"]
    return _named(same, "reference and degraded image have the same pixels")


def _duplicates(pairs: pd.DataFrame) -> str:
    keys = ["ref_key", "dist_key", *(["collection"] if "collection" in pairs else [])]
    again = pairs.duplicated(["ref_key", "dist_key"], keep=False)
    twice = pairs.loc[again, ["pair_id", "mos", *keys]]
    labels = twice.groupby(keys)["mos"]
    widest = (labels.max() - labels.min()).max()
    apart = f"; their labels differ by up to {widest:.3g}" if widest > 0 else ""
    return _named(twice["pair_id"], f"the same pixels as another pair{apart}")


def _named(pair_ids: pd.Series, meaning: str) -> str:
    if pair_ids.empty:
        return "none"
    more = ", …" if len(pair_ids) > 3 else ""
    return f"{len(pair_ids)} ({meaning}): {', '.join(pair_ids.head(3))}{more}"
