"""Which pairs the galleries show, and which extractors stand beside each other in the map."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from pipelines.report.columns import correlations, disagreeing, disagreement, similar
from pipelines.report.pictures import EXAMPLES, examples

SCENES = ("sea", "town", "wood", "hill", "lake")


@pytest.fixture
def run(tmp_path: Path) -> Any:
    """Two pairs of each of five scenes, those of the first scene predicted best; no run folder."""
    rows = []
    for number, scene in enumerate(SCENES * 2):
        path = tmp_path / f"{scene}.png"
        Image.new("RGB", (32, 32), "grey").save(path)
        mos = float(number)
        off = 0.0 if scene == SCENES[0] else 0.1 * (number + 1)
        rows.append({"pair_id": f"{scene}{number}", "mos": mos, "score": mos + off,
                     "ref_path": str(path), "dist_path": str(path)})  # fmt: skip
    return SimpleNamespace(predictions=pd.DataFrame(rows))


def test_closest_pairs_are_of_different_references(run: Any) -> None:
    shown = examples(run)
    closest = [card["ref_path"] for card in shown["best"]]
    assert len(set(closest)) == len(closest) == EXAMPLES
    assert [card["pair_id"] for card in shown["best"]] == ["sea0", "town1", "wood2", "hill3"]
    assert [card["pair_id"] for card in shown["worst"]][:2] == ["lake9", "hill8"]


def test_pairs_that_a_known_metric_ranks_most_differently_come_first(run: Any) -> None:
    psnr = run.predictions["mos"] + 20.0
    psnr[1] = 99.0
    chosen = pd.DataFrame({"psnr": psnr, "ssim": -run.predictions["mos"], "other": psnr})
    found = disagreeing(run, chosen)
    assert list(found) == ["psnr", "ssim"]
    first = found["psnr"].iloc[0]
    assert (first["pair_id"], first["rank_metric"]) == ("town1", 1.0)
    assert first["rank_score"] == pytest.approx(0.2)
    # SSIM falls here as the label rises: turned, it agrees with the score on every pair.
    assert found["ssim"]["rank_metric"].tolist() == found["ssim"]["rank_score"].tolist()
    section = disagreement(run, chosen)
    assert section["metrics"]["psnr"][0]["pair_id"] == "town1"
    assert (section["shown"], section["nearer"]) == (2 * EXAMPLES, EXAMPLES)


def test_extractors_that_say_the_same_stand_beside_each_other() -> None:
    rng = np.random.default_rng(0)
    first, second = rng.normal(size=(2, 200))
    columns = {
        "a": first,
        "b": second,
        "a again": -first + 0.1 * rng.normal(size=200),
        "b again": second + 0.1 * rng.normal(size=200),
    }
    matrix = correlations(pd.DataFrame(columns))
    order = list(matrix)
    assert abs(order.index("a") - order.index("a again")) == 1
    assert abs(order.index("b") - order.index("b again")) == 1
    assert matrix.loc["a", "a again"] > 0.95  # direction does not matter
    assert matrix.loc["a", "b"] < 0.3
    assert similar(pd.DataFrame(columns))["count"] == 4
    assert similar(pd.DataFrame(columns).iloc[:, :2]) == {}
