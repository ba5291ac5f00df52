"""The pair table's contract: columns, types, keys, groups, and every problem named at once."""

from __future__ import annotations

import math
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from seiqa_features.datasets.pairs import (
    COLUMNS,
    Found,
    Pair,
    build_pairs,
    require_pairs,
    training_rows,
)
from seiqa_features.errors import DataError
from seiqa_features.pictures.decoding import load_rgb, pixel_key
from seiqa_features.pictures.index import ImageIndex


@pytest.fixture
def found(tmp_path: Path, save_picture: Callable[..., Path]) -> Found:
    """Two references, one of them there twice as a copy, and four pairs."""
    ref_a = save_picture(tmp_path / "ref a.png", seed=1, height=32, width=40)
    ref_b = save_picture(tmp_path / "ref b.png", seed=2)
    copy = Path(shutil.copy(ref_a, tmp_path / "copy of a.png"))
    dists = [save_picture(tmp_path / f"dist {i}.png", seed=10 + i) for i in range(4)]
    pairs = [
        Pair("p0", ref_a, dists[0], "train", 1.5),
        Pair("p1", ref_b, dists[1], "train", 2.5),
        Pair("p2", copy, dists[2], "test"),
        Pair("p3", ref_b, dists[3], "val", 0.0, group="mine", distortion="fog"),
    ]
    return Found(tmp_path, pairs, label_range=(0.0, 5.0), neighbours_alike=True)


def test_table_is_as_the_contract_says(found: Found, index: ImageIndex) -> None:
    table, problems = build_pairs(found, index, workers=2)
    assert problems == []
    assert tuple(table.columns) == COLUMNS
    assert table["pair_id"].tolist() == ["p0", "p1", "p2", "p3"]
    assert table["split"].tolist() == ["train", "train", "test", "val"]
    assert table["order"].tolist() == [0, 1, 2, 3]
    assert table["order"].dtype == "int64"
    assert table["distortion"].dtype == "str"
    assert table["distortion"].isna().tolist() == [True, True, True, False]
    assert table["distortion"][3] == "fog"
    assert table["mos"].dtype == "float64"
    assert table["mos"].tolist()[:2] == [1.5, 2.5]
    assert math.isnan(table["mos"][2])
    assert table["mos"][3] == 0.0
    assert table["ref_path"].tolist() == [str(pair.ref) for pair in found.pairs]
    assert table["dist_key"][1] == pixel_key(load_rgb(found.pairs[1].dist))
    assert table["ref_size"].tolist() == ["40×32", "64×48", "40×32", "64×48"]
    assert set(table["dist_size"]) == {"64×48"}


def test_attrs_say_what_the_labels_are(found: Found, index: ImageIndex) -> None:
    found.label_kind = "pseudo-label"
    table, _ = build_pairs(found, index)
    assert table.attrs == {
        "source": str(found.source),
        "label_kind": "pseudo-label",
        "label_range": [0.0, 5.0],
        "neighbours_alike": True,
    }


def test_copies_of_a_reference_share_a_group_by_default(found: Found, index: ImageIndex) -> None:
    table, _ = build_pairs(found, index)
    groups = table["group_id"].tolist()
    assert groups[0] == groups[2] == table["ref_key"][0]
    assert groups[1] == table["ref_key"][1] != groups[0]
    assert groups[3] == "mine"


def test_every_problem_is_named_and_its_pair_left_out(
    found: Found, index: ImageIndex, tmp_path: Path
) -> None:
    found.problems.append("what the adapter saw")
    found.pairs[0].dist.write_bytes(b"")
    bad = found.pairs[3].ref  # of two pairs
    bad.write_text("no picture")
    found.pairs.append(Pair("p2", found.pairs[2].ref, found.pairs[2].dist, "train"))
    table, problems = build_pairs(found, index)
    assert table["pair_id"].tolist() == ["p2"]
    assert table["order"].tolist() == [2]  # the place in the file, whoever is missing before it
    assert len(problems) == 4
    assert problems[0] == "what the adapter saw"
    assert sum(line.startswith(f"{bad}: not an image") for line in problems) == 1
    assert sum(line.startswith(f"{found.pairs[0].dist}: empty") for line in problems) == 1
    assert problems[-1] == f"{tmp_path}: pair_id 'p2' appears more than once"


def test_nothing_found(index: ImageIndex, tmp_path: Path) -> None:
    table, problems = build_pairs(Found(tmp_path), index)
    assert table.empty
    assert tuple(table.columns) == COLUMNS
    assert problems == [f"{tmp_path}: no image pairs in it"]


def test_require_pairs_stops_at_problems_unless_told() -> None:
    table = pd.DataFrame({"pair_id": ["a"]})
    assert require_pairs(table, [], keep_going=False) is table
    assert require_pairs(table, ["one"], keep_going=True) is table
    with pytest.raises(DataError) as caught:
        require_pairs(table, ["one", "two"], keep_going=False)
    assert caught.value.problems[:2] == ["one", "two"]
    assert "--keep-going" in caught.value.problems[2]
    assert caught.value.exit_code == 3


def test_require_pairs_needs_at_least_one() -> None:
    with pytest.raises(DataError) as caught:
        require_pairs(pd.DataFrame({"pair_id": []}), ["one"], keep_going=True)
    assert caught.value.problems == ["one", "no usable pair is left"]


@pytest.mark.parametrize(
    ("split", "mos", "learned_from"),
    [("train", 0.0, True), ("train", None, False), ("val", 3.0, False), ("test", 3.0, False)],
)
def test_models_learn_from_labelled_pairs_of_the_training_split(
    split: str, mos: float | None, learned_from: bool, found: Found, index: ImageIndex
) -> None:
    pair = replace(found.pairs[0], split=split, mos=mos)
    assert pair.for_training == learned_from
    table, _ = build_pairs(Found(found.source, [pair]), index)
    assert training_rows(table).tolist() == [learned_from]
