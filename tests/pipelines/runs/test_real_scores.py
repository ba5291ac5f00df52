"""Real pictures with real human scores: the stack on scenes it has never seen.

Rendered TID2013 pairs (Ponomarenko et al.), from material that lies beside the repository in
development and CI only.
"""

from __future__ import annotations

import csv
import importlib.util
import json
from pathlib import Path
from types import ModuleType

import numpy as np
import pandas as pd
import pytest
import yaml
from PIL import Image

from tests.pipelines.conftest import Cli

TID = Path(__file__).resolve().parents[4] / "shared" / "data" / "tid2013_kodak"
pytestmark = pytest.mark.skipif(not TID.is_dir(), reason="../shared/data is not on this machine")

FEATURES = {
    name: ["max256"]
    for name in ("psnr", "ssim", "gms", "fsim", "vsi", "mdsi", "haarpsi", "colour", "fourier")
}


def _renderer() -> ModuleType:
    spec = importlib.util.spec_from_file_location("render", TID / "render.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def manifest(tmp_path: Path) -> Path:
    """Every third pair of the 10 scenes, rendered; its published error checked."""
    render = _renderer().render
    rows = ["ref,dist,mos,group"]
    for recipe in list(csv.DictReader((TID / "recipe.csv").read_text().splitlines()))[::3]:
        reference = TID / "reference" / recipe["ref_img"]
        pixels = np.asarray(Image.open(reference).convert("RGB"))
        image = render(pixels, int(recipe["distortion"]), float(recipe["param"]))
        error = np.square(pixels.astype(float) - image).mean()
        assert error == pytest.approx(float(recipe["MSE"]), abs=1e-4)
        Image.fromarray(image).save(tmp_path / recipe["dist_img"])
        rows.append(f"{reference},{recipe['dist_img']},{recipe['MOS']},{recipe['ref_img']}")
    path = tmp_path / "manifest.csv"
    path.write_text("\n".join(rows))
    return path


def test_stack_beats_psnr_and_ssim_on_unseen_scenes(
    cli: Cli, manifest: Path, tmp_path: Path
) -> None:
    config = tmp_path / "some.yaml"
    config.write_text(
        yaml.safe_dump({"features": FEATURES, "learners": ["svr", "ridge", "lightgbm"]})
    )
    for verb in ("features", "train", "report"):
        code, _, err = cli(verb, manifest, "--config", config, "--run", "run")
        assert code == 0, err
    metrics = json.loads(Path("run/metrics.json").read_text())
    features = pd.read_parquet(
        "run/features.parquet", columns=["pair_id", "psnr__max256__value", "ssim__max256__value"]
    ).set_index("pair_id")
    mos = pd.read_csv("run/predictions.csv", index_col="pair_id")["mos"]
    alone = features.loc[mos.index].corrwith(mos, method="spearman")
    assert metrics["groups"] == 10
    assert metrics["splitter"] == "5 folds by group"
    assert metrics["honest"]["srocc"] > 0.92
    assert metrics["honest"]["srocc"] > alone.max() + 0.2
    assert abs(metrics["gap"]) < 0.02
    assert "MOS" in Path("run/report.html").read_text()
