"""Oriented columns: distances and similarities alike, and a boosting that never turns round."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.utils.estimator_checks import parametrize_with_checks

from seiqa_models.learners.oriented import MonotoneBoosting, OrientedLog, OrientedRanks, signs
from seiqa_models.learners.registry import make_learner


@parametrize_with_checks([MonotoneBoosting(n_estimators=20, n_seeds=1), OrientedLog()])
def test_scikit_learn_contract(estimator, check):
    check(estimator)


@pytest.fixture
def metrics():
    """A similarity, a distance and noise; labels [200]."""
    rng = np.random.default_rng(0)
    y = rng.uniform(0, 5, 200)
    similarity, distance = y + rng.normal(size=200), np.exp(-y) + 0.05 * rng.normal(size=200)
    return np.column_stack([similarity, distance, rng.normal(size=200)]), y


def test_signs_tell_similarities_from_distances(metrics):
    X, y = metrics
    assert signs(X, y)[:2].tolist() == [1, -1]
    assert signs(np.ones((200, 1)), y).tolist() == [0]


def test_oriented_ranks_rise_with_the_label(metrics):
    X, y = metrics
    oriented = OrientedRanks().fit(X, y).transform(X)
    flipped = OrientedRanks().fit(-X, y).transform(-X)
    assert signs(oriented, y)[:2].tolist() == [1, 1]
    np.testing.assert_allclose(oriented[:, :2], flipped[:, :2], atol=1e-6)


def test_oriented_log_follows_the_distance_from_the_best_value():
    quality = np.array([0.0, 1.0, 2.0, 3.0, 4.0])
    X = np.column_stack([quality, -quality, 100 * quality])
    closeness = OrientedLog(floor=0.5).fit(X, quality).transform(X)
    expected = -np.log((4 - quality) / 2 + 0.5)
    np.testing.assert_allclose(closeness, np.column_stack([expected] * 3), atol=1e-12)


def test_oriented_log_takes_values_beyond_training_and_columns_that_say_little():
    y = np.arange(6.0)
    mostly_best = np.array([2.0, 0.0, 0.0, 0.0, 0.0, 0.0])
    X = np.column_stack([y, mostly_best, np.ones(6)])
    fitted = OrientedLog().fit(X, y)
    assert np.isfinite(fitted.transform(X)).all()
    beyond = fitted.transform(np.array([[9.0, -1.0, 5.0], [5.0, 0.0, 1.0]]))
    np.testing.assert_array_equal(beyond[0], beyond[1])
    assert (np.ptp(fitted.transform(X), axis=0) > 0).tolist() == [True, True, False]


def test_boosting_never_falls_as_a_column_gets_better(metrics):
    X, y = metrics
    fitted = MonotoneBoosting(n_estimators=50).fit(X, y)
    grid = np.repeat(X[:1], 101, axis=0)
    grid[:, 0] = np.linspace(-3, 8, 101)
    rising = fitted.predict(grid)
    assert np.diff(rising).min() >= 0
    assert rising[-1] > rising[0]
    grid[:, 0], grid[:, 1] = X[0, 0], np.linspace(-1, 2, 101)
    assert np.diff(fitted.predict(grid)).max() <= 0


@pytest.mark.parametrize("name", ["nonnegative", "single"])
def test_linear_members_never_use_a_column_the_wrong_way(metrics, name):
    X, y = metrics
    fitted = make_learner(name, random_state=0).fit(X, y)
    coefficients = fitted[-1].coef_
    assert coefficients.min() >= 0
    assert coefficients.max() > 0
    assert len(coefficients) == (1 if name == "single" else 3)


def test_single_is_a_function_of_the_best_column_alone(metrics):
    X, y = metrics
    fitted = make_learner("single", random_state=0).fit(X, y)
    others = X.copy()
    others[:, [0, 2]] = 0
    np.testing.assert_array_equal(fitted.predict(X), fitted.predict(others))
