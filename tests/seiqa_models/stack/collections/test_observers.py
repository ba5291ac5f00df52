"""Scores as the observers of one collection: terms that help where observers disagree."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from seiqa_models.bundle import load_bundle, save_bundle
from seiqa_models.core.errors import TableError
from seiqa_models.core.metrics import srocc
from seiqa_models.core.orders import Orders
from seiqa_models.evaluation.contributions import contributions
from seiqa_models.stack.regressor import SeiqaRegressor

QUICK = ("ridge", "svr")


def made(disagree: float) -> tuple[pd.DataFrame, np.ndarray, np.ndarray, np.ndarray]:
    """Quality from two columns; observers of B weigh the second one more, those of A less."""
    n, rng = 240, np.random.default_rng(0)
    X = pd.DataFrame(rng.normal(size=(n, 4)), columns=list("abcd"))
    names = np.where(np.arange(n) % 2, "B", "A")
    weight = 1 + np.where(names == "B", disagree, -disagree)
    y = X["a"] + weight * X["b"] + 0.1 * rng.normal(size=n)
    return X, y.to_numpy(), np.arange(n) // 2 % 12, names


def test_as_a_collection_its_observers_are_met() -> None:
    X, y, groups, names = made(0.8)
    new, truth, _, whose = made(0.8)
    new = new + np.random.default_rng(1).normal(scale=0.01, size=new.shape)
    stack = SeiqaRegressor(QUICK).fit(X, y, groups, collections=names)
    assert stack.collections_ == ["A", "B"]
    assert min(stack.observers_.shares_.values()) > 0
    for name in "AB":
        rows = whose == name
        own = srocc(truth[rows], stack.predict(new[rows], name))
        assert own > srocc(truth[rows], stack.predict(new[rows])) + 0.05


def test_a_term_that_does_not_help_vanishes() -> None:
    X, y, groups, names = made(0.0)
    stack = SeiqaRegressor(QUICK).fit(X, y, groups, collections=names)
    moved = np.abs(stack.predict(X, "A") - stack.predict(X))
    assert moved.mean() < 0.05 * np.ptp(y)


def test_another_picture_stays_at_the_bottom_whoever_scores(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    X, y, groups, names = made(0.8)
    gone = X.iloc[:40] * 0.1 + [-1.0, 1.0, 9.0, -9.0]
    gone.index = [f"gone{i}" for i in range(40)]
    intact = X.iloc[:40].set_axis([f"intact{i}" for i in range(40)])
    both = np.concatenate([groups[:40]] * 2)
    none = np.zeros(80, bool)
    orders = Orders(pd.concat([gone, intact]), both, both, np.arange(80) < 40, none)
    stack = SeiqaRegressor(QUICK).fit(X, y, groups, collections=names, orders=orders)
    low, high = stack.label_range_
    monkeypatch.setattr(stack.observers_, "predict", lambda values, _: np.ones(len(values)))
    for name in (None, "A", "B"):
        assert (stack.predict(gone, name) < low + 0.02 * (high - low)).all()
    assert (stack.predict(X, "A") > stack.predict(X)).mean() > 0.8


def test_intervals_contributions_and_bundles_follow(tmp_path: Path) -> None:
    X, y, groups, names = made(0.8)
    stack = SeiqaRegressor(QUICK).fit(X, y, groups, collections=names)
    common, own = stack.predict_interval(X), stack.predict_interval(X, collection="B")
    np.testing.assert_array_equal(own["score"], stack.predict(X, "B"))
    assert (own["low"] <= own["score"]).all()
    assert not common["score"].equals(own["score"])
    parts = contributions(stack, X.iloc[:3], collection="B").sum(axis=1)
    inside = np.clip(parts, *stack.label_range_)
    np.testing.assert_allclose(inside, stack.predict(X.iloc[:3], "B"), atol=1e-9)
    save_bundle(tmp_path / "bundle", stack, recipe={}, card={"label_kind": "MOS"})
    loaded = load_bundle(tmp_path / "bundle").regressor
    np.testing.assert_array_equal(loaded.predict(X, "A"), stack.predict(X, "A"))


def test_an_unknown_collection_is_named() -> None:
    X, y, groups, names = made(0.0)
    stack = SeiqaRegressor(QUICK).fit(X, y, groups, collections=names)
    with pytest.raises(TableError, match="cannot score as 'C': the model learned from A, B"):
        stack.predict(X, "C")
    alone = SeiqaRegressor(QUICK).fit(X, y, groups)
    with pytest.raises(TableError, match="cannot score as 'A': the model learned from one coll"):
        alone.predict_interval(X, collection="A")
