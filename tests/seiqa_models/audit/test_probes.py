"""Probes by hand, where the answer is known."""

from __future__ import annotations

import numpy as np
import pytest

from seiqa_models.audit.probes import (
    autocorrelation,
    group_only,
    index_only,
    label_histogram,
    spread,
)


def test_histogram_by_value_or_by_bin():
    assert label_histogram(np.array([2.0, 0, 2, 5])) == [
        {"from": 0.0, "to": 0.0, "n": 1},
        {"from": 2.0, "to": 2.0, "n": 2},
        {"from": 5.0, "to": 5.0, "n": 1},
    ]
    many = label_histogram(np.linspace(0, 10, 101))
    assert [item["n"] for item in many] == [10] * 9 + [11]
    assert (many[0]["from"], many[-1]["to"]) == (0.0, 10.0)


def test_autocorrelation_follows_file_order_not_row_order():
    labels = np.array([0.0, 1, 2, 3, 4, 5])
    assert autocorrelation(labels, np.arange(6)) == pytest.approx(1)
    shuffled = np.array([4, 0, 3, 5, 1, 2])
    assert autocorrelation(labels[shuffled], shuffled) == pytest.approx(1)


def test_blocks_of_thirty_keep_neighbours_apart():
    """Labels are alike within runs of 30 files: known from the run, unknown without it."""
    rng = np.random.default_rng(0)
    labels = np.repeat(rng.normal(size=20), 30) + 0.1 * rng.normal(size=600)
    probe = index_only(labels, np.arange(600.0), np.arange(600), seed=0)
    assert probe["shuffled"] > 0.9
    assert probe["grouped"] > 0.9
    assert abs(probe["blocked"]) < 0.5
    assert abs(probe["contiguous"]) < 0.5


def test_few_files_still_make_two_blocks():
    probe = index_only(np.arange(12.0), np.arange(12.0), np.arange(12), seed=0)
    assert np.isfinite(list(probe.values())).all()


def test_group_only_is_the_mean_of_the_other_rows_of_the_group():
    groups = np.repeat(np.arange(20), 5)
    assert group_only(groups.astype(float), groups, seed=0) == pytest.approx(1)
    assert abs(group_only(np.random.default_rng(0).normal(size=100), groups, seed=0)) < 0.4


def test_spread_is_the_share_of_files_that_a_group_spans():
    order = np.array([10.0, 20, 30, 40])
    assert spread(order, np.array([0, 0, 1, 1])) == 0.25
    assert spread(order, np.array([0, 1, 1, 0])) == 0.5
    assert spread(order, np.arange(4)) == 0
