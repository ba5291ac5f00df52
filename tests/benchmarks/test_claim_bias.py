"""Where the error of a claim comes from: the level of a fold's model, on rows made by hand."""

from __future__ import annotations

import sys
from pathlib import Path

import claim_bias
import numpy as np
import pandas as pd
import pytest

from seiqa_models.core.checks import TrainingTable, check_training_table


@pytest.fixture
def table() -> TrainingTable:
    """12 references that observers rate at levels of their own; 2 kinds, 9 metrics."""
    rng = np.random.default_rng(0)
    groups, kinds = np.repeat(np.arange(12), 12), np.tile([0, 1], 72)
    quality = rng.uniform(0, 5, 144)
    X = pd.DataFrame({f"m{i}": quality + 0.3 * rng.normal(size=144) for i in range(9)})
    return check_training_table(X, quality + rng.normal(size=12)[groups], groups, kinds=kinds)


def test_levels_make_claims_too_low_and_subtracting_them_mends_it(table: TrainingTable) -> None:
    rows = [claim_bias.look(table, [5, 6], 2, None, draw) for draw in range(6)]
    found = pd.DataFrame(rows)
    assert found["references"].tolist() == [5, 6] * 3
    assert (found["claim, one-out"] < found["level, one-out"]).all()
    five = found[found["references"] == 5]
    assert five["claim, 5 folds"].tolist() == five["claim, one-out"].tolist()
    assert set(found.filter(like="held").to_numpy().ravel()) <= {0.0, 1.0}
    assert (found["held few, claim"] >= found["held, claim"]).all()


def test_the_model_of_chance_knows_no_reference_of_the_population(
    table: TrainingTable, monkeypatch: pytest.MonkeyPatch
) -> None:
    fitted: list[TrainingTable] = []
    process = claim_bias.process

    def noted(part: TrainingTable) -> claim_bias.Model:
        fitted.append(part)
        return process(part)

    monkeypatch.setattr(claim_bias, "process", noted)
    found = claim_bias.look(table, [5], 2, 8, 0)
    drawn, others = fitted[:2]
    assert len(np.unique(drawn.groups)) == 5
    assert len(np.unique(others.groups)) == 12 - 8
    assert not set(drawn.X.index) & set(others.X.index)
    assert list(others.X.columns) == list(drawn.X.columns)
    assert 0 < abs(found["chance"] - found["truth"]) < 0.2
    assert "chance" not in claim_bias.look(table, [5], 2, None, 0)


def test_a_population_that_leaves_too_few_others_is_refused(
    table: TrainingTable, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(claim_bias, "load", lambda _: table)
    monkeypatch.setattr(sys, "argv", ["claim_bias", "table.csv", "--population", "8"])
    with pytest.raises(SystemExit):
        claim_bias.main()
    assert "the table has 12 references" in capsys.readouterr().err


def test_means_are_differences_from_the_truth() -> None:
    found = pd.DataFrame(
        {
            "references": [6, 6, 10, 10],
            "truth": [0.9, 0.8, 0.9, 0.9],
            "models, 5 folds": [0.8, 0.7, 0.9, 0.9],
            "claim, 5 folds": [0.8, 0.9, 0.9, 0.7],
            "held, claim": [1.0, 0.0, 1.0, 1.0],
        }
    )
    table = claim_bias.means(found)
    assert table.loc["models, 5 folds"].tolist() == pytest.approx([-0.1, 0.0, -0.05])
    assert table.loc["claim, 5 folds"].tolist() == pytest.approx([0.0, -0.1, -0.05])
    assert table.loc["absolute claim, 5 folds"].tolist() == pytest.approx([0.1, 0.1, 0.1])
    assert table.loc["held, claim"].tolist() == pytest.approx([0.5, 1.0, 0.75])
    assert table.loc["standard error", "6"] == pytest.approx(0.1)
    assert table.loc["draws"].tolist() == [2, 2, 4]
    assert "absolute models, 5 folds" not in table.index


def test_it_prints_every_number_of_references(
    table: TrainingTable, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(claim_bias, "load", lambda _: table)
    arguments = [*("--references", "5", "6"), *("--draws", "2"), *("--some-kinds", "2")]
    monkeypatch.setattr(sys, "argv", ["claim_bias", str(Path("table.csv")), *arguments])
    claim_bias.main()
    printed = capsys.readouterr().out
    assert printed.split()[:3] == ["5", "6", "all"]
    assert "level, one-out" in printed
