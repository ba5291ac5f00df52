"""The bootstrap over groups against plain resampling."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from seiqa_models.core.metrics import final_score
from seiqa_models.evaluation import bootstrap
from seiqa_models.evaluation.bootstrap import (
    bootstrap_interval,
    expanded_tail,
    group_resamples,
    score_summary,
)

RNG = np.random.default_rng(3)
LABELS = RNG.integers(0, 6, 60).astype(float)
SCORES = np.round(LABELS + RNG.normal(size=60), 1)
GROUPS = np.arange(60) // 4


def test_resamples_equal_repeated_rows():
    found = group_resamples(LABELS, {"own": SCORES}, GROUPS, n_boot=20, seed=3)["own"]
    draws = np.random.default_rng(3).multinomial(15, np.full(15, 1 / 15), 20)[:, GROUPS]
    repeated = [np.repeat(np.arange(60), counts) for counts in draws]
    expected = [final_score(LABELS[rows], SCORES[rows]) for rows in repeated]
    np.testing.assert_allclose(found, expected, atol=1e-12)


def test_several_predictions_share_resamples_and_each_is_as_alone(monkeypatch):
    other = LABELS + np.random.default_rng(4).normal(size=60)
    both = group_resamples(LABELS, {"one": SCORES, "two": other}, GROUPS)
    alone = group_resamples(LABELS, {"two": other}, GROUPS)
    assert np.array_equal(both["two"], alone["two"])
    assert len(both["one"]) == 1000
    monkeypatch.setattr(bootstrap, "BOOTSTRAP_CELLS", 60 * 7)  # chunks of seven
    assert np.array_equal(group_resamples(LABELS, {"two": other}, GROUPS)["two"], alone["two"])
    expected = score_summary(LABELS, other, GROUPS)
    assert score_summary(LABELS, other, GROUPS, finals=both["two"]) == expected


def test_resamples_need_as_many_groups_as_rows():
    with pytest.raises(ValueError, match="groups has 3 values, y has 60"):
        group_resamples(LABELS, {"own": SCORES}, [1, 2, 3])


def test_interval_is_wider_by_group_than_by_row():
    """Rows of a group share an error, so 60 rows say no more than 6 groups."""
    rng = np.random.default_rng(0)
    groups = np.repeat(np.arange(6), 10)
    labels = rng.uniform(0, 5, 60)
    scores = labels * np.repeat([1.0, 1.0, 1.0, 1.0, 1.0, -1.0], 10)
    by_group = bootstrap_interval(labels, scores, groups)
    by_row = bootstrap_interval(labels, scores, np.arange(60))
    assert np.ptp(by_group) > 1.3 * np.ptp(by_row)
    assert by_row[0] < final_score(labels, scores) < by_row[1]


def test_few_groups_widen_the_interval_as_in_students():
    """Hesterberg 2015: tail Φ(-√(n / (n - 1)) t), towards 2.5 % with many groups."""
    assert expanded_tail(10) == pytest.approx(
        stats.norm.cdf(-np.sqrt(10 / 9) * stats.t.ppf(0.975, 9)), rel=1e-9
    )
    assert expanded_tail(100_000) == pytest.approx(0.025, rel=1e-3)
    rng = np.random.default_rng(0)
    groups = np.repeat(np.arange(6), 10)
    labels = rng.uniform(0, 5, 60)
    scores = labels + 0.3 * groups * rng.normal(size=60)
    finals = group_resamples(labels, {"own": scores}, groups)["own"]
    low, high = np.percentile(finals, [2.5, 97.5])
    expanded = bootstrap_interval(labels, scores, groups)
    assert expanded[0] < low
    assert expanded[1] > high


def test_interval_is_reproducible_and_vacuous_for_one_group():
    groups = np.arange(60) // 6
    assert bootstrap_interval(LABELS, SCORES, groups) == bootstrap_interval(LABELS, SCORES, groups)
    assert bootstrap_interval(LABELS, SCORES, np.zeros(60)) == [-1.0, 1.0]


def test_resamples_of_a_single_label_count_as_zero():
    """Two groups of one label each: half of all resamples hold one label only."""
    low, high = bootstrap_interval([0.1] * 3 + [0.7] * 3, [1, 2, 3, 4, 5, 6], [0] * 3 + [1] * 3)
    assert low == 0.0
    assert high == pytest.approx(final_score([0.1] * 3 + [0.7] * 3, [1, 2, 3, 4, 5, 6]))


def test_summary_is_json_ready():
    summary = score_summary(LABELS, SCORES, np.arange(60) // 10)
    assert set(summary) == {"srocc", "plcc", "krocc", "rmse", "final", "interval"}
    assert all(type(summary[key]) is float for key in ("srocc", "plcc", "krocc", "rmse", "final"))
    assert [type(end) for end in summary["interval"]] == [float, float]
