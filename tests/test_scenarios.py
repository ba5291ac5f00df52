"""The how-tos about scenarios: drawn, scored and written as `make scenarios` does it."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from tools.scenarios import CELL, FOLDER, measured, sheet, with_table
from tools.scenes import Scenario, scenarios

SCENARIOS = {scenario.page: scenario for scenario in scenarios()}


HIGHER = [
    ("renderings", "moved down by 8 pixels", "price changed to $91.99"),
    ("renderings", "letters 1 point larger", "price changed to $91.99"),
    ("posters", "photographed from the side", "price changed to $8.50"),
    ("renderings", "banner over the lower third", "photograph missing"),
    ("generated", "a quarter of the size, enlarged", "the same, sharpened"),
    ("generated", "a quarter of the size, enlarged", "fine texture replaced by invented texture"),
    ("generated", "fine texture replaced by invented texture", "eyes and mouth gone"),
    ("posters", "price changed to $8.50", "other colours, the same words"),
    ("posters", "other colours, the same words", "photograph replaced"),
    ("screenshots", "JPEG, quality 50", "one figure changed"),
    ("crops", "2 % cut away", "15 % cut away"),
    ("crops", "half the size (thumbnail)", "a sixth of the size (icon)"),
]
"""Page, and two versions of which its text says or implies that the first scores higher."""


class FixedScorer:
    """Scores by the number of the pair."""

    def score_many(self, refs: list[Image.Image], dists: list[Image.Image]) -> pd.DataFrame:
        assert len(refs) == len(dists)
        scores = 4.0 - np.arange(len(dists))
        numbers = {"score": scores, "low": scores - 1, "high": scores + 1}
        return pd.DataFrame({**numbers, "unfamiliar": scores < 3, "edited": scores < 4})


def rows_of(page: str) -> dict[str, list[str]]:
    """Cells of the page's table by what was done."""
    text = (FOLDER / f"{page}.md").read_text("utf-8")
    table = text.partition("<!-- measured -->")[2].partition("<!-- end -->")[0]
    cells = [line[2:-2].split(" | ") for line in table.strip().splitlines()[2:]]
    return {row[0]: row[1:] for row in cells}


@pytest.mark.parametrize("page", SCENARIOS)
def test_every_page_has_a_row_for_every_version_and_a_small_picture(page: str) -> None:
    rows = rows_of(page)
    assert list(rows) == list(SCENARIOS[page].versions)
    assert all(0 <= float(row[0]) <= 5 for row in rows.values())
    assert all(("%" in row[-1]) == SCENARIOS[page].text for row in rows.values())
    text = (FOLDER / f"{page}.md").read_text("utf-8")
    picture = FOLDER / "pictures" / f"{page}.webp"
    assert f"](pictures/{page}.webp)" in text
    assert picture.stat().st_size < 60_000
    with Image.open(picture) as found:
        assert found.size == sheet(SCENARIOS[page]).size


@pytest.mark.parametrize(("page", "better", "worse"), HIGHER)
def test_what_a_page_says_is_what_was_measured(page: str, better: str, worse: str) -> None:
    """Where this fails after the tables were made anew, the page's words have to change."""
    rows = rows_of(page)
    assert float(rows[better][0]) > float(rows[worse][0])


def test_what_is_said_of_text_is_what_was_read() -> None:
    posters, screenshots, pages = map(rows_of, ("posters", "screenshots", "renderings"))
    unchanged = ["0 %"] * 3
    for name in ("other colours, the same words", "photograph replaced"):
        assert posters[name][-3:] == unchanged
    for name in ("JPEG, quality 90", "JPEG, quality 50", "half the size"):
        assert screenshots[name][-3:] == unchanged
    for name in ("moved down by 1 pixel", "letters 1 point larger"):
        assert pages[name][-3:] == unchanged
    changed = "price changed to $8.50", "one figure changed", "price changed to $91.99"
    for name, rows in zip(changed, (posters, screenshots, pages), strict=True):
        row = rows[name]
        assert all(cell != "0 %" for cell in row[-3:])
    assert screenshots["a third of the size"][-2] != "0 %"


def test_what_is_said_of_edited_parts_is_what_was_noticed() -> None:
    for page, name in (
        ("renderings", "price changed to $91.99"),
        ("renderings", "banner over the lower third"),
        ("generated", "face replaced by a mirrored one"),
        ("generated", "eyes and mouth gone"),
        ("posters", "price changed to $8.50"),
        ("screenshots", "one figure changed"),
    ):
        assert rows_of(page)[name][3] == "yes"


@pytest.mark.parametrize("page", SCENARIOS)
def test_versions_differ_from_the_reference_and_from_each_other(page: str) -> None:
    scenario = SCENARIOS[page]
    assert len(scenario.versions) >= 6
    pictures = [scenario.ref, *scenario.versions.values()]
    assert all(picture.mode == "RGB" for picture in pictures)
    assert len({(picture.size, picture.tobytes()) for picture in pictures}) == len(pictures)


def test_a_table_is_what_the_scorer_says() -> None:
    grey, white = (Image.new("RGB", (32, 32), colour) for colour in ("grey", "white"))
    scenario = Scenario("some", grey, {"made white": white, "again": white})
    lines = measured(FixedScorer(), scenario)  # type: ignore[arg-type]
    assert lines == [
        "| what was done | score | 90 % interval | unfamiliar | edited |",
        "| --- | --- | --- | --- | --- |",
        "| made white | 4.00 | 3.00 to 5.00 |  |  |",
        "| again | 3.00 | 2.00 to 4.00 |  | yes |",
    ]
    page = "before\n<!-- measured -->\nold\n<!-- end -->\nafter"
    assert with_table(page, "new") == "before\n<!-- measured -->\n\nnew\n\n<!-- end -->\nafter"
    with pytest.raises(ValueError, match="0 places"):
        with_table("before", "new")
    assert sheet(scenario).width > 4 * CELL[0]
