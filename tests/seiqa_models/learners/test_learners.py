"""The pool's contract: every registered learner, found by walking the registry."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.svm import SVR, NuSVR

from seiqa_models.core.metrics import srocc
from seiqa_models.evaluation.trial import try_learner
from seiqa_models.learners.registry import DEFAULT_POOL, LEARNERS, learner, make_learner
from seiqa_models.stack.pool.fitted import check_members


def draws_a_seed(learner: Any) -> bool:
    """scikit-learn's libsvm does, from NumPy's global generator; no value depends on it."""
    parts = (learner, *learner.get_params().values())
    return any(isinstance(part, SVR | NuSVR) for part in parts)


def global_generator() -> tuple[bytes, int]:
    """The state of NumPy's global generator: its numbers, and how many of them were used."""
    _, numbers, used, *_ = np.random.get_state()
    return numbers.tobytes(), used


@pytest.fixture(scope="module")
def regression():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(120, 8)) * 10.0 ** np.arange(-3, 5)
    y = X[:, 3] + np.tanh(X[:, 2] * 10) + 0.1 * rng.normal(size=120)
    return X[:80], y[:80], X[80:], y[80:]


@pytest.mark.parametrize("name", sorted(LEARNERS))
def test_learner_is_deterministic_clonable_and_learns(name, regression, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    X, y, X_new, y_new = regression
    before = global_generator()
    fresh = make_learner(name, random_state=5)
    first = clone(fresh).fit(X, y).predict(X_new)
    second = make_learner(name, random_state=5).fit(X, y).predict(X_new)
    assert first.shape == (40,)
    np.testing.assert_array_equal(first, second)
    # Two of the eight columns tell something: a consensus of all has to do worse.
    assert srocc(y_new, first) > (0.3 if name == "consensus" else 0.7)
    assert not list(tmp_path.iterdir()), "a learner wrote files"
    assert (global_generator() != before) == draws_a_seed(fresh)


@pytest.mark.parametrize("name", sorted(LEARNERS))
def test_learner_copes_with_more_columns_than_rows_and_survives_a_bundle(name):
    try_learner(name)


def test_default_pool_is_registered():
    check_members(DEFAULT_POOL)
    asked_for = {"catboost", "xgboost", "lightgbm", "ranker", "gp", "extra_trees"}
    assert asked_for <= set(DEFAULT_POOL)


@pytest.mark.parametrize("name", ["score", "greedy", "agreement", "agreed_score", "mos", "fold"])
def test_a_learner_cannot_have_the_name_of_a_column_of_the_results(name):
    with pytest.raises(ValueError, match=f"no learner can be called '{name}', which is a column"):
        learner(name)(lambda *_: None)
    assert name not in LEARNERS


def test_unknown_name_gets_the_nearest_one():
    with pytest.raises(ValueError, match=r"unknown learner 'catbost': did you mean 'catboost'"):
        make_learner("catbost", random_state=0)
    with pytest.raises(ValueError, match="known are as_is, catboost"):
        make_learner("zzz", random_state=0)


def test_a_name_is_registered_once():
    with pytest.raises(ValueError, match="'ridge' is registered twice"):
        learner("ridge")(LEARNERS["ridge"])
