"""Whole runs with an extractor that needs weights: there, missing, skipped, and exchanged."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import torch
import yaml

from seiqa_features.pictures import index as index_module
from seiqa_features.table.table import UNAVAILABLE
from seiqa_features.weights import files as weights
from tests.seiqa_features import pretend

Cli = Callable[..., tuple[int, str, str]]


@pytest.fixture
def config(quick: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The quick configuration with an extractor that needs weights, none of which are there."""
    pretend.register(monkeypatch)
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path / "torch"))
    content = yaml.safe_load(quick.read_text())
    content["features"] = {"pretend": ["s32"], **content["features"]}
    path = tmp_path / "pretrained.yaml"
    path.write_text(yaml.safe_dump(content))
    return path


def test_a_run_with_weights_and_scoring_with_its_bundle(
    cli: Cli, seiqa_data: Path, config: Path, tmp_path: Path
) -> None:
    weight_files = pretend.weights_in(tmp_path / "weights")
    code, out, err = cli("run", seiqa_data, "--config", config, "--run", "run")
    assert code == 0, err
    meta = json.loads(Path("run/features.json").read_text())
    recorded = meta["recipe"]["blocks"]["pretend__s32"]["weights"]
    assert recorded == {"test/factor": weight_files.checksum(pretend.WEIGHT)}
    assert meta["unavailable"] == {}
    card = Path("run/bundle/card.md").read_text()
    assert f"weights test/factor: SHA-256 {recorded['test/factor']}" in card
    with zipfile.ZipFile("run/submission.zip") as zipped:
        assert "Extra Data [1] / No Extra Data [0] : 1" in zipped.read("readme.txt").decode()

    pair = [seiqa_data / "Test" / part / "000002.png" for part in ("Ref", "Dist")]
    code, out, err = cli("score", *pair, "--bundle", "run/bundle")
    assert code == 0, err
    assert 0 <= float(out.split()[0]) <= 5

    pretend.weights_in(tmp_path / "others", 5.0)
    code, _, err = cli("score", *pair, "--bundle", "run/bundle", "--weights", tmp_path / "others")
    assert code == 3
    assert "bundle was trained on pretend__s32" in err
    code, _, err = cli("score", *pair, "--bundle", "run/bundle", "--weights", tmp_path / "none")
    assert code == 4
    assert "weights are missing: 1 files, 7 MB" in err


def test_missing_weights_are_found_out_before_any_image_is_decoded(
    cli: Cli, seiqa_data: Path, config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(index_module, "load_rgb", lambda path: pytest.fail(f"{path} was decoded"))
    code, _, err = cli("run", seiqa_data, "--config", config, "--run", "run")
    assert code == 4
    lines = [line for line in err.splitlines() if line.startswith("seiqa:")]
    assert lines[0].startswith("seiqa: weights are missing: 1 files, 7 MB; cannot download")
    assert lines[1] == "seiqa:   test/factor  7 MB  for pretend"
    assert "CONFIG=classical" in lines[2]
    assert "seiqa weights fetch" in lines[2]


def test_skipping_goes_on_and_every_result_says_so(
    cli: Cli, seiqa_data: Path, config: Path
) -> None:
    arguments = ("--config", config, "--run", "run")
    code, _, err = cli("run", seiqa_data, *arguments, "--skip-unavailable")
    assert code == 0, err
    reason = "weights test/factor are missing"
    assert json.loads(Path("run/features.json").read_text())["unavailable"] == {"pretend": reason}
    metadata = pq.read_schema("run/features.parquet").metadata
    assert json.loads(metadata[UNAVAILABLE.encode()]) == {"pretend": reason}
    assert reason in Path("run/report.html").read_text()
    assert "unavailable: pretend" in Path("run/bundle/card.md").read_text()
    # Later steps need no second word: they know what the features lack.
    code, _, err = cli("train", seiqa_data, *arguments)
    assert code == 0, err


def test_training_needs_no_weights_once_the_features_are_there(
    cli: Cli, seiqa_data: Path, config: Path, tmp_path: Path
) -> None:
    folder = pretend.weights_in(tmp_path / "weights").folder
    arguments = (seiqa_data, "--config", config, "--run", "run")
    assert cli("features", *arguments)[0] == 0
    for path in folder.iterdir():
        path.unlink()
    code, _, err = cli("train", *arguments)
    assert code == 0, err


def test_damaged_weights_exit_4_before_extraction(
    cli: Cli, seiqa_data: Path, config: Path, tmp_path: Path
) -> None:
    folder = pretend.weights_in(tmp_path / "weights").folder
    path = folder / "test--factor.pth"
    path.write_bytes(path.read_bytes()[:50])
    code, _, err = cli("features", seiqa_data, "--config", config, "--run", "run")
    assert code == 4
    assert f"{path}: not usable as weights of pretend" in err


def test_listing_fetching_and_verifying(
    cli: Cli, config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    code, out, _ = cli("weights", "list", "--config", config)
    assert code == 0
    assert "test/factor" in out
    assert out.splitlines()[-1] == "1 files, 7 MB, 1 missing"
    code, _, err = cli("weights", "fetch", "--config", config)
    assert code == 4
    assert "offline" in err

    monkeypatch.setattr(weights, "online", lambda _: True)
    monkeypatch.setattr(weights, "download", lambda _: pretend.weights_in(tmp_path / "weights"))
    code, out, _ = cli("weights", "fetch", "--config", config)
    assert (code, out) == (0, "1 files are present\n")
    code, out, _ = cli("weights", "verify", "--config", config)
    assert code == 0
    assert out.startswith("verified  test/factor")
    code, out, err = cli("weights", "verify", "--config", config, "--json")
    assert code == 0, err
    verified = json.loads(out)
    assert list(verified) == ["test/factor"]
    assert Path(verified["test/factor"]).parent == tmp_path / "weights"
    pretend.weights_in(tmp_path / "weights", 3.0)
    code, _, err = cli("weights", "verify", "--config", config)
    assert code == 4
    assert "changed since they were first used" in err


def test_a_gpu_that_is_not_there_is_bad_usage(
    cli: Cli, seiqa_data: Path, config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pretend.weights_in(tmp_path / "weights")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    code, _, err = cli(
        "features", seiqa_data, "--config", config, "--run", "run", "--device", "cuda"
    )
    assert code == 2
    assert "device cuda: not available, PyTorch sees 0 GPUs" in err


def test_extractors_in_full(cli: Cli, config: Path) -> None:  # noqa: ARG001 — registers one
    code, out, _ = cli("extractors", "pretend")
    assert code == 0
    assert "test/factor, 7 MB, MIT" in out
    code, _, err = cli("extractors", "pretent")
    assert code == 2
    assert "did you mean pretend?" in err
