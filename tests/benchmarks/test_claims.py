"""Claims against truths, and the stack against its ingredients, from rows made by hand."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from claims import ALONE, claim, held_few, leads, summary

from seiqa_models.core.checks import check_training_table
from seiqa_models.stack.regressor import SeiqaRegressor


def test_misses_are_counted_with_and_without_their_sign():
    found = pd.DataFrame(
        {
            "references": [6, 6],
            "claim": [0.9, 0.8],
            "truth": [0.8, 0.9],
            "held": [1.0, 0.0],
            "held few": [True, True],
            "width": [0.2, 0.1],
        }
    )
    row = summary(found, found["references"]).loc[6]
    expected = {"miss": 0.0, "off": 0.1, "held": 0.5, "held few": 1.0, "draws": 2}
    assert row[list(expected)].to_dict() == pytest.approx(expected)


def test_the_fewer_references_are_left_the_wider_is_the_interval_for_them():
    found = pd.DataFrame(
        {"claim": [0.9] * 2, "low": [0.85] * 2, "high": [0.934] * 2, "references": [6] * 2}
    ).assign(truth=[0.95, 0.97])
    # (0.778, 0.957) for two references, as in the example of fresh_interval
    assert held_few(found, 8) == [True, False]
    assert held_few(found, 1000) == [False, False]


def test_the_best_ingredient_on_average_comes_first():
    found = pd.DataFrame(
        {"claim": [0.9, 0.8], f"{ALONE}gp": [0.95, 0.7], f"{ALONE}best metric": [0.9, 0.9]}
    )
    table = leads(found)
    assert table.index.tolist() == ["best metric", "gp"]
    assert table["mean lead"].tolist() == pytest.approx([-0.05, 0.025])
    assert table.loc["best metric", "tenth percentile"] == pytest.approx(-0.09)


def test_a_claim_names_every_ingredient_and_the_truth_is_of_other_references():
    rng = np.random.default_rng(0)
    y = rng.uniform(0, 5, 120)
    X = pd.DataFrame({f"m{i}": y + rng.normal(size=120) for i in range(9)})
    table = check_training_table(X, y, np.repeat(np.arange(12), 10))
    found = claim(SeiqaRegressor(("ridge", "single"), n_splits=2), table, [6], None, False, 0)
    assert {f"{ALONE}{name}" for name in ("best metric", "ridge", "single")} <= found.keys()
    assert found["references"] == 6
    assert 5 <= found["metrics"] <= 9
    assert 0.8 < found["truth"] < 1
    assert found["claim"] != found["truth"]
