"""The model half on published metric values and human scores of TID2013."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from seiqa_models.core.metrics import srocc
from seiqa_models.evaluation.evaluate import evaluate
from seiqa_models.stack.regressor import SeiqaRegressor

TABLE = Path(__file__).resolve().parents[3] / "shared/data/tables/tid2013_dev_metrics.csv"
METRICS = ["PSNR", "SSIM", "MSSIM", "VIF", "GMSD", "NQM", "DeepWSD_VGG", "DISTS-Tune", "DSSIM"]

pytestmark = pytest.mark.skipif(not TABLE.is_file(), reason=f"development data absent: {TABLE}")


@pytest.fixture(scope="module")
def table() -> pd.DataFrame:
    """Six references, every second distortion: 360 rows."""
    rows = pd.read_csv(TABLE).set_index("dist_img")
    references = sorted(rows["ref_img"].unique())[:6]
    return rows[rows["ref_img"].isin(references) & (rows["distortion"] % 2 == 0)]


def test_stack_beats_psnr_ssim_and_each_ingredient_on_unseen_references(table):
    regressor = SeiqaRegressor(learners=("svr", "lightgbm", "ridge"), n_splits=3)
    result = evaluate(regressor, table[METRICS], table["MOS"], table["ref_img"], n_splits=3)
    figures = result.to_dict()
    honest = figures["honest"]
    for metric in ("PSNR", "SSIM"):
        assert honest["srocc"] > abs(srocc(table["MOS"], table[metric])) + 0.05
    assert honest["final"] > figures["best_single"]["final"]
    assert honest["final"] > max(own["final"] for own in figures["learners"].values()) - 0.01
    assert abs(figures["gap"]) < 0.03
