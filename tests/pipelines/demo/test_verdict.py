"""What a run on the demo claimed, beside people's scores of the scenes that were held back."""

from __future__ import annotations

import json
import shlex
import shutil
from pathlib import Path

import pandas as pd
import pytest
import yaml

from pipelines.demo.data import demo_pairs, score_of
from pipelines.demo.verdict import judge
from seiqa_models.core.metrics import final_score
from tests.pipelines.conftest import Cli
from tests.pipelines.demo.test_demo_data import few_pictures


@pytest.fixture
def trained(
    cli: Cli, quick: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> tuple[Path, Path]:
    """A run on a small demo, its training scenes those that are there and more: (data, run)."""
    monkeypatch.setattr("tests.pipelines.demo.test_demo_data.KEPT", SCENES)
    few_pictures(monkeypatch)
    settings = yaml.safe_load(quick.read_text()) | {
        "features": {"gms": ["max256"], "psnr": ["max256"]}
    }
    quick.write_text(yaml.safe_dump(settings))
    data, run = tmp_path / "demo", tmp_path / "run"
    for arguments in (("demo", data), ("run", data, "--config", quick, "--run", run)):
        code, _, err = cli(*arguments)
        assert code == 0, err
    return data, run


SCENES = ("lighthouse", "sailing2", "woman", "statue", "rapids", "womanhat")


def test_claim_and_truth_stand_side_by_side(cli: Cli, trained: tuple[Path, Path]) -> None:
    _, run = trained
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


def test_another_run_has_no_truth_to_tell(
    cli: Cli, quick: Path, seiqa_data: Path, tmp_path: Path
) -> None:
    assert cli("run", seiqa_data, "--config", quick, "--run", tmp_path / "other")[0] == 0
    code, _, err = cli("demo", "--truth", tmp_path / "other")
    assert code == 3
    assert "whose test pairs are not the demo's" in err
    assert len(err.strip().splitlines()) == 1


def test_a_run_without_scores_or_training_says_what_to_do(
    cli: Cli, trained: tuple[Path, Path], tmp_path: Path
) -> None:
    code, _, err = cli("demo", "--truth", tmp_path / "nothing")
    assert code == 3
    assert "is missing; run `seiqa train` first" in err
    data, run = trained
    shutil.rmtree(run)
    for verb in ("features", "train"):
        assert cli(verb, data, "--config", tmp_path / "quick.yaml", "--run", run)[0] == 0
    code, _, err = cli("demo", "--truth", run)
    assert code == 3
    assert "its test pairs have no scores; run `seiqa submit` first" in err


def test_truth_stands_alone(cli: Cli, tmp_path: Path) -> None:
    code, _, err = cli("demo", tmp_path, "--truth", tmp_path)
    assert code == 2
    assert "--truth RUN cannot be combined" in err
