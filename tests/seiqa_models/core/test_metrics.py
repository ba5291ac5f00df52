"""Metrics against scipy."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from seiqa_models.core.metrics import final_score, krocc, plcc, rmse, srocc

RNG = np.random.default_rng(3)
LABELS = RNG.integers(0, 6, 60).astype(float)
SCORES = np.round(LABELS + RNG.normal(size=60), 1)


def test_metrics_agree_with_scipy_on_ties():
    assert srocc(LABELS, SCORES) == pytest.approx(stats.spearmanr(LABELS, SCORES).statistic)
    assert plcc(LABELS, SCORES) == pytest.approx(stats.pearsonr(LABELS, SCORES).statistic)
    assert krocc(LABELS, SCORES) == pytest.approx(stats.kendalltau(LABELS, SCORES).statistic)
    assert rmse([1, 2], [1, 5]) == pytest.approx(np.sqrt(4.5))


def test_final_score_is_the_challenge_formula():
    expected = 0.6 * srocc(LABELS, SCORES) + 0.4 * plcc(LABELS, SCORES)
    assert final_score(LABELS, SCORES) == pytest.approx(expected)


@pytest.mark.parametrize("metric", [srocc, plcc, krocc, final_score])
def test_a_constant_orders_nothing(metric):
    assert metric([1.0, 2.0, 3.0], [0.1, 0.1, 0.1]) == 0.0
    assert metric([0.1, 0.1, 0.1], [1.0, 2.0, 3.0]) == 0.0


def test_correlations_do_not_depend_on_scale():
    tiny = 1e-200 * np.array([1.0, 2.0, 4.0])
    assert plcc([1, 2, 4], tiny) == pytest.approx(1)
    assert plcc([1, 2, 4], -tiny) == pytest.approx(-1)


@pytest.mark.parametrize("metric", [srocc, plcc, krocc, rmse, final_score])
def test_errors_name_the_argument(metric):
    with pytest.raises(ValueError, match="prediction has 2 values, y has 3"):
        metric([1, 2, 3], [1, 2])
    with pytest.raises(ValueError, match="prediction has 1 non-finite"):
        metric([1, 2, 3], [1, 2, np.nan])
    with pytest.raises(ValueError, match="y has shape"):
        metric([[1, 2, 3]], [1, 2, 3])
    with pytest.raises(ValueError, match="y has shape"):
        metric([], [])
