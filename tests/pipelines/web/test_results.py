"""What the page shows of scores: card, chart, heat map, table."""

from __future__ import annotations

import base64
import io
import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from PIL import Image

from pipelines.web.examples import RECIPES, write_examples
from pipelines.web.results import (
    BARS,
    EDITED,
    UNFAMILIAR,
    Scale,
    colour_key_figure,
    contribution_chart,
    heat_map,
    score_card,
    score_table,
    thumbnails,
)
from seiqa_models.score import Score
from tests.pipelines.conftest import scene


def make_score(**options: Any) -> Score:
    settings = {
        "low": 3.0,
        "high": 4.0,
        "unfamiliar": False,
        "agree": True,
        "edited": False,
        "explain": dict,
    } | options
    return Score(3.4, **settings)


def test_score_card_says_score_interval_and_scale() -> None:
    card = score_card(make_score(), Scale(0, 5, pseudo=False))
    for text in (
        "3.40",
        "90\N{NO-BREAK SPACE}% interval 3.00 to 4.00",
        "0: none of the meaning",
        "5: all of it",
    ):
        assert text in card
    assert 'left:60.0%;width:20.0%"' in card  # the interval, of 0 to 5
    assert 'left:68.0%"' in card
    assert UNFAMILIAR not in card
    assert EDITED not in card
    assert "pseudo" not in card


def test_score_card_warns() -> None:
    card = score_card(make_score(unfamiliar=True, edited=True), Scale(1, 9, pseudo=True))
    assert UNFAMILIAR in card
    assert EDITED in card
    assert "pseudo-labels" in card
    assert "none of the meaning" not in card  # 1 was just the worst in training


def test_chart_names_every_group_and_adds_up_the_small() -> None:
    parts = {"baseline": 2.5, "<b>": 1.0} | {f"g{n:02}": -0.01 * n for n in range(20)}
    chart = contribution_chart(parts)
    assert "2.50" in chart
    assert "&lt;b&gt; +1.00; g19 -0.19" in chart
    rest = sum(0.01 * n for n in range(20 - (BARS - 2)))
    assert f"{21 - (BARS - 1)} others {-rest:+.2f}" in chart


def test_chart_has_no_negative_zero() -> None:
    assert "ssim +0.00" in contribution_chart({"baseline": 2.5, "ssim": -0.001})


def test_heat_map_shows_where_the_difference_is() -> None:
    ref = scene(1, (1400, 900))
    dist = ref.copy()
    dist.paste((255, 0, 0), (0, 0, 700, 450))
    shown = np.asarray(heat_map(ref, dist), dtype=float).sum(axis=2)
    assert shown.shape == (658, 1024)
    assert shown[:300, :480].mean() > 1.5 * shown[360:, 550:].mean()


COLUMNS = ["ref", "dist", "score", "low", "high", "unfamiliar", "agree", "edited", "problem"]


def test_score_table_counts_and_escapes() -> None:
    rows = [
        ("<i>", "d", 1.239, 1.0, 1.5, "yes", "no", "no", ""),
        ("a", "b", 3.0, 2.0, 4.0, "no", "yes", "yes", ""),
        ("b", "c", None, None, None, None, None, None, "b: damaged"),
    ]
    shown = score_table(pd.DataFrame(rows, columns=COLUMNS), ["", "", ""])
    assert "2 of 3 pairs scored; 1 could not be" in shown
    cells = [re.findall("<td>(.*?)</td>", row) for row in shown.split("<tr>")[2:]]
    assert cells == [
        ["", "1.24", "1.00 to 1.50", "unfamiliar, metrics disagree", "&lt;i&gt;", "d"],
        ["", "3.00", "2.00 to 4.00", "edited", "a", "b"],
        ["", "", "", "b: damaged", "b", "c"],
    ]


def test_thumbnails_are_small_pictures_and_the_only_html() -> None:
    small = thumbnails(scene(1, (400, 200)), scene(2))
    contents = re.findall(r'<img src="data:image/webp;base64,([^"]+)" alt="">', small)
    sizes = [Image.open(io.BytesIO(base64.b64decode(content))).size for content in contents]
    assert sizes == [(64, 32), (64, 48)]
    row = ("<i>", "<b>", 1.0, 0.5, 1.5, "no", "yes", "no", "")
    shown = score_table(pd.DataFrame([row], columns=COLUMNS), [small])
    assert f"<td>{small}</td><td>1.00</td>" in shown
    assert "<td>&lt;i&gt;</td><td>&lt;b&gt;</td>" in shown


def test_the_heat_map_has_a_key() -> None:
    figure = colour_key_figure()
    assert figure.count("data:image/svg+xml;base64,") == 1
    assert "0: nothing; 1: everything" in figure


def test_examples_are_made_on_the_fly_and_claim_no_label(tmp_path: Path) -> None:
    rows = write_examples(tmp_path)
    assert len(rows) == len(RECIPES)
    for ref, dist, words in rows:
        before, after = (np.asarray(Image.open(path)) for path in (ref, dist))
        assert before.shape == after.shape
        assert (before != after).any()
        assert not any(character.isdigit() for character in words)
