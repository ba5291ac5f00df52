"""Rate and quality: BD-rates of curves whose difference is known, and what has none."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from pipelines.report.rates import bd_rate, mean_curve, section
from pipelines.runs.reading import read
from seiqa_features.datasets import load_pairs
from seiqa_features.errors import DataError
from seiqa_features.pictures.index import ImageIndex
from tests.pipelines.report.made_run import write_run

CURVE = pd.DataFrame({"bpp": [0.25, 0.5, 1.0, 2.0], "score": [1.0, 2.2, 3.1, 3.6]})


@pytest.mark.parametrize("factor", [0.5, 0.8, 1.0, 1.25])
def test_the_same_curve_at_another_rate_differs_by_that_rate(factor: float) -> None:
    other = CURVE.assign(bpp=factor * CURVE["bpp"])
    assert bd_rate(other, CURVE) == pytest.approx(100 * (factor - 1))


def test_a_costly_point_without_gain_does_not_count() -> None:
    worse = pd.DataFrame({"bpp": [1.5, 0.3], "score": [2.0, 1.0]})
    with_it = pd.concat([CURVE, worse]).sample(frac=1, random_state=0)
    assert bd_rate(with_it, CURVE) == pytest.approx(0)


@pytest.mark.parametrize(
    "rows",
    [CURVE[:1], CURVE.assign(score=CURVE["score"] + 3), CURVE[:0]],
    ids=["one point", "no common quality", "none"],
)
def test_without_a_common_range_there_is_no_bd_rate(rows: pd.DataFrame) -> None:
    assert bd_rate(rows, CURVE) is None


def test_mean_curve_is_geometric_in_rate() -> None:
    rows = pd.concat([CURVE.assign(ref_key="a"), CURVE.assign(ref_key="b", bpp=4 * CURVE["bpp"])])
    rate, score = mean_curve(rows)
    assert rate == pytest.approx(2 * CURVE["bpp"])
    assert score == pytest.approx(CURVE["score"])


def test_a_run_has_the_section_if_two_codecs_are_named(tmp_path: Path) -> None:
    found = section(read(write_run(tmp_path / "with", kinds=True)))
    assert [row["codec"] for row in found["rows"]] == ["old", "new"]
    assert sum(row["pairs"] for row in found["rows"]) == 14  # out-of-fold, and of scores.csv
    assert found["rows"][0]["bd_rate"] is None
    assert section(read(write_run(tmp_path / "without"))) == {}


def manifest(folder: Path, rows: list[str]) -> Path:
    for name in ("ref.png", "a.png", "b.jpg", "c.jpg"):
        Image.fromarray(np.random.default_rng(0).integers(0, 255, (32, 32, 3), np.uint8)).save(
            folder / name
        )
    path = folder / "m.csv"
    path.write_text("\n".join(["ref,dist,mos,codec,bpp", *rows]) + "\n")
    return path


def test_codec_and_rate_come_from_the_manifest(tmp_path: Path) -> None:
    path = manifest(
        tmp_path, ["ref.png,a.png,1,av1,0.5", "ref.png,b.jpg,2,jpeg,", "ref.png,c.jpg,,,"]
    )
    pairs, _ = load_pairs(path, ImageIndex(tmp_path / "cache"))
    assert pairs["codec"].fillna("").tolist() == ["av1", "jpeg", ""]
    assert pairs["bpp"].tolist() == pytest.approx([0.5, np.nan, np.nan], nan_ok=True)


@pytest.mark.parametrize("bpp", ["0", "-1", "much", "inf"])
def test_a_rate_that_is_none_is_named(tmp_path: Path, bpp: str) -> None:
    path = manifest(tmp_path, [f"ref.png,a.png,1,av1,{bpp}"])
    with pytest.raises(DataError, match=f"bpp '{bpp}' of a.png; expected bits per pixel"):
        load_pairs(path, ImageIndex(tmp_path / "cache"))
