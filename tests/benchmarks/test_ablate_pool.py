"""The ablation's shortcut gives what evaluating each pool in full would give."""

from __future__ import annotations

import sys

import ablate_pool
import numpy as np
import pandas as pd
import pytest
from ablate_pool import ablate, sample

from seiqa_models.core.checks import check_training_table
from seiqa_models.evaluation.evaluate import evaluate
from seiqa_models.stack.regressor import SeiqaRegressor


@pytest.fixture
def rows():
    """A published table in small: 3 references, 2 kinds of distortion, 2 metrics."""
    rng = np.random.default_rng(0)
    n = 3 * 2 * 8
    kind = np.tile(np.repeat([1, 2], 8), 3)
    quality = rng.uniform(0, 5, n)
    return pd.DataFrame(
        {
            "ref_img": np.repeat([f"I{i}" for i in range(3)], 16),
            "dist_img": [f"{i}.bmp" for i in range(n)],
            "distortion": kind,
            "MOS": quality + 0.4 * rng.normal(size=n),
            "similarity": quality + 0.3 * kind * rng.normal(size=n),
            "distance": np.exp(-quality) + 0.1 * rng.normal(size=n),
        }
    )


@pytest.fixture(autouse=True)
def _light_pool(monkeypatch):
    """A default pool that is quick to fit."""
    monkeypatch.setattr(ablate_pool, "DEFAULT_POOL", ("ridge", "single"))


def test_a_pool_gets_the_figures_of_a_full_evaluation(rows):
    X, y, groups = rows[["distance", "similarity"]], rows["MOS"], rows["ref_img"]
    table = check_training_table(X, y, groups, kinds=rows["distortion"])
    found = ablate(table, ["nonnegative", "ridge"])
    assert list(found.index) == ["default", "- ridge", "- single", "+ nonnegative", "without @"]
    stack = SeiqaRegressor(("ridge", "single", "nonnegative"))
    full = evaluate(stack, X, y, groups, kinds=rows["distortion"]).to_dict()
    row = found.loc["+ nonnegative"]
    expected = {
        "final": full["honest"]["final"],
        "alone": full["learners"]["nonnegative"]["final"],
        "weight": full["weights"]["mean"]["nonnegative"],
        "new kind final": full["transfer"]["final"],
        "new kind alone": full["transfer"]["learners"]["nonnegative"]["final"],
    }
    assert row[list(expected)].to_dict() == pytest.approx(expected, abs=1e-12)
    assert row["gain"] == pytest.approx(row["final"] - found.loc["default", "final"], abs=1e-12)
    assert 0 < row["p"] <= 1


def test_without_kinds_only_new_references_are_estimated(rows):
    table = check_training_table(rows[["similarity", "distance"]], rows["MOS"], rows["ref_img"])
    found = ablate(table, [])
    assert list(found.columns) == ["final", "gain", "p", "weight", "alone", "seconds"]
    assert found.loc["- single", "final"] == pytest.approx(found.loc["- ridge", "alone"], abs=0.01)


def test_the_four_are_left_out_one_by_one_and_together(monkeypatch):
    pool = ("gp", "catboost", "catboost@8", "ranker")
    monkeypatch.setattr(ablate_pool, "DEFAULT_POOL", pool)
    pools = ablate_pool.pools_of(["gp", "svr"])
    assert pools["- catboost"] == ["gp", "catboost@8", "ranker"]
    assert pools["- catboost@*"] == ["gp", "ranker"]
    assert pools["- the four"] == ["gp"]
    assert pools["+ svr"] == [*pool, "svr"]
    assert pools["without @"] == ["gp", "catboost", "ranker"]
    assert "- ranker@*" not in pools  # it has one representation: the same as "- ranker"


def test_seconds_are_those_of_the_members_that_make_the_difference(rows):
    table = check_training_table(rows[["similarity", "distance"]], rows["MOS"], rows["ref_img"])
    seconds = ablate(table, ["nonnegative"])["seconds"]
    assert (seconds > 0).drop("without @").all()
    assert seconds["default"] == pytest.approx(seconds["- ridge"] + seconds["- single"])
    assert seconds["without @"] == 0  # no member reads components


def test_sample_takes_whole_references_and_the_same_each_time(rows):
    some = sample(rows, "ref_img", 2)
    assert some.groupby("ref_img").size().tolist() == [16, 16]
    pd.testing.assert_frame_equal(some, sample(rows, "ref_img", 2))


def test_command_prints_a_table_for_each_file(rows, tmp_path, monkeypatch, capsys):
    path = tmp_path / "table.csv"
    rows.to_csv(path, index=False)
    monkeypatch.setattr(sys, "argv", ["ablate_pool", str(path), "--learners", "nonnegative"])
    ablate_pool.main()
    printed = capsys.readouterr().out
    assert "table.csv: 48 rows, 3 references, 2 columns" in printed
    assert "+ nonnegative" in printed
    assert "new kind final" in printed


def test_kinds_that_are_kept_back_are_no_feature(rows, tmp_path, monkeypatch, capsys):
    path = tmp_path / "table.csv"
    rows.to_csv(path, index=False)
    monkeypatch.setattr(sys, "argv", ["ablate_pool", str(path), "--kind", "none", "--learners"])
    ablate_pool.main()
    printed = capsys.readouterr().out
    assert "table.csv: 48 rows, 3 references, 2 columns" in printed
    assert "new kind" not in printed
    assert "\n+" not in printed
