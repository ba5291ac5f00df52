"""The demo data set: that the pictures are LIVE's, the layout, and that no test score is told."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import openpyxl
import pandas as pd
import pytest
from PIL import Image
from scipy.ndimage import uniform_filter
from skimage.metrics import structural_similarity

from pipelines.demo import data as demo_data
from pipelines.demo.data import HELD_BACK, demo_pairs, make_demo_data, score_of
from pipelines.demo.renderings import LIVE, Rated, RGBImage, rated_pictures, reference, render
from tests.pipelines.demo.conftest import content

RATED = list(rated_pictures())
KEPT = ("woman", *HELD_BACK)
VISUAL_DELIGHTS = (
    "coinsinfountain", "dancers", "flowersonih35", "studentsculpture", "carnivaldolls",
    "cemetry", "manfishing", "churchandcapitol", "building2",
)  # fmt: skip


def few_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every seventh picture of three scenes, as if LIVE had no more."""
    few = [rated for rated in RATED if rated.scene in KEPT][::7]
    monkeypatch.setattr(demo_data, "rated_pictures", lambda: iter(few))


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    few_pictures(monkeypatch)
    return make_demo_data(tmp_path / "demo")


def published_ssim(ref: RGBImage, dist: RGBImage) -> float:
    """SSIM as its authors computed it for LIVE: on grey, averaged down to about 256 pixels."""
    weights = np.array([0.298936021293775, 0.587043074451121, 0.114020904255103])
    grey = [np.floor(picture @ weights + 0.5) for picture in (ref, dist)]
    factor = max(1, int(min(grey[0].shape) / 256 + 0.5))
    origin = -1 if factor % 2 == 0 else 0
    small = [uniform_filter(p, factor, origin=origin)[::factor, ::factor] for p in grey]
    return float(
        structural_similarity(
            *small, data_range=255, gaussian_weights=True, sigma=1.5, use_sample_covariance=False
        )
    )


@pytest.mark.parametrize(
    ("kind", "within"),
    # Exact ones to the five digits that are published; a codec of another release may round
    # differently, and the noise is another realisation.
    [("jpeg", 1e-4), ("gblur", 1e-4), ("wn", 0.01), ("jp2k", 0.006), ("fastfading", 1e-4)],
)
def test_rendered_pictures_have_the_published_ssim(kind: str, within: float) -> None:
    ofkind = [rated for rated in RATED if rated.kind == kind]
    for rated in ofkind[:: max(1, len(ofkind) // 3)]:
        ref = reference(rated.scene)
        assert published_ssim(ref, render(ref, rated)) == pytest.approx(rated.ssim, abs=within)


def test_the_package_holds_eight_scenes_their_scores_and_the_notice() -> None:
    assert Counter(rated.status for rated in RATED) == {
        "exact": 87, "same coder": 47, "statistical": 40, "original": 4,
    }  # fmt: skip
    scenes = {rated.scene for rated in RATED}
    assert len(RATED) == 178
    assert len(scenes) == 8
    assert not scenes & set(VISUAL_DELIGHTS)
    notice = (LIVE / "LICENSE.txt").read_text("utf-8")
    assert "COPYRIGHT NOTICE STARTS WITH THIS LINE" in notice
    assert "COPYRIGHT NOTICE ENDS WITH THIS LINE" in notice
    assert "http://live.ece.utexas.edu/research/quality" in notice
    folder = Path(str(LIVE))
    assert sum(path.stat().st_size for path in folder.iterdir()) <= 5_000_000


def test_scores_keep_peoples_order_on_the_challenges_scale() -> None:
    assert score_of(0) == score_of(-2.64) == 5
    assert score_of(100) == score_of(106.4) == 0
    assert score_of(38.1888) == pytest.approx(5 - 38.1888 / 20, abs=1e-4)


def test_two_scenes_are_held_back_and_no_file_tells_their_scores(folder: Path) -> None:
    recipe = pd.read_csv(folder / "recipe.csv", dtype={"file": str})
    assert set(recipe.loc[recipe["split"] == "Test", "scene"]) == set(HELD_BACK)
    assert set(recipe.loc[recipe["split"] == "Train", "scene"]) == {"woman"}
    assert not {"mos", "DMOS", "dmos", "score"} & set(recipe.columns)
    assert [path.parent.name for path in folder.glob("*/*scores*")] == ["Train"]
    for split in ("Train", "Test"):
        named = recipe.loc[recipe["split"] == split, "file"].tolist()
        for side in ("Ref", "Dist"):
            assert sorted(path.name for path in (folder / split / side).iterdir()) == named


def test_sheet_has_peoples_scores_of_the_training_pairs(folder: Path) -> None:
    header, *rows = openpyxl.load_workbook(folder / "Train" / "Train_scores.xlsx").active.iter_rows(
        values_only=True
    )
    assert header == ("picture name", "mos")
    expected = [p for p in demo_pairs() if p.split == "Train"]
    assert rows == [(pair.name, score_of(pair.rated.dmos)) for pair in expected]


def test_files_hold_the_renderings(folder: Path) -> None:
    pair = demo_pairs()[-1]
    ref = reference(pair.rated.scene)
    for side, picture in (("Ref", ref), ("Dist", render(ref, pair.rated))):
        with Image.open(folder / pair.split / side / pair.name) as image:
            assert np.array_equal(np.asarray(image), picture)


def test_rerun_is_byte_identical_and_mends_a_killed_run(folder: Path) -> None:
    first = content(folder)
    (folder / "Train" / "Train_scores.xlsx").unlink()
    (folder / "Test" / "Dist" / "000001.png").write_bytes(b"half")
    assert content(make_demo_data(folder)) == first


@pytest.mark.parametrize("taken", ["Train/Ref/000001.png", "thesis.docx", "recipe.csv"])
def test_refuses_a_folder_with_anything_else(taken: str, tmp_path: Path) -> None:
    (tmp_path / taken).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / taken).write_text("mine")
    with pytest.raises(ValueError, match="already holds something else; choose an empty folder"):
        make_demo_data(tmp_path)
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == [Path(taken).name]
    assert (tmp_path / taken).read_text() == "mine"


def test_every_picture_is_of_a_known_kind() -> None:
    unknown = Rated("woman", "img1", "contrast", 1.0, 0.0, 1.0, "exact")
    assert {rated.kind for rated in RATED} == {"jpeg", "gblur", "wn", "jp2k", "fastfading"}
    with pytest.raises(KeyError):
        render(reference("woman"), unknown)
