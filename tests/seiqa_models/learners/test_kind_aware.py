"""KindAwareGP: rows of the same kind count as more alike, and kinds are needed in fit only."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.covariance import LedoitWolf
from sklearn.gaussian_process.kernels import Matern
from sklearn.utils.estimator_checks import parametrize_with_checks

from seiqa_models.bundle import load_bundle, save_bundle
from seiqa_models.core.metrics import rmse, srocc
from seiqa_models.learners.gaussian_process import ExponentialGP
from seiqa_models.learners.kind_aware import KindAwareGP
from seiqa_models.stack.regressor import SeiqaRegressor


@parametrize_with_checks([KindAwareGP()])
def test_scikit_learn_contract(estimator, check):
    check(estimator)


@pytest.fixture
def two_kinds():
    """A metric that means the opposite for one of two kinds; six other columns tell which it is."""
    rng = np.random.default_rng(0)
    kinds = rng.choice(["blur", "contrast"], 300)
    metric = rng.normal(size=300)
    traces = rng.normal(size=(300, 6)) + 1.5 * (kinds == "blur")[:, None]
    y = np.where(kinds == "blur", metric, -metric) + 0.1 * rng.normal(size=300)
    return np.column_stack([metric, traces]), y, kinds


def test_knowing_the_kinds_of_training_rows_helps_on_rows_of_unknown_kind(two_kinds):
    X, y, kinds = two_kinds
    plain = ExponentialGP().fit(X[:150], y[:150]).predict(X[150:])
    aware = KindAwareGP(kind_share=1.0).fit(X[:150], y[:150], kinds[:150]).predict(X[150:])
    cautious = KindAwareGP().fit(X[:150], y[:150], kinds[:150]).predict(X[150:])
    assert rmse(y[150:], aware) < 0.92 * rmse(y[150:], plain)
    assert rmse(y[150:], aware) < rmse(y[150:], cautious) < rmse(y[150:], plain)


def test_equals_the_formula(two_kinds):
    X, y, kinds = two_kinds
    X[::9] *= 3  # further out than the median row
    means = {name: X[kinds == name].mean(axis=0) for name in ("blur", "contrast")}
    within = LedoitWolf(assume_centered=True).fit(X - np.stack([means[name] for name in kinds]))
    distances = np.column_stack([within.mahalanobis(X - m) for m in means.values()])
    widening = np.maximum(1, distances.min(axis=1) / np.median(distances.min(axis=1)))
    shares = [np.mean(kinds == name) for name in means]
    odds = shares * np.exp(-distances / (2 * widening[:, None]))
    root = np.sqrt(odds / odds.sum(axis=1, keepdims=True))
    kernel = Matern(length_scale=2.0 * np.sqrt(7), nu=0.5)(X) * (0.7 + 0.3 * root @ root.T)
    assert np.diag(kernel) == pytest.approx(1)
    assert np.linalg.eigvalsh(kernel).min() > 0
    dual = np.linalg.solve(kernel + 0.2 * np.eye(300), y - y.mean())
    fitted = KindAwareGP(noises=[0.2], kind_share=0.3).fit(X, y, kinds)
    np.testing.assert_allclose(fitted.predict(X), kernel @ dual + y.mean(), atol=1e-9)


def test_a_row_unlike_all_kinds_is_not_taken_for_one_for_certain(two_kinds):
    X, y, kinds = two_kinds
    fitted = KindAwareGP().fit(X, y, kinds)
    blurred = X[:1].copy()
    blurred[0, 1:] = 1.5
    outlandish = 40 * blurred
    near, far = fitted._kind_probabilities(np.vstack([blurred, outlandish]))
    assert near.sum() == pytest.approx(1)
    assert near[0] > 0.95
    assert far == pytest.approx(fitted.shares_, abs=0.1)


def test_more_rows_than_one_block_of_the_kernel(two_kinds):
    X, y, kinds = two_kinds
    fitted = KindAwareGP().fit(X, y, kinds)
    many = np.tile(X, (4, 1))
    np.testing.assert_allclose(fitted.predict(many), np.tile(fitted.predict(X), 4), atol=1e-9)


@pytest.mark.parametrize(
    "kinds", [None, ["blur"] * 300, np.arange(300)], ids=["none", "one", "all different"]
)
def test_without_kinds_to_tell_apart_it_is_the_plain_process(two_kinds, kinds):
    X, y, _ = two_kinds
    aware = KindAwareGP().fit(X, y, kinds).predict(X)
    np.testing.assert_allclose(aware, ExponentialGP().fit(X, y).predict(X), rtol=1e-9)


def test_a_kind_of_one_row_is_no_obstacle(two_kinds):
    X, y, kinds = two_kinds
    kinds = np.where(np.arange(300) == 7, "noise", kinds)
    fitted = KindAwareGP().fit(X, y, kinds)
    assert fitted.shares_.tolist() == pytest.approx(
        [np.mean(kinds == name) for name in ("blur", "contrast", "noise")]
    )
    assert srocc(y, fitted.predict(X)) > 0.9


def test_rows_of_each_kind_that_are_all_equal_are_no_obstacle():
    X = np.repeat([[0.0, 1.0], [1.0, 0.0], [2.0, 2.0]], 4, axis=0)
    y = np.repeat([1.0, 2.0, 3.0], 4)
    predicted = KindAwareGP().fit(X, y, np.repeat([0, 1, 2], 4)).predict(X)
    assert np.isfinite(predicted).all()
    assert (np.diff(predicted[::4]) > 0).all()


def test_the_stack_gives_its_process_the_kinds_and_a_bundle_keeps_them(make_table, tmp_path):
    X, y, groups = make_table()
    kinds = np.where(X["chaff"] > 0, "blur", "jpeg")
    stack = SeiqaRegressor(["gp"], n_splits=2).fit(X, y, groups, kinds=kinds)
    without = SeiqaRegressor(["gp"], n_splits=2).fit(X, y, groups)
    assert stack.learners_["gp"][-1].knows_kinds_
    assert not without.learners_["gp"][-1].knows_kinds_
    assert np.abs(stack.predict(X) - without.predict(X)).max() > 0.001
    save_bundle(tmp_path / "bundle", stack, recipe={}, card={"label_kind": "MOS", "data": "none"})
    loaded = load_bundle(tmp_path / "bundle").regressor
    np.testing.assert_array_equal(loaded.predict(X), stack.predict(X))
