"""Audit of a data set: what would mislead a careless evaluation, and which split to trust."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from seiqa_models.audit.duplicates import find_duplicates
from seiqa_models.audit.leaks import find_leaks
from seiqa_models.audit.noise import label_noise, said
from seiqa_models.audit.probes import (
    autocorrelation,
    features_by_split,
    group_only,
    index_only,
    label_histogram,
    spread,
)
from seiqa_models.core.arrays import FloatVector, Rows
from seiqa_models.core.canonical import codes_of
from seiqa_models.core.checks import MIN_GROUPS_TO_EVALUATE, MIN_ROWS_TO_EVALUATE
from seiqa_models.core.columns import scalar_matrix, split_columns
from seiqa_models.core.errors import TableError
from seiqa_models.core.metrics import srocc

ALIKE = 0.2
"""Neighbours count as alike at or above this index-only SROCC on new groups. Labels in random order
stay under .16 (100 draws of 510 labels)."""

_STANDARD_ERRORS = 3
"""With few groups, chance alone exceeds `ALIKE`: the SROCC of unrelated values has a standard error
of about 1 / sqrt(groups)."""

TOO_FEW_GROUPS = _STANDARD_ERRORS**2
"""With no more groups than this, not even an index-only SROCC of 1 would count."""

_SORTED = 0.95
"""Rows count as sorted by label at or above this |SROCC| of label and position."""

_SCATTERED = 0.25
"""Groups are not runs of files if they span more than this share of the files on average."""


def audit(
    pairs: pd.DataFrame,
    features: pd.DataFrame | None = None,
    hashes: Mapping[str, int] | None = None,
    scenes: Sequence[tuple[str, str]] | None = None,
    *,
    seed: int = 0,
) -> dict[str, Any]:
    """Look for anything that makes a model score better in its own tests than on new pictures.

    Parameters
    ----------
    pairs : DataFrame
        With ``pair_id, group_id, split, order, mos, ref_key, dist_key``, the pair table's columns,
        and ``collection`` where there are several, whose labels are then made comparable.
        Probes use the labelled rows of split train; duplicates are searched for in all rows. Lines
        of ``pairs.attrs["label_notes"]``, what the layout says about labels, become warnings.
    features : DataFrame indexed by pair_id, optional
        Feature table; without it, columns are not checked and the forest probe is skipped.
    hashes : mapping of pair_id to int, optional
        64-bit perceptual hash of each pair's reference image, for near-duplicates.
    scenes : sequence of (str, str), optional
        pair_ids of any two pairs whose references show the same scene, cropped or downscaled.
    seed : int
        Seed of folds and of the probing forest.

    Returns
    -------
    dict, JSON-ready
        ``n`` {pairs, labelled, groups, train, val, test}; ``labels`` {histogram, autocorrelation};
        ``sorted``: SROCC of label and position; ``index_only``, ``group_only`` and ``features``:
        see `seiqa_models.audit.probes`; ``duplicates``: see
        `seiqa_models.audit.duplicates.find_duplicates`; ``noise``: see
        `seiqa_models.audit.noise.label_noise`; ``columns`` {constant, leaking}; and ``verdict``
        {splits: "group" or "block", neighbours_alike, reasons, warnings}, where ``splits`` is the
        kind of folds to trust. Anything that could not be measured is None.

    Raises
    ------
    TableError
        A pair is not in the feature table.
    """
    rows = pairs[(pairs["split"] == "train") & pairs["mos"].notna()]
    rows = rows.sort_values(["order", "pair_id"])  # findings depend on file order only
    y, order = _labels(rows), rows["order"].to_numpy(np.float64)
    groups = codes_of(rows["group_id"])[0]
    n_groups = len(np.unique(groups))
    table = None if features is None else _rows_of(features, rows)
    found: dict[str, Any] = {
        "n": {
            "pairs": len(pairs),
            "labelled": len(rows),
            "groups": n_groups,
            **{split: int((pairs["split"] == split).sum()) for split in ("train", "val", "test")},
        },
        "labels": None,
        "sorted": None,
        "index_only": None,
        "group_only": None,
        "features": None,
        "duplicates": find_duplicates(pairs, hashes, scenes),
        "noise": label_noise(pairs, seed=seed),
        "columns": None if table is None else _columns(table, y, groups),
    }
    probed = len(rows) >= MIN_ROWS_TO_EVALUATE and n_groups >= MIN_GROUPS_TO_EVALUATE
    if probed and np.ptp(y) > 0:
        found |= _probes(table, y, groups, order, seed)
    found["verdict"] = _verdict(found, scattered=probed and spread(order, groups) > _SCATTERED)
    found["verdict"]["warnings"] += pairs.attrs.get("label_notes", [])
    return found


def _labels(rows: pd.DataFrame) -> FloatVector:
    """The labels; of several collections in units of their own mean and deviation."""
    y = rows["mos"].to_numpy(np.float64)
    if "collection" not in rows:
        return y
    labels = rows.groupby("collection")["mos"]
    deviation = labels.transform("std", ddof=0).replace(0.0, 1.0)
    return np.asarray((rows["mos"] - labels.transform("mean")) / deviation, np.float64)


def _rows_of(features: pd.DataFrame, rows: pd.DataFrame) -> pd.DataFrame:
    missing = rows.loc[~rows["pair_id"].isin(features.index), "pair_id"]
    if len(missing):
        raise TableError(
            f"{len(missing)} pairs are not in the feature table, first {missing.iloc[0]!r}: "
            "extract their features"
        )
    return features.loc[rows["pair_id"]]


def _columns(table: pd.DataFrame, y: FloatVector, groups: Rows) -> dict[str, Any]:
    scalars, _ = split_columns(table)
    values = pd.DataFrame(scalar_matrix(table, scalars), columns=scalars)
    return {
        "constant": [name for name in scalars if values[name].nunique(dropna=True) < 2],
        "leaking": find_leaks(table, y, groups),
    }


def _probes(
    table: pd.DataFrame | None, y: FloatVector, groups: Rows, order: FloatVector, seed: int
) -> dict[str, Any]:
    single_rows = groups.max() + 1 == len(groups)
    return {
        "labels": {"histogram": label_histogram(y), "autocorrelation": autocorrelation(y, order)},
        "sorted": srocc(order, y),
        "index_only": index_only(y, order, groups, seed=seed),
        "group_only": None if single_rows else group_only(y, groups, seed=seed),
        "features": None
        if table is None
        else features_by_split(table, y, groups, order, seed=seed),
    }


def _verdict(found: Mapping[str, Any], *, scattered: bool) -> dict[str, Any]:
    warnings = _warnings(found)
    verdict = {"splits": "group", "neighbours_alike": False, "warnings": warnings}
    probe = found["index_only"]
    if probe is None:
        few = "too few labelled training pairs or groups, or equal labels: nothing was probed"
        return {**verdict, "reasons": [few]}
    by_index, apart = probe["grouped"], probe["contiguous"]
    bound = max(ALIKE, _STANDARD_ERRORS / np.sqrt(found["n"]["groups"]))
    said = (
        f"a predictor that sees only the file number has SROCC {by_index:.2f} under folds by "
        f"group, {probe['blocked']:.2f} with blocks of 30 files held out and {apart:.2f} with "
        "5 contiguous blocks"
    )
    if by_index < bound:
        reasons = [f"{said}: file order says little about the labels, trust folds by group"]
        return {**verdict, "reasons": [*reasons, *_gap(found)]}
    verdict["neighbours_alike"] = True
    if abs(found["sorted"]) >= _SORTED:
        reasons = ["rows are sorted by label, so file order cannot make folds: use groups"]
    elif scattered:
        reasons = [
            f"{said}: neighbouring files are alike, but groups are scattered over the files and "
            "no run of files holds them: trust folds by group"
        ]
    else:
        verdict["splits"] = "block"
        reasons = [
            f"{said}: neighbouring files are alike, and random or group folds measure memory of "
            "the neighbours: trust only contiguous blocks of file order"
        ]
    return {**verdict, "reasons": [*reasons, *_gap(found)]}


def _gap(found: Mapping[str, Any]) -> list[str]:
    by_split = found["features"]
    if by_split is None:
        return []
    gap = by_split["shuffled"] - by_split["grouped"]
    return [
        f"a quick forest on the features has SROCC {by_split['shuffled']:.3f} under shuffled "
        f"folds, {by_split['grouped']:.3f} on new groups ({gap:+.3f} is what shuffling promises "
        f"too much) and {by_split['contiguous']:.3f} on contiguous blocks"
    ]


def _named(example: Any) -> str:
    """A picture or pair by name, or several of them."""
    return example if isinstance(example, str) else " and ".join(map(str, example))


def _warnings(found: Mapping[str, Any]) -> list[str]:
    twice = found["duplicates"]
    sayings = {
        "references_in_splits": "reference images are in more than one of train, val and test",
        "distorted_in_splits": "distorted images are in more than one of train, val and test",
        "references_in_groups": "reference images are in more than one group: group by reference",
        "near": "pairs of groups have nearly the same reference: give them one group",
        "scenes": "pairs of groups show the same scene, whole, cropped or reduced: give them one"
        " group",
        "pairs": "pairs of images appear more than once",
        "identical": "pairs compare a picture with itself",
    }
    warnings = [
        f"{twice[key]['n']} {said} (such as {_named(twice[key]['examples'][0])})"
        for key, said in sayings.items()
        if twice[key] is not None and twice[key]["n"]
    ]
    warnings += said(found["noise"]) if found["noise"] else []
    columns = found["columns"] or {"leaking": {}, "constant": []}
    warnings += [
        f"column {name} is not a feature: {why}" for name, why in columns["leaking"].items()
    ]
    if columns["constant"]:
        warnings.append(f"columns without variation: {', '.join(columns['constant'])}")
    return warnings
