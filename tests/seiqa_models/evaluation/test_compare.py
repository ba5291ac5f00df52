"""The paired bootstrap against plain resampling, and where the answer is known."""

from __future__ import annotations

import json

import numpy as np
import pytest

from seiqa_models.core.metrics import final_score
from seiqa_models.evaluation.bootstrap import bootstrap_interval
from seiqa_models.evaluation.compare import compare

RNG = np.random.default_rng(5)
GROUPS = np.repeat(np.arange(20), 6)
LABELS = RNG.integers(0, 6, 120).astype(float)
GOOD = LABELS + RNG.normal(size=120)
BAD = LABELS + 2.5 * RNG.normal(size=120)


def test_a_clear_difference_is_found_and_is_json_ready():
    found = json.loads(json.dumps(compare(LABELS, GOOD, BAD, GROUPS)))
    assert found["difference"] == final_score(LABELS, GOOD) - final_score(LABELS, BAD)
    low, high = found["interval"]
    assert 0 < low < found["difference"] < high
    assert found["p_value"] < 0.01


def test_order_of_the_systems_turns_the_sign():
    one, other = compare(LABELS, GOOD, BAD, GROUPS), compare(LABELS, BAD, GOOD, GROUPS)
    assert other["difference"] == -one["difference"]
    assert other["interval"] == pytest.approx([-end for end in reversed(one["interval"])])
    assert other["p_value"] == one["p_value"]


def test_a_system_is_no_better_than_itself_on_another_scale():
    found = compare(LABELS, GOOD, 3 * GOOD + 7, GROUPS)
    assert found["difference"] == pytest.approx(0, abs=1e-12)
    assert found["interval"] == pytest.approx([0, 0], abs=1e-12)
    assert compare(LABELS, GOOD, GOOD, GROUPS)["p_value"] == 1.0


def test_chance_differences_are_called_significant_about_as_often_as_promised():
    """Two systems of equal worth, 200 times: p < .05 in about 5 % of them."""
    rng = np.random.default_rng(0)
    significant = 0
    for seed in range(200):
        y = rng.normal(size=120)
        a, b = y + rng.normal(size=(2, 120))
        significant += compare(y, a, b, GROUPS, n_boot=200, seed=seed)["p_value"] < 0.05
    assert 2 <= significant <= 24


def test_equals_scoring_repeated_rows():
    found = compare(LABELS, GOOD, BAD, GROUPS, n_boot=300, seed=3)
    counts = np.random.default_rng(3).multinomial(20, np.full(20, 1 / 20), 300)[:, GROUPS]
    rows = [np.repeat(np.arange(120), row) for row in counts]
    drawn = [final_score(LABELS[r], GOOD[r]) - final_score(LABELS[r], BAD[r]) for r in rows]
    assert found["interval"] == pytest.approx(list(np.percentile(drawn, [2.5, 97.5])))


def test_pairing_narrows_the_interval():
    """Both systems share most of their error, which cancels in the difference."""
    rng = np.random.default_rng(1)
    other = GOOD + 0.1 * rng.normal(size=120)
    paired = np.ptp(compare(LABELS, GOOD, other, GROUPS)["interval"])
    assert paired < 0.5 * np.ptp(bootstrap_interval(LABELS, GOOD, GROUPS))


def test_one_group_says_nothing_and_bad_input_is_named():
    found = compare(LABELS, GOOD, BAD, np.zeros(120))
    assert (found["interval"], found["p_value"]) == ([-2.0, 2.0], 1.0)
    with pytest.raises(ValueError, match="groups has 5 values, y has 120"):
        compare(LABELS, GOOD, BAD, GROUPS[:5])
    with pytest.raises(ValueError, match="prediction has 119 values"):
        compare(LABELS, GOOD, BAD[1:], GROUPS)
