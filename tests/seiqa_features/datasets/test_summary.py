"""The lines of `seiqa check`."""

from __future__ import annotations

import numpy as np
import pandas as pd

from seiqa_features.datasets.summary import shared_scenes, summarise


def make_pairs(label_kind: str = "MOS", **columns: object) -> pd.DataFrame:
    table = pd.DataFrame(
        {
            "pair_id": ["a", "b", "c", "d"],
            "mos": [1.0, 4.5, np.nan, np.nan],
            "group_id": ["g", "g", "g", "h"],
            "split": ["train", "train", "test", "test"],
            "distortion": pd.Series([None] * 4, dtype="str"),
            "ref_key": ["r", "r", "r", "s"],
            "dist_key": ["1", "2", "3", "4"],
            "ref_size": ["64×48", "64×48", "64×48", "9×100"],
            "dist_size": ["64×48", "64×46", "64×48", "9×100"],
        }
    ).assign(**columns)
    table.attrs = {"label_kind": label_kind}
    return table


def test_every_line() -> None:
    assert summarise(make_pairs()) == [
        ("usable pairs", "4"),
        ("in train", "2"),
        ("in test", "2"),
        ("with MOS", "2"),
        ("MOS range", "1 to 4.5"),
        ("higher is better", "taken as given"),
        ("image sizes", "9×100 to 64×48"),  # by area, not by name
        ("sizes differ in", "1 pairs (the degraded image takes the reference's size)"),
        ("groups", "2, of 1 to 3 pairs"),
        ("identical pairs", "none"),
        ("duplicate pairs", "none"),
    ]


def test_pseudo_labels_are_called_so() -> None:
    lines = dict(summarise(make_pairs("pseudo-label")))
    assert lines["with pseudo-label"] == "2"
    assert lines["pseudo-label range"] == "1 to 4.5"


def test_turned_labels_are_told() -> None:
    pairs = make_pairs()
    pairs.attrs["turned"] = "100 − DMOS"
    assert dict(summarise(pairs))["higher is better"] == (
        "the label is 100 − DMOS: in the files lower is better"
    )


def test_labels_of_equal_pixels_that_differ_are_told() -> None:
    lines = dict(summarise(make_pairs(dist_key=["1", "1", "3", "3"])))
    assert lines["duplicate pairs"] == (
        "2 (the same pixels as another pair; their labels differ by up to 3.5): a, b"
    )


def test_scenes_of_several_groups_are_named() -> None:
    pairs = make_pairs()
    name = "scenes in two groups"
    assert shared_scenes(pairs, None) == (name, "not looked for: too many references")
    assert shared_scenes(pairs, [("a", "b")]) == (name, "none")
    said = "1 (cropped or reduced; give them one group): a and d"
    assert shared_scenes(pairs, [("a", "b"), ("a", "d")]) == (name, said)


def test_no_labels_have_no_range() -> None:
    lines = dict(summarise(make_pairs(mos=np.nan)))
    assert lines["with MOS"] == "0"
    assert "MOS range" not in lines


def test_one_size() -> None:
    lines = dict(summarise(make_pairs(ref_size="64×48", dist_size="64×48")))
    assert lines["image sizes"] == "64×48"


def test_kinds_of_distortion_are_counted_where_there_are_any() -> None:
    lines = dict(summarise(make_pairs(distortion=["blur", "jpeg", "blur", "jpeg"])))
    assert lines["kinds of distortion"] == "2"
    some = pd.Series(["blur", "blur", None, "rain"], dtype="str")
    lines = dict(summarise(make_pairs(distortion=some)))
    assert lines["kinds of distortion"] == "2 (1 pairs have none)"


def test_identical_and_duplicate_pairs_are_named() -> None:
    lines = dict(summarise(make_pairs(ref_key="r", dist_key=["r", "2", "2", "3"])))
    assert lines["identical pairs"] == "1 (reference and degraded image have the same pixels): a"
    assert lines["duplicate pairs"] == "2 (the same pixels as another pair): b, c"


def test_a_long_list_is_cut() -> None:
    lines = dict(summarise(make_pairs(ref_key="r", dist_key="r")))
    assert lines["identical pairs"].endswith(": a, b, c, …")
    assert lines["identical pairs"].startswith("4 (")


def test_nothing() -> None:
    assert summarise(make_pairs().iloc[:0]) == [("usable pairs", "0")]
