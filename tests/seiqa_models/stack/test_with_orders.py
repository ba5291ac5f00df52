"""A stack that learns from constructed orders besides its labels."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from seiqa_models.core.checks import check_training_table
from seiqa_models.core.orders import Orders
from seiqa_models.evaluation.evaluate import evaluate
from seiqa_models.stack.pool import predict_held_out
from seiqa_models.stack.regressor import SeiqaRegressor

GROUPS, ROWS, MADE = 6, 6, 5
LEARNERS = ("gp", "svr", "svr@2")


@pytest.fixture
def labelled() -> tuple[pd.DataFrame, np.ndarray, np.ndarray]:
    """Labels that follow `quality`; `meaning` is lost in none of these rows."""
    rng = np.random.default_rng(0)
    y = rng.uniform(1, 5, GROUPS * ROWS)
    X = pd.DataFrame(
        {
            "quality": y + 0.2 * rng.normal(size=len(y)),
            "detail": y + 0.4 * rng.normal(size=len(y)),
            "meaning": 0.9 + 0.02 * rng.normal(size=len(y)),
        }
    )
    return X, y, np.repeat(np.arange(GROUPS), ROWS)


@pytest.fixture
def orders() -> Orders:
    """In each group: a copy, two harmless rows, an erased one and a gone one of better quality.

    What tells them apart is `meaning` alone.
    """
    rng = np.random.default_rng(1)
    quality = np.array([5.2, 3.3, 3.5, 4.0, 3.8])
    meaning = np.array([1.0, 0.95, 0.97, 0.5, 0.0])
    groups = np.repeat(np.arange(GROUPS), MADE)
    X = pd.DataFrame(
        {
            "quality": np.tile(quality, GROUPS) + 0.1 * rng.normal(size=len(groups)),
            "detail": np.tile(quality, GROUPS) + 0.1 * rng.normal(size=len(groups)),
            "meaning": np.tile(meaning, GROUPS) + 0.01 * rng.normal(size=len(groups)),
        },
        index=[f"made{number:03d}" for number in range(len(groups))],
    )
    first = MADE * np.arange(GROUPS)
    above, below = np.concatenate([first + 1, first + 2]), np.tile(first + 3, 2)
    ends = np.tile([1, 0, 0, 0, -1], GROUPS)
    return Orders(X, groups, groups, above, below, ends)


def kept(regressor: SeiqaRegressor, orders: Orders) -> float:
    score = regressor.predict(orders.X)
    return float(np.mean(score[orders.above] > score[orders.below]))


def test_orders_teach_what_the_labels_do_not_say(
    labelled: tuple[pd.DataFrame, np.ndarray, np.ndarray], orders: Orders
) -> None:
    X, y, groups = labelled
    plain = SeiqaRegressor(LEARNERS, n_splits=3).fit(X, y, groups)
    told = SeiqaRegressor(LEARNERS, n_splits=3).fit(X, y, groups, orders=orders)
    assert kept(plain, orders) < 0.2
    assert kept(told, orders) > 0.9
    scores = told.predict(orders.X)
    others = scores[orders.ends == 0].mean()
    assert scores[orders.ends < 0].mean() < others - 0.5
    assert scores[orders.ends > 0].mean() > others + 0.5
    # the labels still count as before
    assert np.corrcoef(told.oof_["gp"], y)[0, 1] > 0.9


def test_constructed_rows_are_familiar(
    labelled: tuple[pd.DataFrame, np.ndarray, np.ndarray], orders: Orders
) -> None:
    X, y, groups = labelled
    gone = orders.X[orders.ends < 0]
    plain = SeiqaRegressor(LEARNERS, n_splits=3).fit(X, y, groups).predict_interval(gone)
    told = SeiqaRegressor(LEARNERS, n_splits=3).fit(X, y, groups, orders=orders)
    assert plain["unfamiliar"].all()
    assert not told.predict_interval(gone)["unfamiliar"].any()
    assert len(told.oof_) == len(X)


def test_nothing_made_of_a_held_out_group_is_learned_from(
    labelled: tuple[pd.DataFrame, np.ndarray, np.ndarray], orders: Orders
) -> None:
    X, y, groups = labelled
    held = 2
    fold = np.flatnonzero(groups != held), np.flatnonzero(groups == held)

    def predicted(some: Orders) -> pd.DataFrame:
        table = check_training_table(X, y, groups, orders=some)
        return predict_held_out(table, fold, ["gp", "ridge@2", "consensus"], 0, None, (1.0, 5.0))

    poisoned = orders.X.copy()
    poisoned[orders.groups == held] = 1e6
    pd.testing.assert_frame_equal(
        predicted(orders), predicted(replace(orders, X=poisoned)), check_exact=True
    )
    donors = orders.donors.copy()
    donors[:MADE] = held  # rows of group 0 that hold pixels of the held-out one
    poisoned[:MADE] = 1e6
    fewer = orders.within(np.setdiff1d(np.arange(GROUPS), [0]))
    pd.testing.assert_frame_equal(
        predicted(fewer),
        predicted(replace(orders, X=poisoned, donors=donors)),
        check_exact=True,
    )


def test_an_evaluation_measures_labels_only(
    labelled: tuple[pd.DataFrame, np.ndarray, np.ndarray], orders: Orders
) -> None:
    X, y, groups = labelled
    found = evaluate(SeiqaRegressor(LEARNERS, n_splits=3), X, y, groups, orders=orders, n_splits=3)
    assert found.figures.n == len(y) == len(found.predictions)
    assert kept(found.regressor, orders) > 0.9


def test_kinds_of_distortion_and_orders_go_together(
    labelled: tuple[pd.DataFrame, np.ndarray, np.ndarray], orders: Orders
) -> None:
    X, y, groups = labelled
    kinds = np.where(np.arange(len(y)) % 2, "blur", "noise")
    told = SeiqaRegressor(("gp", "svr"), n_splits=3)
    told.fit(X, y, groups, kinds=kinds, orders=orders)
    assert kept(told, orders) > 0.9
