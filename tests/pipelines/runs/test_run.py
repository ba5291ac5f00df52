"""Whole runs through the command line: data → features → train → submit → report → score."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import openpyxl
import pandas as pd
import pytest
import torch

from seiqa_features.extraction import planning
from seiqa_models import Scorer
from tests.pipelines.conftest import SCENES, Cli, degrade, scene

LABELLED = SCENES * 4


def test_run_leaves_everything_in_its_folder(run_home: Path) -> None:
    names = {path.name for path in (run_home / "run").iterdir()}
    assert names == {
        "settings.yaml", "pairs.parquet", "features.parquet", "features.json", "metrics.json",
        "predictions.csv", "scores.csv", "submission.zip", "report.html", "bundle", "run.json",
    }  # fmt: skip
    assert {path.name for path in run_home.iterdir()} == {
        *("data", "quick.yaml", "run", "runs"),
        "runs.csv",  # the ledger, beside the run folder
    }
    assert {path.name for path in (run_home / "runs").iterdir()} == {"cache"}


def test_metrics_are_honest_and_better_than_nothing(trained: Path) -> None:
    metrics = json.loads((trained / "metrics.json").read_text())
    assert metrics["n"] == LABELLED
    assert metrics["label_kind"] == "MOS"
    assert metrics["honest"]["srocc"] > 0.8
    assert set(metrics["ablation"]["groups"]) == {"gms", "fourier", "ssim", "colour"}
    assert "blocks of file order" in metrics["splitter"]  # the layout's neighbours are alike
    predictions = pd.read_csv(trained / "predictions.csv")
    assert len(predictions) == LABELLED
    assert predictions.groupby("group_id")["fold"].nunique().max() == 1


def test_a_run_whose_fusion_has_no_weights(cli: Cli, trained: Path, tmp_path: Path) -> None:
    """Report, ledger, card, comparison and contributions: none of them needs weights."""
    config, run = tmp_path / "stacking.yaml", tmp_path / "stacking"
    config.write_text((tmp_path / "quick.yaml").read_text() + "fusion: stacking\n")
    code, _, err = cli("run", tmp_path / "data", "--config", config, "--run", run)
    assert code == 0, err
    metrics = json.loads((run / "metrics.json").read_text())
    assert metrics["weights"] is None
    best = max(metrics["learners"], key=lambda name: (name == "ridge", name))
    assert metrics["ablation"]["learner"] == best
    page = (run / "report.html").read_text()
    assert "The fusion of this stack has no weights." in page
    assert '<th scope="col">weight</th>' not in page
    assert '<th scope="col">weight</th>' in (trained / "report.html").read_text()
    code, out, err = cli("compare", trained, run)
    assert (code, "against" in out) == (0, True), err
    pairs = pd.read_parquet(run / "pairs.parquet")
    other = pairs[pairs["ref_key"] != pairs["dist_key"]].iloc[0]  # equal pixels ask no model
    score = Scorer.load(run / "bundle").score(other["ref_path"], other["dist_path"])
    assert {"baseline", "gms", "ssim"} <= set(score.contributions)


def test_submission_holds_the_test_pictures(trained: Path) -> None:
    with zipfile.ZipFile(trained / "submission.zip") as archive:
        assert sorted(archive.namelist()) == ["prediction.xlsx", "readme.txt"]
        sheet = openpyxl.load_workbook(archive.open("prediction.xlsx")).active
        readme = archive.read("readme.txt").decode()
    assert sheet is not None
    rows = list(sheet.values)
    assert rows[0] == ("picture_name", "Score")
    assert [row[0] for row in rows[1:]] == [f"{i:06d}.png" for i in range(1, 9)]
    scores = pd.read_csv(trained / "scores.csv")["score"]
    np.testing.assert_allclose([row[1] for row in rows[1:]], scores)
    assert "CPU[1] / GPU[0] : 1\r\n" in readme
    assert "No Extra Data [0] : 0\r\n" in readme
    runtime = float(readme.split("\r\n")[0].split(" : ")[1])
    measured = json.loads((trained / "features.json").read_text())["seconds_per_pair"]
    assert runtime == pytest.approx(measured, rel=0.01)


def test_rerun_computes_nothing_and_writes_the_same_bytes(
    cli: Cli, seiqa_data: Path, quick: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = tmp_path / "run"
    code, _, err = cli("run", seiqa_data, "--config", quick, "--run", run)
    assert code == 0, err
    before = {name: (run / name).read_bytes() for name in ("submission.zip", "scores.csv")}

    def decode(path: Path) -> None:
        raise AssertionError(f"{path} was decoded")

    monkeypatch.setattr(planning, "load_rgb", decode)
    monkeypatch.setattr("seiqa_features.pictures.index.load_rgb", decode)
    for verb in ("features", "train", "submit"):
        code, out, err = cli(verb, seiqa_data, "--config", quick, "--run", run)
        assert code == 0, err
        if verb == "features":
            assert "0 pairs computed, 28 already in the store" in out
    assert before == {name: (run / name).read_bytes() for name in before}


@pytest.mark.skipif(torch.cuda.is_available(), reason="a GPU is asked for with PyTorch")
def test_features_that_are_all_there_import_no_pytorch(
    cli: Cli, seiqa_data: Path, quick: Path, tmp_path: Path
) -> None:
    arguments = [str(seiqa_data), "--config", str(quick), "--run", str(tmp_path / "run")]
    code, _, err = cli("features", *arguments)
    assert code == 0, err
    script = (
        "import sys\nfrom pipelines.cli import main\n"
        f"try: main({['features', *arguments]})\nexcept SystemExit as end: assert not end.code\n"
        "sys.exit('torch' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "0 pairs computed, 28 already in the store" in done.stdout


def test_score_of_a_pair_ranks_damage(trained: Path, cli: Cli, tmp_path: Path) -> None:
    scene(40).save(tmp_path / "ref.png")
    values = []
    for level in (0, 3):
        degrade(scene(40), level).save(tmp_path / "dist.png")
        code, out, err = cli(
            "score", tmp_path / "ref.png", tmp_path / "dist.png", "--bundle", trained / "bundle"
        )
        assert code == 0, err
        values.append(float(out.split()[0]))
    assert values[0] > values[1] + 1
    scorer = Scorer.load(trained / "bundle")
    assert scorer.score(ref=tmp_path / "ref.png", dist=tmp_path / "dist.png") == pytest.approx(
        values[1], abs=5e-5
    )


def test_score_of_a_manifest_keeps_its_rows(trained: Path, cli: Cli, tmp_path: Path) -> None:
    folder = tmp_path / "Fotos für später"
    folder.mkdir()
    scene(41).save(folder / "ré f.png")
    rows = []
    for level in (3, 0, 2):
        degrade(scene(41), level).save(folder / f"niveau {level}.png")
        rows.append({"note": f"{level:02d}", "ref": "ré f.png", "dist": f"niveau {level}.png"})
    pd.DataFrame(rows).to_csv(folder / "pairs.csv", index=False)
    code, _, err = cli(
        "score", folder / "pairs.csv", "--bundle", trained / "bundle", "--out", tmp_path / "s.csv"
    )
    assert code == 0, err
    scored = pd.read_csv(tmp_path / "s.csv", dtype={"note": str})
    assert list(scored.columns) == [
        "note",
        "ref",
        "dist",
        "score",
        "low",
        "high",
        "unfamiliar",
        "agree",
        "edited",
    ]
    assert scored["note"].tolist() == ["03", "00", "02"]
    assert scored["score"].iloc[1] == scored["score"].max()


def test_keep_going_scores_what_can_be_scored(trained: Path, cli: Cli, tmp_path: Path) -> None:
    scene(42).save(tmp_path / "ref.png")
    degrade(scene(42), 1).save(tmp_path / "good.png")
    (tmp_path / "bad.png").write_text("no picture")
    (tmp_path / "pairs.csv").write_text("ref,dist\nref.png,bad.png\nref.png,good.png\n")
    arguments = (
        "score", tmp_path / "pairs.csv", "--bundle", trained / "bundle", "--out", tmp_path / "s.csv"
    )  # fmt: skip
    code, _, err = cli(*arguments)
    assert code == 3
    assert "bad.png" in err
    assert not (tmp_path / "s.csv").exists()
    code, _, err = cli(*arguments, "--keep-going")
    assert code == 0
    assert "left out" in err
    assert pd.read_csv(tmp_path / "s.csv")["score"].isna().tolist() == [True, False]


def test_pseudo_labels_are_called_so_everywhere(cli: Cli, seiqa_data: Path, quick: Path) -> None:
    sheet = seiqa_data / "Train" / "Train_scores.csv"
    sheet.write_text(sheet.read_text().replace("score", "pseudo_label", 1))
    code, out, err = cli("run", seiqa_data, "--config", quick, "--run", "run")
    assert code == 0, err
    assert "against pseudo-labels" in out
    run = Path("run")
    assert json.loads((run / "metrics.json").read_text())["label_kind"] == "pseudo-label"
    assert "pseudo-label" in (run / "report.html").read_text()
    card = (run / "bundle" / "card.md").read_text()
    assert "pseudo-label" in card
    assert re.search(r"scores lie in: \S+ to (\S+); an identical picture has \1\n", card)


def test_labelled_test_rows_are_held_out(cli: Cli, seiqa_data: Path, quick: Path) -> None:
    (seiqa_data / "Test").rename(seiqa_data / "Val")
    names = sorted(path.name for path in (seiqa_data / "Val" / "Ref").iterdir())
    rows = "\n".join(f"{name},{5 - i % 4}" for i, name in enumerate(names))
    (seiqa_data / "Val" / "Val_scores.csv").write_text(f"picture name,score\n{rows}\n")
    code, _, err = cli("run", seiqa_data, "--config", quick, "--run", "run")
    assert code == 0, err
    metrics = json.loads(Path("run/metrics.json").read_text())
    assert metrics["n"] == LABELLED
    assert metrics["heldout"]["val"]["srocc"] > 0.8
    assert not Path("run/submission.zip").exists()


def test_renamed_data_costs_no_extraction(trained: Path, cli: Cli, tmp_path: Path) -> None:
    shutil.copytree(tmp_path / "data", tmp_path / "moved")
    code, out, err = cli("features", "moved", "--config", "quick.yaml", "--run", trained)
    assert code == 0, err
    assert "0 pairs computed" in out


def test_check_prints_what_is_there(cli: Cli, seiqa_data: Path) -> None:
    os.link(seiqa_data / "Train/Ref/000001.png", seiqa_data / "Train/Ref/000099.png")
    code, out, err = cli("check", seiqa_data)
    assert code == 3
    assert "000099.png: no partner" in err
    lines = {line.split("  ")[-2].strip(): line.split("  ")[-1] for line in out.splitlines()}
    assert lines["usable pairs"] == "28"
    assert lines["with MOS"] == "20"
    assert lines["MOS range"] == "2 to 5"
    assert lines["image sizes"] == "96×72"
    assert lines["groups"].startswith("7,")
    assert lines["identical pairs"].startswith("7 (reference and degraded image have")


def test_scores_on_another_scale_make_no_submission(cli: Cli, tmp_path: Path, quick: Path) -> None:
    rows = ["ref,dist,mos"]
    for number in range(6):
        scene(number).save(tmp_path / f"r{number}.png")
        for level in range(3):
            degrade(scene(number), level).save(tmp_path / f"d{number}{level}.png")
            mos = "" if number == 5 else str(90 - 30 * level)
            rows.append(f"r{number}.png,d{number}{level}.png,{mos}")
    (tmp_path / "pairs.csv").write_text("\n".join(rows))
    code, out, err = cli("run", tmp_path / "pairs.csv", "--config", quick, "--run", "run")
    assert code == 0, err
    assert "scores of the test pairs" in out
    assert not Path("run/submission.zip").exists()
    scores = pd.read_csv("run/scores.csv")
    assert scores["picture_name"].tolist() == ["d50.png", "d51.png", "d52.png"]
    assert scores["score"].iloc[0] == 90  # equal pixels: the top of the scale
    assert scores["score"].iloc[1] < 90
    code, _, err = cli("submit", tmp_path / "pairs.csv", "--config", quick, "--run", "run")
    assert code == 3
    assert "submission not written" in err
