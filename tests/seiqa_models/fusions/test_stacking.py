"""StackingFusion: a ridge regression whose penalty is chosen on held-out groups."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import Ridge

from seiqa_models.core.metrics import final_score
from seiqa_models.fusions.stacking import ALPHAS, StackingFusion


def predictions(noise=(0.3, 0.3, 3.0), *, n=160, seed=0):
    """Columns that follow the label; the last is the label upside down."""
    rng = np.random.default_rng(seed)
    y = rng.uniform(0, 5, n)
    columns = [y + level * rng.normal(size=n) for level in noise]
    return np.column_stack([*columns, 5 - y + 0.3 * rng.normal(size=n)]), y, np.arange(n) // 8


def test_it_is_ridge_with_one_of_its_penalties():
    P, y, groups = predictions()
    fitted = StackingFusion().fit(P, y, groups)
    assert fitted.alpha_ in ALPHAS
    unit = P.var(axis=0).sum() * len(y)
    expected = Ridge(fitted.alpha_ * unit).fit(P, y).predict(P)
    np.testing.assert_allclose(fitted.predict(P), expected)


def test_a_learner_that_is_upside_down_is_turned_round():
    P, y, groups = predictions()
    fitted = StackingFusion().fit(P, y, groups)
    assert not hasattr(fitted, "weights_")
    assert fitted.ridge_.coef_[3] < 0
    fresh, truth, _ = predictions(seed=1)
    assert final_score(truth, fitted.predict(fresh)) > final_score(truth, fresh[:, 0])


def test_the_penalty_is_chosen_on_whole_groups():
    """A column that knows the rows' groups by heart serves rows and not new groups."""
    rng = np.random.default_rng(0)
    groups = np.repeat(np.arange(12), 10)
    y = rng.normal(size=12)[groups] + 0.1 * rng.normal(size=120)
    P = np.column_stack([np.eye(12)[groups], rng.normal(size=120)])
    assert StackingFusion().fit(P, y, groups).alpha_ > StackingFusion().fit(P, y).alpha_


def test_one_group_and_unusable_penalties():
    P, y, _ = predictions()
    assert np.isfinite(StackingFusion().fit(P, y, np.zeros(len(y))).predict(P)).all()
    for alphas in ((), (1.0, 0.0)):
        with pytest.raises(ValueError, match="expected one or more positive numbers"):
            StackingFusion(alphas).fit(P, y)
