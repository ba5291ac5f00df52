"""A whole stack in PyTorch predicts what the stack predicts, with a gradient."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from seiqa_models.core.columns import BEYOND_SHARE, dense_matrix, is_dense
from seiqa_models.core.orders import Orders
from seiqa_models.gradients.stack import columns_read, obstacles, stack_form
from seiqa_models.stack.regressor import SeiqaRegressor

QUICK = ("ridge", "gp", "single", "consensus", "svr@2")
LEARNERS = (*QUICK, "ranker", "gp@2")
Make = Callable[..., tuple[pd.DataFrame, pd.Series, np.ndarray]]


def tensors(X: pd.DataFrame, columns: Sequence[str]) -> dict[str, torch.Tensor]:
    return {
        name: torch.from_numpy(
            np.array(dense_matrix(X[name]) if is_dense(X[name]) else X[name].to_numpy(np.float64))
        )
        for name in columns
    }


def require_equal(stack: SeiqaRegressor, X: pd.DataFrame, collection: str | None = None) -> None:
    assert obstacles(stack) == []
    scores = stack_form(stack, collection)(tensors(X, sorted(columns_read(stack))))
    expected = stack.predict(X, collection)
    np.testing.assert_allclose(scores, expected, atol=1e-8)
    assert np.ptp(expected) > 0.5


@pytest.mark.parametrize(
    ("learners", "options"),
    [
        (LEARNERS, {}),
        (QUICK, {"purpose": "abroad"}),
        (QUICK, {"fusion": "bounded", "consensus": False, "calibrate": False}),
        (QUICK, {"fusion": "stacking"}),
    ],
    ids=["home", "abroad", "plain", "stacking"],
)
def test_scores_are_those_of_the_stack(
    make_table: Make, learners: Sequence[str], options: dict[str, Any]
) -> None:
    X, y, groups = make_table(8, 10, d=6)
    stack = SeiqaRegressor(learners, n_splits=3, **options).fit(X, y, groups)
    new, _, _ = make_table(4, 10, d=6, noise=1.0, seed=1)
    new.iloc[0, 0] = np.inf
    new.iloc[1, 1] = np.nan
    new.iloc[2, :3] = 50.0
    require_equal(stack, new)


def test_scores_with_constructed_orders_and_as_a_collection(make_table: Make) -> None:
    X, y, groups = make_table(8, 10)
    made = X.iloc[:60] * 0 + [-3.0, 2.0, 0.0]
    made["chaff"] += np.random.default_rng(0).normal(size=60)
    made.iloc[20:, 0] = 0.5
    made.iloc[40:, 1] = -1.5
    made.index = [f"made{i}" for i in range(60)]
    sort = np.arange(60) // 20
    orders = Orders(made, groups[:60], groups[:60], sort == 0, sort == 2)
    stack = SeiqaRegressor(QUICK, n_splits=3).fit(X, y, groups, orders=orders)
    assert stack.unrelated_ is not None
    assert stack.edited_ is not None
    assert stack.edit_cost_ > 0
    assert stack.edited_.share(stack.preparation_.transform(made))[40:].min() > 0.1
    assert stack.predict_learners(made)[BEYOND_SHARE].max() > 0.1
    require_equal(stack, pd.concat([X.iloc[::4], made.iloc[::4]]))
    names = np.where(np.arange(len(X)) % 2, "one", "other")
    several = SeiqaRegressor(QUICK, n_splits=3)
    several.fit(X, y, groups, collections=names, orders=orders)
    require_equal(several, pd.concat([X.iloc[::3], made.iloc[::4]]), "one")


def test_a_displacement_costs_the_same(make_table: Make) -> None:
    X, y, _ = make_table()
    travel = np.where(np.arange(len(X)) % 2, np.linspace(0.01, 0.1, len(X)), 0.0)
    X = X.assign(a__max512__travel=travel)
    label = np.where(travel > 0, y.max() - 20 * travel, y)
    stack = SeiqaRegressor(QUICK, n_splits=3).fit(X, label, np.arange(len(X)) // 10)
    assert stack.displacement_ is not None
    require_equal(stack, X)


def test_the_gradient_is_the_slope_of_the_scores(make_table: Make) -> None:
    stack = SeiqaRegressor(QUICK, n_splits=3).fit(*make_table(8, 10))
    new, _, _ = make_table(4, 10, noise=0.5, seed=1)
    features = tensors(new, sorted(columns_read(stack)))
    for values in features.values():
        values.requires_grad_()
    stack_form(stack)(features).sum().backward()
    for name in features:
        up, down = new.copy(), new.copy()
        up[name] += 1e-6
        down[name] -= 1e-6
        slope = (stack.predict(up) - stack.predict(down)) / 2e-6
        np.testing.assert_allclose(features[name].grad, slope, rtol=1e-3, atol=1e-4)


def test_what_has_no_gradient_is_named(make_table: Make) -> None:
    X, y, groups = make_table()
    stack = SeiqaRegressor(("ridge", "runner_up_knn5"), n_splits=3).fit(X, y, groups)
    assert obstacles(stack) == ["learner runner_up_knn5"]
