"""What a run on the demo claimed, beside people's scores of the scenes that were held back."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import pandas as pd
import pytest
import yaml

from pipelines.demo.data import demo_pairs, score_of
from pipelines.demo.verdict import judge
from seiqa_models.core.metrics import final_score
from tests.pipelines.conftest import Cli
from tests.pipelines.demo.test_demo_data import few_pictures

SCENES = ("lighthouse", "sailing2", "woman", "statue", "rapids", "womanhat")


@pytest.fixture
def small_demo(cli: Cli, quick: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A demo of few pictures, its training scenes those that are there and more."""
    monkeypatch.setattr("tests.pipelines.demo.test_demo_data.KEPT", SCENES)
    few_pictures(monkeypatch)
    settings = yaml.safe_load(quick.read_text()) | {
        "features": {"gms": ["max256"], "psnr": ["max256"]}
    }
    quick.write_text(yaml.safe_dump(settings))
    assert cli("demo", tmp_path / "demo")[0] == 0
    return tmp_path / "demo"


def test_claim_and_truth_stand_side_by_side(
    cli: Cli, small_demo: Path, quick: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    code, _, err = cli("run", small_demo, "--config", quick, "--run", run)
    assert code == 0, err
    code, out, err = cli("demo", "--truth", run)
    assert code == 0, err
    verdict = judge(run)
    people = {p.name: score_of(p.rated.dmos) for p in demo_pairs() if p.split == "Test"}
    scores = pd.read_csv(run / "scores.csv").set_index("picture_name")["score"]
    mos = pd.Series(people)
    assert verdict.truth.final == pytest.approx(final_score(mos, scores[mos.index]))
    assert verdict.shown_on == len(mos)
    assert f"{verdict.claim.final:.4f}" in out
    assert f"{verdict.truth.final:.4f}" in out
    assert ("inside the interval for as few as 2 new scenes" in out) == verdict.held
    low, high = verdict.claim.interval
    assert verdict.expected[0] < low < high < verdict.expected[1]
    found = json.loads(cli("demo", "--truth", run, "--json")[1])
    assert found["measured"]["final"] == pytest.approx(verdict.truth.final)
    assert found["claimed"]["pairs"] == verdict.claimed_on
    assert found["inside the interval"] == verdict.held
    steps = [line.split(maxsplit=1)[1] for line in err.splitlines() if line.startswith("  ")]
    assert [step.split()[0] for step in steps] == ["score", "audit", "sense"]
    for step in steps[:2]:  # the third takes a minute, and its verb has tests of its own
        code, out, err = cli(*shlex.split(step))
        assert code == 0, err
        assert out
    assert Path("lost.png").is_file()
    assert (run / "bundle" / "bundle.json").is_file()


def test_another_run_has_no_truth_to_tell(cli: Cli, run_home: Path) -> None:
    code, _, err = cli("demo", "--truth", run_home / "run")
    assert code == 3
    assert "whose test pairs are not the demo's" in err
    assert len(err.strip().splitlines()) == 1


def test_a_run_without_scores_or_training_says_what_to_do(
    cli: Cli, small_demo: Path, quick: Path, tmp_path: Path
) -> None:
    code, _, err = cli("demo", "--truth", tmp_path / "nothing")
    assert code == 3
    assert "is missing; run `seiqa train` first" in err
    for verb in ("features", "train"):
        assert cli(verb, small_demo, "--config", quick, "--run", tmp_path / "run")[0] == 0
    code, _, err = cli("demo", "--truth", tmp_path / "run")
    assert code == 3
    assert "its test pairs have no scores; run `seiqa submit` first" in err


def test_truth_stands_alone(cli: Cli, tmp_path: Path) -> None:
    code, _, err = cli("demo", tmp_path, "--truth", tmp_path)
    assert code == 2
    assert "--truth RUN cannot be combined" in err
