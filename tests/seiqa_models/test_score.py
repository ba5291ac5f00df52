"""Score: a number with an interval and an explanation."""

from __future__ import annotations

import copy
import csv
import io
import json
import pickle
from collections.abc import Callable

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
    def make(*, unfamiliar: bool = False) -> Score:
        def explain() -> dict[str, float]:
            asked.append("asked")
            return {"gms": 0.8124, "baseline": 3.0}

        return Score(
            np.float64(3.8124),
            low=np.float64(3.2071),
            high=np.float64(4.4),
            unfamiliar=np.bool_(unfamiliar),  # type: ignore[arg-type]
            agree=np.bool_(True),  # type: ignore[arg-type]
            explain=explain,
        )

    return make


def test_it_says_how_sure_it_is(make: Callable[..., Score]) -> None:
    assert repr(make()) == "3.8124 (3.21 to 4.40, 90 %)"
    assert repr(make(unfamiliar=True)) == "3.8124 (3.21 to 4.40, 90 %, unfamiliar)"


def test_it_is_a_number_wherever_one_is_expected(make: Callable[..., Score]) -> None:
    score = make()
    assert score == 3.8124
    assert type(score.low) is type(score.high) is float
    assert type(score.unfamiliar) is type(score.agree) is bool
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
