"""Intervals against plain resampling, and where the answer is known."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from seiqa_models.core.metrics import final_score
from seiqa_models.evaluation.bootstrap import (
    bootstrap_interval,
    fresh_interval,
    resampled_finals,
    score_summary,
)

RNG = np.random.default_rng(3)
LABELS = RNG.integers(0, 6, 60).astype(float)
SCORES = np.round(LABELS + RNG.normal(size=60), 1)


def test_resampling_by_counts_equals_repeating_rows():
    counts = np.random.default_rng(0).integers(0, 4, (20, 60))
    repeated = [np.repeat(np.arange(60), row) for row in counts]
    expected = [final_score(LABELS[rows], SCORES[rows]) for rows in repeated]
    np.testing.assert_allclose(resampled_finals(LABELS, SCORES, counts), expected, atol=1e-12)


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
    rng = np.random.default_rng(0)
    groups = np.repeat(np.arange(6), 10)
    labels = rng.uniform(0, 5, 60)
    scores = labels + 0.3 * groups * rng.normal(size=60)
    draws = np.random.default_rng(0).multinomial(6, [1 / 6] * 6, 1000)
    finals = resampled_finals(labels, scores, draws[:, groups])
    reach = np.sqrt(6 / 5) * stats.t.ppf(0.975, 5) * np.std(np.arctanh(finals), ddof=1)
    low, high = np.arctanh(bootstrap_interval(labels, scores, groups))
    assert (low + high) / 2 == pytest.approx(np.arctanh(final_score(labels, scores)))
    assert (high - low) / 2 == pytest.approx(reach, rel=1e-6)


def test_few_new_groups_are_less_certain_than_many():
    interval = list(np.tanh([1.0, 2.0]))
    wider = fresh_interval(np.tanh(1.5), interval, groups=6, fresh=2)
    np.testing.assert_allclose(np.arctanh(wider), [0.5, 2.5])
    assert fresh_interval(np.tanh(1.5), interval, groups=6, fresh=10**9) == pytest.approx(interval)


def test_interval_of_many_groups_is_that_of_percentiles():
    rng = np.random.default_rng(0)
    labels = rng.uniform(0, 5, 400)
    scores = labels + 2 * rng.normal(size=400)
    finals = resampled_finals(labels, scores, rng.multinomial(400, [1 / 400] * 400, 1000))
    np.testing.assert_allclose(
        bootstrap_interval(labels, scores, np.arange(400)),
        np.percentile(finals, [2.5, 97.5]),
        atol=0.01,
    )


def test_interval_of_a_perfect_score_is_the_score():
    assert bootstrap_interval(LABELS, LABELS, np.arange(60) // 6) == pytest.approx([1.0, 1.0])


def test_interval_is_reproducible_and_vacuous_for_one_group():
    groups = np.arange(60) // 6
    assert bootstrap_interval(LABELS, SCORES, groups) == bootstrap_interval(LABELS, SCORES, groups)
    assert bootstrap_interval(LABELS, SCORES, np.zeros(60)) == [-1.0, 1.0]


def test_resamples_of_a_single_label_count_as_zero():
    labels, scores = np.repeat([0.1, 0.7], 3), np.arange(1.0, 7.0)
    counts = np.array([[2, 2, 2, 0, 0, 0], [1, 1, 1, 1, 1, 1]])
    found = resampled_finals(labels, scores, counts)
    np.testing.assert_allclose(found, [0.0, final_score(labels, scores)])


def test_summary_is_json_ready():
    rng = np.random.default_rng(1)
    labels = rng.uniform(0, 5, 500)
    summary = score_summary(labels, labels + rng.normal(size=500), np.arange(500) // 10)
    assert set(summary) == {"srocc", "plcc", "krocc", "rmse", "final", "interval"}
    assert all(type(summary[key]) is float for key in ("srocc", "plcc", "krocc", "rmse", "final"))
    assert [type(end) for end in summary["interval"]] == [float, float]
