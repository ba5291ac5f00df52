"""The audit finds what was planted and nothing else."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

from seiqa_models.audit.audit import audit
from seiqa_models.audit.rendering import render
from seiqa_models.core.errors import TableError

COUNTS = (48, 93, 96, 90, 84, 99)


def drifting_labels(seed: int = 1) -> np.ndarray:
    """Labels like SeIQA's: 510 integers 0..5 that drift from file to file."""
    rng = np.random.default_rng(seed)
    walk = np.zeros(510)
    for k in range(1, 510):
        walk[k] = 0.88 * walk[k - 1] + rng.normal()
    labels = np.empty(510)
    labels[np.argsort(walk)] = np.repeat(np.arange(6.0), COUNTS)
    return labels


def make_pairs(labels: np.ndarray, groups: np.ndarray | None = None) -> pd.DataFrame:
    """A clean pair table: every row its own pictures, and its own group unless given."""
    names = [f"pair{k:04}" for k in range(len(labels))]
    own = pd.Series(names) if groups is None else pd.Series(groups).astype(str)
    return pd.DataFrame(
        {
            "pair_id": names,
            "group_id": own,
            "split": "train",
            "order": range(len(labels)),
            "mos": labels,
            "ref_key": "ref-" + own,
            "dist_key": [f"dist-{name}" for name in names],
        }
    )


@pytest.mark.parametrize("seed", range(5))
def test_neighbours_that_are_alike_are_found_and_blocks_recommended(seed):
    found = json.loads(json.dumps(audit(make_pairs(drifting_labels(seed))), allow_nan=False))
    assert [item["n"] for item in found["labels"]["histogram"]] == list(COUNTS)
    assert found["labels"]["autocorrelation"] == pytest.approx(0.82, abs=0.05)
    probe = found["index_only"]
    assert probe["shuffled"] > 0.7
    assert probe["contiguous"] < probe["shuffled"] - 0.3
    assert found["verdict"]["splits"] == "block"
    assert found["verdict"]["neighbours_alike"] is True
    assert found["verdict"]["warnings"] == []
    assert "trust only contiguous blocks" in found["verdict"]["reasons"][0]
    assert found["group_only"] is None


@pytest.mark.parametrize("seed", range(10))
def test_labels_in_random_order_need_no_blocks(seed):
    labels = np.random.default_rng(seed).permutation(drifting_labels())
    found = audit(make_pairs(labels), seed=seed)
    assert abs(found["index_only"]["shuffled"]) < 0.2
    assert found["verdict"]["splits"] == "group"
    assert found["verdict"]["neighbours_alike"] is False


def test_likeness_inside_a_group_is_what_group_folds_are_for():
    """Runs of files of one reference have alike labels; the references themselves do not."""
    rng = np.random.default_rng(0)
    groups = np.repeat(np.arange(60), 8)
    labels = rng.uniform(0, 5, 60)[groups] + 0.3 * rng.normal(size=480)
    found = audit(make_pairs(labels, groups))
    assert found["index_only"]["shuffled"] > 0.8
    assert found["group_only"] > 0.8
    assert found["verdict"]["splits"] == "group"


def test_groups_scattered_over_the_files_cannot_be_cut_into_runs():
    """File order is level by level: neighbours are alike, but every reference is everywhere."""
    groups = np.tile(np.arange(100), 5)
    labels = np.repeat(np.arange(5.0), 100) + 0.1 * np.random.default_rng(0).normal(size=500)
    shuffled_levels = pd.Series(labels).iloc[np.r_[200:300, 0:100, 400:500, 100:200, 300:400]]
    verdict = audit(make_pairs(shuffled_levels.to_numpy(), groups))["verdict"]
    assert verdict["neighbours_alike"] is True
    assert verdict["splits"] == "group"
    assert "scattered" in verdict["reasons"][0]


def test_a_table_sorted_by_label_is_not_cut_into_blocks_of_labels():
    verdict = audit(make_pairs(np.sort(drifting_labels())))["verdict"]
    assert verdict["splits"] == "group"
    assert "sorted by label" in verdict["reasons"][0]


def test_every_kind_of_duplicate_is_found_and_named():
    pairs = make_pairs(np.random.default_rng(0).permutation(drifting_labels()))
    clean = audit(pairs)
    assert {item["n"] for item in clean["duplicates"].values() if item is not None} == {0}
    assert clean["verdict"]["warnings"] == []
    pairs.loc[1, ["ref_key", "dist_key"]] = pairs.loc[0, ["ref_key", "dist_key"]].to_numpy()
    pairs.loc[:1, "mos"] = [1.0, 2.0]
    pairs.loc[3, ["ref_key", "group_id"]] = pairs.loc[2, ["ref_key", "group_id"]].to_numpy()
    pairs.loc[3, "split"] = "test"
    pairs.loc[5, "dist_key"] = pairs.loc[4, "dist_key"]
    pairs.loc[5, "split"] = "val"
    pairs.loc[6, "dist_key"] = pairs.loc[6, "ref_key"]
    found = audit(pairs)
    twice = found["duplicates"]
    assert twice["pairs"] == {"n": 1, "examples": [["pair0000", "pair0001"]]}
    assert twice["disagreeing"] == twice["pairs"]
    assert twice["references_in_groups"]["examples"] == [["pair0000", "pair0001"]]
    assert twice["references_in_splits"]["examples"] == [["pair0002", "pair0003"]]
    assert twice["distorted_in_splits"]["examples"] == [["pair0004", "pair0005"]]
    assert twice["identical"]["examples"] == ["pair0006"]
    assert len(found["verdict"]["warnings"]) == 6
    assert found["noise"]["widest"] == ["pair0000", "pair0001"]
    assert any("scored more than once" in said for said in found["verdict"]["warnings"])
    assert "near-duplicates  not looked for" in render(found)


def test_scenes_that_other_groups_show_too_are_named():
    pairs = make_pairs(np.random.default_rng(0).permutation(drifting_labels()))
    assert audit(pairs)["duplicates"]["scenes"] is None
    found = audit(pairs, scenes=[("pair0007", "pair0300")])
    assert found["duplicates"]["scenes"] == {"n": 1, "examples": [["pair0007", "pair0300"]]}
    assert "show the same scene, whole, cropped or reduced" in found["verdict"]["warnings"][0]
    pairs.loc[7, "group_id"] = pairs.loc[300, "group_id"]
    assert audit(pairs, scenes=[("pair0007", "pair0300")])["duplicates"]["scenes"]["n"] == 0


def test_near_duplicates_of_other_groups_are_found_by_hash():
    pairs = make_pairs(np.random.default_rng(0).permutation(drifting_labels()))
    rng = np.random.default_rng(1)
    hashes = {name: int(rng.integers(2**63)) for name in pairs["pair_id"]}
    hashes["pair0007"] = hashes["pair0300"] ^ 0b1011
    hashes["pair0008"] = hashes["pair0301"] ^ 0b11111
    found = audit(pairs, hashes=hashes)
    assert found["duplicates"]["near"] == {"n": 1, "examples": [["pair0007", "pair0300"]]}
    assert "nearly the same reference" in found["verdict"]["warnings"][0]
    pairs.loc[7, "group_id"] = pairs.loc[300, "group_id"]
    assert audit(pairs, hashes=hashes)["duplicates"]["near"]["n"] == 0


def test_columns_that_are_constant_or_leak_are_named_and_the_gap_measured():
    """The features know which reference a row belongs to and nothing else."""
    rng = np.random.default_rng(0)
    groups = np.repeat(np.arange(40), 5)
    labels = rng.uniform(0, 5, 40)[groups] + 0.2 * rng.normal(size=200)
    pairs = make_pairs(labels, groups)
    features = pd.DataFrame(
        rng.normal(size=(40, 4))[groups], index=pairs["pair_id"], columns=list("abcd")
    )
    features["empty"], features["copy"] = np.nan, 2 * labels
    found = audit(pairs, features.sample(frac=1, random_state=0))
    assert found["columns"] == {"constant": ["empty"], "leaking": {"copy": "the label's twin"}}
    by_split = audit(pairs, features[list("abcd")])["features"]
    assert by_split["shuffled"] > 0.8
    assert by_split["grouped"] < 0.4
    text = render(found)
    assert "warning: column copy is not a feature: the label's twin" in text
    assert "warning: columns without variation: empty" in text


def test_pairs_without_features_are_named():
    pairs = make_pairs(drifting_labels())
    features = pd.DataFrame({"a": np.arange(509.0)}, index=pairs["pair_id"][1:])
    with pytest.raises(TableError, match="1 pairs are not in the feature table, first 'pair0000'"):
        audit(pairs, features)


@pytest.mark.parametrize("labels", [np.full(40, np.nan), np.full(40, 3.0), np.arange(6.0)])
def test_without_enough_labels_nothing_is_claimed(labels):
    found = json.loads(json.dumps(audit(make_pairs(labels)), allow_nan=False))
    assert found["index_only"] is None
    assert "nothing was probed" in found["verdict"]["reasons"][0]
    assert render(found).splitlines()[-2] == "verdict: splits by group"


def test_published_tables_are_to_be_split_by_reference(shared):
    table = pd.read_csv(shared / "data/tables/tid2013_dev_metrics.csv")
    found = audit(make_pairs(table["MOS"].to_numpy(), table["ref_img"].to_numpy()))
    assert found["verdict"]["splits"] == "group"
    assert found["verdict"]["warnings"] == []


def test_rendered_text_holds_figures_and_verdict():
    text = render(audit(make_pairs(drifting_labels()))).splitlines()
    assert (
        text[0] == "510 pairs (510 train, 0 val, 0 test), 510 labelled for training in 510 groups"
    )
    assert text[1] == "labels  0: 48, 1: 93, 2: 96, 3: 90, 4: 84, 5: 99"
    assert text[3].startswith("SROCC of file number alone  shuffled 0.8")
    assert text[-2] == "verdict: splits by block"


def test_what_a_layout_says_about_its_labels_is_a_warning():
    pairs = make_pairs(drifting_labels())
    pairs.attrs["label_notes"] = ["these labels are integers"]
    found = audit(pairs)
    assert found["verdict"]["warnings"] == ["these labels are integers"]
    assert "warning: these labels are integers" in render(found)
