"""Score: a number with an interval and an explanation."""

from __future__ import annotations

import copy
import csv
import io
import json
import pickle
from collections.abc import Callable
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest

from seiqa_models.score import Score, settle_identical


@pytest.fixture
def asked() -> list[str]:
    """One entry for each time that contributions were worked out."""
    return []


@pytest.fixture
def make(asked: list[str]) -> Callable[..., Score]:
    def make(*, unfamiliar: bool = False, edited: bool = False) -> Score:
        def explain() -> dict[str, float]:
            asked.append("asked")
            return {"gms": 0.8124, "baseline": 3.0}

        return Score(
            np.float64(3.8124),
            low=np.float64(3.2071),
            high=np.float64(4.4),
            unfamiliar=np.bool_(unfamiliar),  # type: ignore[arg-type]
            agree=np.bool_(True),  # type: ignore[arg-type]
            edited=np.bool_(edited),  # type: ignore[arg-type]
            like="like JPEG quality <20>",
            explain=explain,
        )

    return make


def test_it_says_how_sure_it_is(make: Callable[..., Score]) -> None:
    assert repr(make()) == "3.8124 (3.21 to 4.40, 90 %)"
    assert repr(make(unfamiliar=True)) == "3.8124 (3.21 to 4.40, 90 %, unfamiliar)"
    assert repr(make(edited=True)) == "3.8124 (3.21 to 4.40, 90 %, edited)"


def test_it_is_a_number_wherever_one_is_expected(make: Callable[..., Score]) -> None:
    score = make()
    assert score == 3.8124
    assert type(score.low) is type(score.high) is float
    assert type(score.unfamiliar) is type(score.agree) is type(score.edited) is bool
    assert f"{score}" == str(score) == "3.8124"
    assert f"{score:.1f}" == "3.8"
    assert json.dumps([score]) == "[3.8124]"
    assert sorted([score, 1.0, 9.0]) == [1.0, score, 9.0]
    assert np.asarray([score]).dtype == np.float64
    file = io.StringIO()
    csv.writer(file).writerow([score])
    assert file.getvalue().strip() == "3.8124"


def test_contributions_are_worked_out_once_and_only_when_asked_for(
    make: Callable[..., Score], asked: list[str]
) -> None:
    score = make()
    repr(score)
    assert asked == []
    assert score.contributions == score.contributions == {"gms": 0.8124, "baseline": 3.0}
    assert asked == ["asked"]


@pytest.mark.parametrize(
    "duplicate", [copy.copy, copy.deepcopy, lambda score: pickle.loads(pickle.dumps(score))]
)
def test_a_copy_holds_everything(
    duplicate: Callable[[Score], Score], make: Callable[..., Score]
) -> None:
    score = make(unfamiliar=True)
    again = duplicate(score)
    assert repr(again) == repr(score)
    assert (again, again.low, again.high) == (score, score.low, score.high)
    assert again.contributions == score.contributions


def test_pairs_of_equal_pixels_are_settled() -> None:
    scores = pd.DataFrame(
        {"score": [1.0, 2.0], "low": [0.5, 1.0], "high": [2.0, 3.0], "unfamiliar": [True, True]}
    ).astype({"unfamiliar": "boolean"})
    settled = settle_identical(scores, [False, True], 5.0)
    assert settled.to_numpy().tolist() == [[1.0, 0.5, 2.0, True], [5.0, 5.0, 5.0, False]]
    assert settled.dtypes.tolist() == scores.dtypes.tolist()
    assert scores["score"].tolist() == [1.0, 2.0]
    alone = settle_identical(
        pd.DataFrame({"name": ["a", "b"], "score": [1.0, 2.0]}), [True, False], 4
    )
    assert alone["score"].tolist() == [4.0, 2.0]


# --- in a notebook ---------------------------------------------------------------------------


class Parsed(HTMLParser):
    """Text and tags of a fragment; it must be well formed."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.text, self.open, self.tags = "", [], []
        self.feed(html)
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data


def drawn(**more) -> Parsed:
    parts = {"low": 3.0, "high": 4.5, "unfamiliar": True, "scale": (0.0, 5.0)} | more
    explain = {"baseline": 3.0, "<gms>": -0.25, "mdsi": 1.0}.copy
    return Parsed(Score(3.75, **parts, agree=True, explain=explain)._repr_html_())


def test_a_notebook_shows_number_scale_interval_and_contributions() -> None:
    page = drawn()
    assert "3.75 of 0 to 5 · 90 % interval 3.00 to 4.50 · unfamiliar" in page.text
    assert page.text.index("mdsi+1.00") < page.text.index("<gms>−0.25")
    assert "a typical pair3.00" in page.text
    svg = dict(page.tags)["svg"]
    assert svg["role"] == "img"
    assert svg["aria-label"] == "Score 3.75, 90 % interval 3.00 to 4.50"


def test_dot_and_interval_stand_where_they_belong_on_the_scale() -> None:
    circle = dict(drawn().tags)["circle"]
    ends = [float(dict(drawn(low=low, high=low).tags)["rect"]["x"]) for low in (0.0, 5.0)]
    assert ends == [8.0, 352.0]
    assert float(circle["cx"]) == pytest.approx(8 + 0.75 * 344)


def test_without_a_scale_only_the_interval_is_drawn() -> None:
    page = drawn(scale=None)
    assert " of " not in page.text
    assert float(dict(page.tags)["circle"]["cx"]) == pytest.approx(8 + 0.5 * 344)
    assert "identical" in drawn(identical=True).text
