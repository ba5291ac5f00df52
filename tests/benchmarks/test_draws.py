"""Studies that continue: no draw is made twice, and another study's file is left alone."""

from __future__ import annotations

from pathlib import Path

import draws
import numpy as np
import pandas as pd
import pytest
from draws import drawn_part, draws_parser, every_draw, regressor_of, study_of

from seiqa_models.core.checks import check_training_table


def test_a_stopped_study_goes_on_with_the_draws_that_it_lacks(tmp_path: Path) -> None:
    made: list[int] = []

    def one(draw: int) -> dict[str, float]:
        made.append(draw)
        if draw == 2 and len(made) == 3:
            raise KeyboardInterrupt
        return {"claim": draw / 10}

    out = tmp_path / "draws.csv"
    with pytest.raises(KeyboardInterrupt):
        every_draw(one, 4, "study", 1, out)
    assert pd.read_csv(out)["draw"].tolist() == [0, 1]
    found = every_draw(one, 4, "study", 1, out)
    assert made == [0, 1, 2, 2, 3]
    assert found["claim"].tolist() == [0.0, 0.1, 0.2, 0.3]
    assert list(found.columns) == ["claim"]
    assert every_draw(one, 3, "study", 1, out).index.tolist() == [0, 1, 2]
    assert len(made) == 5


def test_the_file_of_another_study_is_not_mixed_with_this_one(tmp_path: Path) -> None:
    out = tmp_path / "draws.csv"
    every_draw(lambda _: {"claim": 1.0}, 1, "one", 1, out)
    with pytest.raises(SystemExit, match="holds another study, 'one'; name another file"):
        every_draw(lambda _: {"claim": 2.0}, 2, "two", 1, out)
    assert pd.read_csv(out)["claim"].tolist() == [1.0]


def test_a_study_says_what_was_left_out() -> None:
    parser = draws_parser("Draws.", (6, 8))
    plain = parser.parse_args(["kadid.csv"])
    assert study_of(plain, "best") == "kadid.csv; best; references 6, 8"
    quick = parser.parse_args(["kadid.csv", "--pool", "quick", "--some-kinds", "8", "--kinds"])
    assert study_of(quick, "best") == (
        "kadid.csv; best; without ranker, ranker@8, extra_trees@8, extra_trees@6;"
        " 8 kinds in each draw; told the kinds; references 6, 8"
    )


def test_the_quick_pool_is_the_default_without_the_slow_members() -> None:
    every = set(regressor_of("best", "default").learners)
    assert every - set(regressor_of("best", "quick").learners) == set(draws.SLOW)


def test_a_draw_takes_whole_references_and_kinds_and_the_truth_has_the_same_kinds() -> None:
    rng = np.random.default_rng(0)
    rows = pd.MultiIndex.from_product([range(7), range(6), range(3)]).to_frame(index=False)
    X = pd.DataFrame(rng.normal(size=(len(rows), 12)), columns=[f"m{i:02}" for i in range(12)])
    table = check_training_table(X, rng.uniform(size=len(rows)), rows[0], kinds=rows[1])
    drawn, every = drawn_part(table, 4, 2, np.random.default_rng(1))
    assert len(drawn.y) == 4 * 2 * 3
    assert len(every.y) == 7 * 2 * 3
    assert list(drawn.X.columns) == list(every.X.columns)
    assert 5 <= drawn.X.shape[1] <= 9
    assert set(drawn.X.index) < set(every.X.index)
    again, _ = drawn_part(table, 4, 2, np.random.default_rng(1))
    pd.testing.assert_frame_equal(drawn.X, again.X)
