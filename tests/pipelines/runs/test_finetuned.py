"""From `seiqa finetune` to `seiqa score`, with a tiny multimodal model."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

from seiqa_features.errors import DataError
from seiqa_models.finetune import members
from tests.pipelines.conftest import Cli
from tests.seiqa_features.tiny_vlm import write_tiny_vlm


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """RedpanQA's configuration with a tiny model and little training."""
    model = write_tiny_vlm(tmp_path / "tiny")
    path = tmp_path / "tiny.yaml"
    finetune = {"base": f"vlm:{model}", "view": "max64", "rank": 2, "alpha": 4, "epochs": 1,
                "learning_rate": 0.003}  # fmt: skip
    path.write_text(
        yaml.safe_dump(
            {
                "features": {},
                "finetune": finetune,
                "folds": 3,
                "learners": ["as_is"],
                "consensus": False,
                "calibrate": False,
                "workers": 1,
                "device": "cpu",
            }
        )
    )
    return path


def test_finetune_run_and_score(cli: Cli, seiqa_data: Path, config: Path) -> None:
    settings = ("--config", config, "--run", "out")
    code, _, err = cli("features", seiqa_data, *settings)
    assert code == 2
    assert "run `seiqa finetune` first" in err
    code, out, err = cli("finetune", seiqa_data, *settings)
    assert code == 0, err
    assert "GB of memory and" in err
    assert "hours for 3 folds of 20 pairs" in err
    assert "fold 3 of 3, epoch 1: loss" in err
    assert "out-of-fold SROCC" in out
    code, out, err = cli("run", seiqa_data, *settings)
    assert code == 0, err
    held_out = pd.read_csv("out/finetuned/out_of_fold.csv").set_index("pair_id")
    predictions = pd.read_csv("out/predictions.csv").set_index("pair_id")
    both = held_out.join(predictions[["as_is", "fold"]].rename(columns={"fold": "fold_stack"}))
    assert len(both) == 20
    # The members were trained on the folds that the estimate uses.
    for fold, part in both.groupby("fold"):
        assert part["fold_stack"].nunique() == 1
        others = both["score"][both["fold"] != fold]  # a stack knows no value beyond its rows'
        expected = part["score"].clip(others.min(), others.max())
        np.testing.assert_allclose(part["as_is"], expected, atol=1e-3)
    assert json.loads(Path("out/metrics.json").read_text())["honest"]["srocc"] is not None
    # The fine-tuning counts in what the run took.
    _, out, _ = cli("compare", "out", "out", "--json")
    effort = json.loads(out)["runs"][0]["effort"]
    epochs = pd.read_csv("out/finetuned/log.csv")["seconds"].sum()
    training = json.loads(Path("out/run.json").read_text())["training"]["spent"]["seconds"]
    assert effort["training_seconds"] == pytest.approx(epochs + training)
    pair = [seiqa_data / "Test" / side / "000003.png" for side in ("Ref", "Dist")]
    code, out, err = cli("score", *pair, "--bundle", "out/bundle")
    assert code == 0, err
    (scored,) = pd.read_csv("out/scores.csv").query("picture_name == '000003.png'")["score"]
    assert f"{scored:.2f}" in out


@pytest.mark.parametrize(
    ("change", "code", "line"),
    [
        ({"base": "qwen3_vl_9b"}, 2, "multimodal model 'qwen3_vl_9b' does not exist"),
        ({"four_bit": True}, 2, "finetune.four_bit needs a GPU"),
        ({"base": "qwen3_vl_4b"}, 4, "weights are missing: 12 files, 8"),
        ({"ranks": 3}, 2, "setting finetune.ranks: Extra inputs are not permitted"),
    ],
)
def test_bad_settings_are_one_line_before_anything_is_trained(
    cli: Cli, seiqa_data: Path, config: Path, change: dict[str, object], code: int, line: str
) -> None:
    content = yaml.safe_load(config.read_text())
    content["finetune"] |= change
    config.write_text(yaml.safe_dump(content))
    found, _, err = cli("finetune", seiqa_data, "--config", config, "--run", "out")
    assert found == code
    assert line in err
    assert not Path("out/finetuned").exists()


def test_labels_are_read_as_for_training(
    cli: Cli, seiqa_data: Path, config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Labels that are higher for worse pictures are turned; those of several scales refused."""
    works: list[members.Work] = []

    def seen(work: members.Work, *_: object, **__: object) -> None:
        works.append(work)
        raise DataError(["seen"])

    monkeypatch.setattr(members, "finetune", seen)
    content = yaml.safe_load(config.read_text())
    config.write_text(yaml.safe_dump({**content, "dmos": ["data"]}))
    code, _, err = cli("finetune", seiqa_data, "--config", config, "--run", "out")
    assert (code, err.splitlines()[-1]) == (3, "seiqa: seen")
    assert works[0].pairs["mos"].between(-5, 0).all()
    assert works[0].label_range[0] < works[0].label_range[1] <= 0
    config.write_text(yaml.safe_dump(content))
    other = Path("other")
    shutil.copytree(seiqa_data, other)
    code, _, err = cli("finetune", seiqa_data, other, "--config", config, "--run", "out")
    assert code == 2
    assert "finetune needs labels on one scale, and these are the collections data, other" in err


def test_a_configuration_without_the_setting_is_named(cli: Cli, seiqa_data: Path) -> None:
    code, _, err = cli("finetune", seiqa_data, "--config", "classical", "--run", "out")
    assert code == 2
    assert "config classical has no setting finetune; use --config redpanqa" in err


def test_weights_of_what_is_to_be_trained_are_listed(cli: Cli) -> None:
    code, out, err = cli("weights", "list", "--config", "redpanqa")
    assert code == 0, err
    assert "Qwen/Qwen3-VL-4B-Instruct/config.json" in out
    assert "12 files" in out
    assert "12 missing" in out
