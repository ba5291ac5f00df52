"""Labels of equal pixels that differ, and the ceiling that this puts on SROCC."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from seiqa_models.audit.noise import label_noise, said
from seiqa_models.core.metrics import srocc


def rated(labels: list[float], pictures: list[str]) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "pair_id": [f"p{i}" for i in range(len(labels))],
            "mos": labels,
            "ref_key": "r",
            "dist_key": pictures,
        }
    )


def test_pixels_scored_once_say_nothing() -> None:
    assert label_noise(rated([1.0, 2.0, np.nan], ["a", "b", "b"])) is None


def test_differences_are_measured_within_pixels() -> None:
    pairs = rated([1.0, 2.0, 5.0, 5.0, 8.0, 0.0, 10.0], list("aabbbcd"))
    found = label_noise(pairs)
    assert found is not None
    assert found["pictures"] == 2
    assert found["mean"] == pytest.approx((1 + 0 + 3 + 3) / 4)
    assert found["largest"] == 3
    assert found["deviation"] == pytest.approx(np.sqrt((0.5 + 6) / 3))
    assert found["share"] == pytest.approx(found["deviation"] / 10)
    assert found["widest"] in (["p2", "p4"], ["p3", "p4"])
    assert found["contradicting"] == 0


def test_ceiling_is_what_the_truth_itself_reaches() -> None:
    rng = np.random.default_rng(0)
    truth = rng.uniform(0, 5, 1500)
    noise = rng.normal(0, 0.6, (2, 1500))
    names = [f"x{i}" for i in range(1500)]
    pairs = rated([*(truth + noise[0]), *(truth + noise[1])], names * 2)
    found = label_noise(pairs)
    assert found is not None
    assert found["deviation"] == pytest.approx(0.6, rel=0.05)
    assert found["ceiling"] == pytest.approx(srocc(truth, truth + noise[0]), abs=0.005)
    assert label_noise(pairs) == found  # seeded


def test_equal_labels_leave_the_ceiling_open() -> None:
    found = label_noise(rated([1.0, 1.0, 3.0], ["a", "a", "b"]))
    assert found is not None
    assert found["ceiling"] == 1
    assert said(found) == []


def test_contradictions_are_named() -> None:
    found = label_noise(rated([1.0, 4.0, 3.0, 0.0], ["a", "a", "b", "c"]))
    assert found is not None
    assert found["contradicting"] == 1
    first, second = said(found)
    assert "scored more than once" in first
    assert second.startswith("p0 and p1 have equal pixels and labels that contradict each other")


def test_pictures_that_live_scored_twice(shared: Path) -> None:
    """SOURCE.txt: ten files are in two sub-studies, their DMOS 1.7 apart on average."""
    rows = pd.read_csv(shared / "data/live_r2/recipe.csv")
    found = label_noise(
        pd.DataFrame(
            {
                "pair_id": rows["distortion"] + "/" + rows["dist_img"],
                "mos": 100 - rows["DMOS"],
                "ref_key": rows["ref_img"],
                "dist_key": rows["distortion"]
                + rows["param"].fillna(-1).astype(str).where(rows["distortion"] == "jpeg", "")
                + rows["dist_img"].where(rows["distortion"] != "jpeg", ""),
            }
        )
    )
    assert found is not None
    assert found["pictures"] == 10
    assert found["mean"] == pytest.approx(1.7, abs=0.05)
    assert 0.99 < found["ceiling"] < 1
