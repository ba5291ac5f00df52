"""Prediction intervals: coverage, widening away from training, flags."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from seiqa_models.core.errors import KindsError
from seiqa_models.stack.intervals import ConformalInterval, Held
from seiqa_models.stack.regressor import SeiqaRegressor


def rows_of(n: int, *, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Rows in the plane, groups of four, residuals that grow towards the rim."""
    rng = np.random.default_rng(seed)
    values = rng.normal(size=(n, 2))
    residuals = rng.normal(size=n) * (0.2 + np.linalg.norm(values, axis=1))
    return values, np.repeat(np.arange(n // 4), 4), residuals


def fit(
    values: np.ndarray,
    groups: np.ndarray,
    residuals: np.ndarray,
    unseen: tuple[Held, ...] = (),
    agreement: np.ndarray | None = None,
) -> ConformalInterval:
    """Fitted to rows that agree fully unless told otherwise."""
    rows = np.arange(len(values))
    agreed = np.ones(len(values)) if agreement is None else agreement
    return ConformalInterval().fit(values, groups, Held(rows, rows, residuals, agreed), unseen)


def half(interval: ConformalInterval, novelty: np.ndarray, coverage: float) -> np.ndarray:
    return interval.half_width(novelty, np.ones_like(novelty), coverage)


@pytest.mark.parametrize("coverage", [0.5, 0.8, 0.95])
def test_promised_share_of_new_rows_is_covered_and_the_rim_is_wider(coverage):
    values, groups, residuals = rows_of(1200, seed=0)
    interval = fit(values, groups, residuals)
    fresh, _, errors = rows_of(4000, seed=1)
    width = half(interval, interval.novelty(fresh, np.zeros_like(fresh)), coverage)
    assert (np.abs(errors) <= width).mean() == pytest.approx(coverage, abs=0.04)
    rim = np.linalg.norm(fresh, axis=1) > 2
    assert width[rim].mean() > 1.3 * width[~rim].mean()


def test_unseen_kinds_that_are_predicted_worse_widen_every_interval():
    values, groups, residuals = rows_of(400, seed=0)
    familiar = fit(values, groups, residuals)
    new_kind = Held(np.arange(100), np.arange(100, 400), 3 * residuals[:100], np.ones(100))
    honest = fit(values, groups, residuals, (new_kind,))
    novelty = np.array([0.2, 0.5, 0.9])
    assert (half(honest, novelty, 0.9) > 1.5 * half(familiar, novelty, 0.9)).all()


def test_beyond_the_limit_the_width_grows_in_proportion_even_if_residuals_do_not():
    values, groups, _ = rows_of(400, seed=0)
    even = np.where(np.arange(400) % 2, 1.0, -1.0)
    interval = fit(values, groups, even)
    at_limit, beyond = half(interval, np.array([1.0, 3.0]), 0.9)
    assert beyond >= 2.99 * at_limit


def test_too_few_residuals_for_the_coverage_promise_nothing():
    values, groups, residuals = rows_of(8, seed=0)
    interval = fit(values, groups, residuals)
    assert np.isinf(half(interval, np.array([0.5]), 0.9)).all()
    assert np.isfinite(half(interval, np.array([0.5]), 0.8)).all()
    with pytest.raises(ValueError, match="coverage is 1, expected a value between 0 and 1"):
        half(interval, np.array([0.5]), 1)


def test_perfect_predictions_have_intervals_of_no_width():
    values, groups, _ = rows_of(40, seed=0)
    interval = fit(values, groups, np.zeros(40))
    assert half(interval, np.array([0.5, 2.0]), 0.9).tolist() == [0, 0]


def test_rows_whose_columns_disagree_get_wider_intervals_where_they_are_predicted_worse():
    values, groups, residuals = rows_of(400, seed=0)
    agreement = np.tile([1.0, 0.2], 200)
    worse = np.where(agreement < 1, 3.0, 1.0)
    interval = fit(values, groups, worse * residuals, agreement=agreement)
    agreed, torn = interval.half_width(np.array([0.5, 0.5]), np.array([1.0, 0.2]), 0.9)
    assert torn > 1.5 * agreed


def test_stack_flags_rows_beyond_what_it_saw(make_table):
    X, y, groups = make_table(n_groups=10)
    stack = SeiqaRegressor(("ridge",), n_splits=3).fit(X, y, groups)
    far = X.iloc[:4].copy()
    far.iloc[0, far.columns.get_loc("chaff")] = 50.0
    far.iloc[1, far.columns.get_loc("similarity")] = np.inf  # an identical pair: best seen
    far.iloc[2, far.columns.get_loc("chaff")] = np.nan  # undefined: the median
    found = stack.predict_interval(far)
    assert found["outside"].tolist() == pytest.approx([1 / 3, 0, 0, 0])
    assert found["unfamiliar"].iloc[0]
    assert not found["unfamiliar"].iloc[3]
    assert stack.predict_interval(X)["agree"].mean() == pytest.approx(0.7, abs=0.05)
    pd.testing.assert_series_equal(
        found["score"], pd.Series(stack.predict(far), X.index[:4], name="score")
    )
    plain = stack.predict_interval(X.iloc[:1])
    assert (
        found["high"].iloc[0] - found["low"].iloc[0] > 1.5 * (plain["high"] - plain["low"]).item()
    )
    low, high = stack.label_range_
    assert ((found["low"] >= low) & (found["low"] <= found["score"])).all()
    assert ((found["high"] <= high) & (found["high"] >= found["score"])).all()
    wide = stack.predict_interval(X, coverage=0.98)
    assert (wide["high"] - wide["low"] >= stack.predict_interval(X).eval("high - low")).all()


def test_kinds_teach_fusion_and_intervals_what_a_new_kind_costs(make_table):
    X, y, groups = make_table(n_groups=8, rows=12)
    kinds = np.tile(np.repeat(["blur", "jpeg", "noise"], 4), 8)
    # One kind follows a law of its own: learners that did not meet it are far off.
    y = y.where(kinds != "noise", 5 - y)
    without = SeiqaRegressor(("ridge",), n_splits=3).fit(X, y, groups)
    informed = SeiqaRegressor(("ridge",), n_splits=3).fit(X, y, groups, kinds=kinds)
    widths = [stack.predict_interval(X).eval("high - low").mean() for stack in (without, informed)]
    assert widths[1] > widths[0]
    with pytest.raises(KindsError, match="kinds have 2 values, the table has 96 rows"):
        informed.fit(X, y, groups, kinds=["a", "b"])
