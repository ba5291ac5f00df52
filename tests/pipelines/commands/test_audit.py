"""`seiqa audit` on a folder of pictures, with and without extracted features."""

from __future__ import annotations

import json
from pathlib import Path

import typer
from click.testing import Result
from typer.testing import CliRunner

from pipelines.commands.audit import audit
from tests.pipelines.conftest import Cli

app = typer.Typer()
app.command()(audit)


def run_audit(*arguments: str | Path) -> Result:
    words = [str(argument) for argument in arguments]
    return CliRunner().invoke(app, words, catch_exceptions=False)


def test_says_what_is_in_the_data_and_which_split_to_trust(
    seiqa_data: Path, quick: Path, tmp_path: Path
) -> None:
    """Groups are five scenes of four levels each: file order within them is no memory."""
    out = tmp_path / "audit.json"
    done = run_audit(
        *(seiqa_data, "--config", quick, "--run", tmp_path / "run", "--cache", tmp_path / "cache"),
        *("--out", out),
    )
    assert done.exit_code == 0, done.output
    assert done.stdout.startswith("28 pairs (20 train, 0 val, 8 test), 20 labelled")
    assert "verdict: splits by group" in done.stdout
    found = json.loads(out.read_text())
    assert found["n"]["groups"] == 5
    assert found["duplicates"]["identical"]["n"] == 7
    assert found["features"] is None


def test_looks_at_the_features_of_a_run(
    cli: Cli, seiqa_data: Path, quick: Path, tmp_path: Path
) -> None:
    where = ("--config", quick, "--run", tmp_path / "run", "--cache", tmp_path / "cache")
    assert cli("features", seiqa_data, *where)[0] == 0
    done = run_audit(seiqa_data, *where)
    assert done.exit_code == 0, done.output
    assert "SROCC of a quick forest on the features" in done.stdout


def test_bad_pictures_are_named_and_the_rest_is_audited(
    seiqa_data: Path, quick: Path, tmp_path: Path
) -> None:
    (seiqa_data / "Train" / "Dist" / "000003.png").write_text("no picture")
    done = run_audit(
        *(seiqa_data, "--config", quick, "--run", tmp_path / "run", "--cache", tmp_path / "cache")
    )
    assert done.exit_code == 0, done.output
    assert "000003.png" in done.stderr
    assert done.stdout.startswith("27 pairs")
