"""Runs side by side: which one is better, and what cannot be compared."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

from tests.pipelines.conftest import Cli
from tests.pipelines.report.made_run import kinds_metrics


@pytest.fixture
def good(cli: Cli, tmp_path: Path) -> Path:
    """A run of fit-table on a column that sees the label; 10 references × 6 rows."""
    rng = np.random.default_rng(0)
    mos = rng.uniform(1, 5, 60)
    table = pd.DataFrame(
        {
            "ref": np.repeat([f"r{k}" for k in range(10)], 6),
            "mos": mos,
            "sharp": mos + 0.3 * rng.normal(size=60),
            "dull": mos + 3 * rng.normal(size=60),
        }
    )
    table.to_csv(tmp_path / "table.csv", index=False)
    (tmp_path / "plain.yaml").write_text(
        yaml.safe_dump({"features": {"psnr": ["max256"]}, "learners": ["ridge"], "workers": 1})
    )
    return fit(cli, "good")


def fit(cli: Cli, name: str, *drop: str) -> Path:
    code, _, err = cli(
        *("fit-table", "table.csv", "--label", "mos", "--group", "ref", "--config", "plain.yaml"),
        *("--out", name, *(part for column in drop for part in ("--drop", column))),
    )
    assert code == 0, err
    return Path(name)


def edited(run: Path, name: str, **columns: object) -> Path:
    """A copy of a run with other values in its predictions.csv, and no note of what they were."""
    copy = Path(shutil.copytree(run, name))
    (copy / "run.json").unlink()
    predictions = pd.read_csv(run / "predictions.csv").assign(**columns)
    predictions.to_csv(copy / "predictions.csv", index=False)
    return copy


def test_the_same_run_twice_shows_no_difference(cli: Cli, good: Path) -> None:
    code, out, err = cli("compare", good, edited(good, "again"))
    assert code == 0, err
    assert (
        "again against good: no difference shown; final +0.0000 (+0.0000 to +0.0000), p = 1.000,"
        " on 60 pairs of 10 groups"
    ) in out


def test_a_run_without_the_good_column_is_worse(cli: Cli, good: Path) -> None:
    poor = fit(cli, "poor", "sharp")
    code, out, err = cli("compare", good, poor, edited(good, "again"))
    assert code == 0, err
    finals = [json.loads((run / "metrics.json").read_text())["honest"]["final"]
              for run in (good, poor)]  # fmt: skip
    found = re.search(r"poor against good: worse; final (\S+) \((\S+) to (\S+)\), p = (\S+),", out)
    assert found is not None, out
    difference, low, high, p_value = map(float, found.groups())
    assert difference == pytest.approx(finals[1] - finals[0], abs=1e-4)
    assert low < difference < high < 0
    assert p_value < 0.05
    assert "again against good: no difference shown" in out
    _, out, _ = cli("compare", poor, good)
    assert f"good against poor: better; final {-difference:+.4f}" in out


def test_the_table_says_what_each_run_is(cli: Cli, good: Path) -> None:
    kinds = {**kinds_metrics()["transfer"], "final": 0.1234}
    other = edited(good, "other")
    metrics = json.loads((good / "metrics.json").read_text())
    (other / "metrics.json").write_text(json.dumps({**metrics, "transfer": kinds}))
    _, out, _ = cli("compare", good, other)
    heading, *rows = out.splitlines()[:3]
    assert heading.split() == [
        *("run", "data", "config", "n", "final", "SROCC", "PLCC", "gap", "best", "single"),
        *("kind", "unseen", "s", "a", "pair", "training", "s", "GB"),
    ]
    honest = metrics["honest"]
    low, high = honest["interval"]
    figures = (
        f"table.csv plain 60 {honest['final']:.4f} ({low:.3f} to {high:.3f}) {honest['srocc']:.4f}"
        f" {honest['plcc']:.4f} {metrics['gap']:+.4f} {metrics['best_single']['final']:.4f}"
    )
    spent = json.loads((good / "run.json").read_text())["training"]["spent"]
    effort = f"{spent['seconds']:.3g} {spent['gigabytes']:.2f}"
    assert " ".join(rows[0].split()) == f"good {figures} {effort}"
    assert " ".join(rows[1].split()) == f"other {figures} 0.1234"  # it has no record


def test_seconds_and_memory_are_those_of_the_steps(cli: Cli, seiqa_data: Path, quick: Path) -> None:
    """Features that another run computed have seconds, but no memory, in this one."""
    for name in ("first", "again"):
        assert cli("run", seiqa_data, "--config", quick, "--run", name, "--cache", "cache")[0] == 0
    _, out, _ = cli("compare", "first", "again", "--json")
    first, again = json.loads(out)["runs"]
    steps = json.loads(Path("first/run.json").read_text())
    features, training = (steps[name]["spent"] for name in ("features", "training"))
    per_pair = json.loads(Path("first/features.json").read_text())["seconds_per_pair"]
    assert first["effort"] == {
        "seconds_per_pair": per_pair + first["metrics"]["seconds_per_row"],
        "training_seconds": training["seconds"],
        "gigabytes": max(features["gigabytes"], training["gigabytes"]),
        "gpu_gigabytes": 0,
    }
    assert training["seconds"] > first["metrics"]["seconds"]["evaluate"]
    assert again["effort"]["seconds_per_pair"] > 0
    assert again["effort"]["gigabytes"] is None
    # What the features of a run took is kept when they are found in the store later.
    step = ("features", seiqa_data, "--config", quick, "--run", "first", "--cache", "cache")
    assert cli(*step)[0] == 0
    assert json.loads(Path("first/run.json").read_text())["features"]["spent"] == features


def test_only_rows_that_both_predicted_are_compared(cli: Cli, good: Path) -> None:
    fewer = edited(good, "fewer")
    predictions = pd.read_csv(good / "predictions.csv")
    predictions.iloc[::-1].iloc[:30].to_csv(fewer / "predictions.csv", index=False)
    code, out, err = cli("compare", good, fewer)
    assert code == 0, err
    assert "fewer against good: no difference shown; final +0.0000" in out
    assert "on 30 pairs of 5 groups" in out


def test_what_cannot_be_compared_is_said_after_what_can(cli: Cli, good: Path) -> None:
    mos = pd.read_csv(good / "predictions.csv")["mos"]
    relabelled = edited(good, "relabelled", mos=mos.where(mos.index > 2, 0.5))
    apart = edited(good, "apart", row=range(1000, 1060))
    images = edited(good, "images")
    predictions = pd.read_csv(good / "predictions.csv").rename(columns={"row": "pair_id"})
    predictions.to_csv(images / "predictions.csv", index=False)
    code, out, err = cli("compare", good, relabelled, apart, images, edited(good, "again"))
    assert code == 3
    assert "again against good: no difference shown" in out
    assert err.splitlines() == [
        "seiqa: relabelled and good have different labels for 3 of 60 pairs of the same name: not"
        " compared; train them on the same data",
        "seiqa: apart and good share no pairs: nothing to compare; train them on the same data",
        "seiqa: images and good share no pairs: nothing to compare; train them on the same data",
    ]


def test_folders_that_hold_no_run_are_all_named(cli: Cli, good: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    code, out, err = cli("compare", good, "empty", "nowhere")
    assert code == 3
    assert out == ""
    assert err.splitlines() == [
        f"seiqa: {name}: no metrics.json in it; name the folder of a trained run"
        for name in ("empty", "nowhere")
    ]


@pytest.mark.parametrize("name", ["metrics.json", "predictions.csv"])
def test_files_of_different_trainings_are_not_compared(cli: Cli, good: Path, name: str) -> None:
    poor = fit(cli, "poor", "sharp")
    shutil.copy(poor / name, good / name)
    code, out, err = cli("compare", poor, good)
    assert code == 3
    assert out == ""
    assert err == (
        f"seiqa: good/{name}: not the file that `seiqa fit-table` wrote (changed, or of another"
        " run); run `seiqa fit-table` again\n"
    )


def test_one_run_is_nothing_to_compare(cli: Cli) -> None:
    code, _, err = cli("compare", "runs/one")
    assert code == 2
    assert err == "seiqa: compare needs two run folders or more; the first is the baseline\n"


def test_relations_that_the_models_keep_are_a_table_of_their_own(cli: Cli, good: Path) -> None:
    judged, plain = edited(good, "judged"), edited(good, "plain")
    metrics = json.loads((good / "metrics.json").read_text())
    sense = kinds_metrics()["sense"]
    (judged / "metrics.json").write_text(json.dumps({**metrics, "sense": sense}))
    code, out, err = cli("compare", good, judged, plain)
    assert code == 0, err
    lines = [" ".join(line.split()) for line in out.splitlines()]
    at = lines.index("relations kept good judged plain")
    assert lines[at + 1 : at + 5] == [
        "identity on top – 1.000 –",
        "harmless above damaging – 0.921 –",
        "mean – 0.961 –",
        "photographs – 2 –",
    ]
    _, out, _ = cli("compare", good, plain)
    assert "relations kept" not in out
