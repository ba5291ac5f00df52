"""Scores in words: between which doses of a degradation a score lies."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from seiqa_models.anchors import Ladder, in_words
from seiqa_models.bundle import BOXED, load_bundle, save_card
from seiqa_models.card import check_card, ladders_of, render_card
from seiqa_models.core.errors import TableError


def ladder(*scores: float, **more: Any) -> Ladder:
    doses = [90.0, 40.0, 10.0, 5.0][: len(scores)]
    made = {"name": "JPEG quality", "doses": doses, "scores": list(scores), "references": 3}
    return Ladder(**{**made, **more})


@pytest.mark.parametrize(
    ("score", "said"),
    [
        (4.9, "milder than JPEG quality 90"),
        (4.5, "like JPEG quality 90"),
        (4.0, "like JPEG quality 90 to 40"),
        (3.5, "like JPEG quality 40"),
        (1.2, "like JPEG quality 10 to 5"),
        (0.2, "worse than JPEG quality 5"),
    ],
)
def test_a_score_lies_between_two_doses(score: float, said: str) -> None:
    assert ladder(4.5, 3.5, 2.0, 1.0).compare(score) == said


@pytest.mark.parametrize(
    ("scores", "score", "said"),
    [
        ((4.0, 3.0, 3.4, 1.0), 3.2, "like JPEG quality 90 to 5"),  # either side of the bump
        ((3.0, 4.0, 2.0, 1.0), 3.5, "milder than JPEG quality 10"),
        ((4.0, 3.0, 1.0, 2.0), 1.5, "worse than JPEG quality 40"),
        ((1.0, 4.0, 1.0, 4.0), 2.0, None),  # any dose could be meant
        ((3.0, 3.0, 3.0, 3.0), 3.0, None),
    ],
)
def test_a_ladder_that_does_not_fall_claims_less(
    scores: tuple[float, ...], score: float, said: str | None
) -> None:
    assert ladder(*scores).compare(score) == said


def test_the_line_says_whose_scores_these_are() -> None:
    blur = ladder(4.0, 2.0, name="blur of σ", unit="px", as_collections={"LIVE": [3.0, 1.0]})
    said = in_words([ladder(4.5, 3.5), blur], 3.0)
    assert said == (
        "worse than JPEG quality 40, like blur of σ 90 to 40 px (by this model's own scores)"
    )
    assert in_words([ladder(4.5, 3.5), blur], 3.5, "LIVE") == (
        "milder than blur of σ 90 px (by this model's own scores)"
    )
    assert in_words([], 3.0) is None


@pytest.mark.parametrize(
    "wrong",
    [
        {"scores": [1.0]},
        {"scores": [1.0, float("nan")]},
        {"doses": [1.0], "scores": [1.0]},
        {"name": "x" * 41},
        {"as_collections": {"LIVE": [1.0]}},
        {"more": 1},
        {"references": 0},
    ],
)
def test_a_card_with_other_anchors_is_refused(wrong: dict[str, Any]) -> None:
    good = ladder(2.0, 1.0).model_dump()
    check_card({"label_kind": "MOS", "anchors": [good]})
    with pytest.raises(ValueError, match="validation error"):
        check_card({"label_kind": "MOS", "anchors": [{**good, **wrong}]})


def test_a_card_shows_them() -> None:
    said = render_card({"label_kind": "MOS", "anchors": [ladder(2.0, 1.0).model_dump()]})
    assert "## What scores mean\n\nMedians of the model's own scores of 3 training refer" in said
    assert "| JPEG quality 40 | 1.00 |" in said
    assert "What scores mean" not in render_card({"label_kind": "MOS", "anchors": []})


def test_the_built_in_model_has_falling_ladders_for_all_observers() -> None:
    bundle = load_bundle(BOXED)
    for found in ladders_of(bundle.card):
        assert set(found.as_collections) == set(bundle.regressor.collections_)
        for scores in (found.scores, *found.as_collections.values()):
            assert scores == sorted(scores, reverse=True)
    assert render_card(bundle.card) == (BOXED / "card.md").read_text()


def test_a_new_card_leaves_the_model_as_it_is(tmp_path: Path) -> None:
    shutil.copytree(BOXED, tmp_path / "bundle")
    card = {"label_kind": "MOS", "name": "renamed", "anchors": [ladder(2.0, 1.0).model_dump()]}
    save_card(tmp_path / "bundle", card)
    model = (tmp_path / "bundle/model.skops").read_bytes()
    assert model == (BOXED / "model.skops").read_bytes()
    assert (tmp_path / "bundle/card.md").read_text().startswith("# renamed\n")
    then, now = (json.loads((f / "bundle.json").read_text()) for f in (BOXED, tmp_path / "bundle"))
    assert now.pop("card") == card
    del then["card"]
    assert now.pop("checksum") != then.pop("checksum")
    assert now == then
    with pytest.raises(TableError, match="is not a bundle"):
        save_card(tmp_path / "none", card)
