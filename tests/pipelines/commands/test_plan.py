"""`seiqa plan` from the command line."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from pipelines.cli import main
from pipelines.commands.plan import lines
from pipelines.sense.orders import every_edit
from seiqa_features.costs.machines import GPUS
from seiqa_features.costs.model import plan
from seiqa_features.costs.pairs import PairSize
from seiqa_features.table.recipe import Recipe


@pytest.fixture
def manifest(tmp_path: Path, save_picture: Callable[..., Path]) -> Path:
    for name in ("ref", "dist"):
        save_picture(tmp_path / f"{name}.png")
    (tmp_path / "pairs.csv").write_text("ref,dist\nref.png,dist.png\n")
    return tmp_path / "pairs.csv"


def run(*arguments: object) -> int:
    try:
        main(["plan", *map(str, arguments)])
    except SystemExit as stopped:
        return int(stopped.code or 0)
    return 0


def test_the_plan_names_the_machine_the_rate_and_the_limit(
    manifest: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(manifest, "--config", "best", "--device", "H100", "--workers", 16) == 0
    said = {line[:12].strip(): line[14:] for line in capsys.readouterr().out.splitlines()}
    assert list(said) == [
        "machine", "pairs", "blocks", "pairs/s", "time", "limit", "CPU", "GPU", "weights", "store",
        "costs most",
    ]  # fmt: skip
    assert said["machine"] == "h100 and 16 cores"
    assert said["pairs"].startswith("1, 0.00 megapixels")
    assert float(said["pairs/s"]) > 1
    assert said["weights"] == "10.7 GB"
    assert said["costs most"].count("%") == 5
    assert not list(manifest.parent.glob("runs"))  # nothing is written


def test_a_plan_for_a_cpu_has_no_gpu(manifest: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(manifest, "--config", "classical", "--workers", 2) == 0
    said = capsys.readouterr().out
    assert "     machine  2 cores" in said
    assert "GPU" not in said


def test_a_plan_as_json_has_numbers_and_every_block(
    manifest: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for machine, gpu in (((), False), (("--device", "H100"), True)):
        assert run(manifest, "--config", "best", "--workers", 2, "--json", *machine) == 0
        said = json.loads(capsys.readouterr().out)
        assert said["device"] == ("h100" if gpu else "cpu")
        assert (said["pairs"], said["workers"]) == (1, 2)
        assert said["pairs_per_second"] * said["seconds"] == pytest.approx(1)
        assert (said["gpu_seconds_per_pair"] > 0) == gpu
        assert said["seconds_per_pair_of_blocks"]["mdsi__tiles512"] > 0


def test_constructed_pairs_are_planned_besides(
    manifest: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(manifest, "--config", "offline") == 0
    assert "constructed" not in capsys.readouterr().out  # nothing is labelled
    manifest.write_text("ref,dist,mos\nref.png,dist.png,3\n")
    assert run(manifest, "--config", "offline") == 0
    made = 1 + len(every_edit())
    assert f" constructed  {made} pairs more, " in capsys.readouterr().out
    assert run(manifest, "--config", "offline", "--json") == 0
    said = json.loads(capsys.readouterr().out)
    assert said["constructed_pairs"] == made
    assert said["constructed_seconds"] > said["seconds"] > 0
    assert run(manifest, "--config", "classical", "--json") == 0
    assert json.loads(capsys.readouterr().out)["constructed_pairs"] == 0


def test_an_unknown_device_is_one_line(manifest: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(manifest, "--device", "abacus") == 2
    said = capsys.readouterr().err
    assert said.startswith("seiqa: device 'abacus': nothing is known of it; expected cpu or h200")
    assert said.count("\n") == 1


def test_times_are_readable() -> None:
    features = Recipe.parse({"dinov2_l14": ["s518"]})
    sizes = [PairSize(512, 384, ".png")]
    said = [
        dict(lines(plan(features, sizes, pairs=count, gpu=GPUS["t4"], workers=4)))["time"]
        for count in (1, 10_000, 10_000_000)
    ]
    assert [text.split()[1] for text in said] == ["s", "min", "h"]
