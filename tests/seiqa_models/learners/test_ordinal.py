"""OrdinalProcess: the model it claims to be, whatever numbers the levels have."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.special import expit
from sklearn.linear_model import LogisticRegression
from sklearn.utils.estimator_checks import parametrize_with_checks

from seiqa_models.core.metrics import srocc
from seiqa_models.learners.gaussian_process import exponential_kernel
from seiqa_models.learners.ordinal import OrdinalProcess


@parametrize_with_checks([OrdinalProcess()])
def test_scikit_learn_contract(estimator, check):
    check(estimator)


@pytest.fixture
def rated():
    """Inputs [240, 3], a latent quality [240] and what a rater made of it on a scale of 0 to 5."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(240, 3))
    quality = np.sin(1.5 * X[:, 0]) + X[:, 1]
    rating = np.clip(np.round(2.5 + 1.2 * quality + 0.5 * rng.normal(size=240)), 0, 5)
    return X, quality, rating


def test_with_two_levels_it_is_logistic_regression_on_the_kernel(rated):
    X, quality, _ = rated
    above = (quality > 0.5).astype(float)
    fitted = OrdinalProcess(noises=[0.2]).fit(X[:160], above[:160])
    variance = np.pi**2 / 3 / 0.2
    kernel = variance * exponential_kernel(X[:160], X[:160], 2.0)
    root = np.linalg.cholesky(kernel + 1e-7 * np.eye(160))
    expected = LogisticRegression(C=1.0, tol=1e-8, max_iter=5000).fit(root, above[:160])
    new = variance * exponential_kernel(X[160:], X[:160], 2.0)
    features = np.linalg.solve(root, new.T).T
    np.testing.assert_allclose(
        fitted.predict(X[160:]), expected.predict_proba(features)[:, 1], atol=2e-3
    )


def test_with_more_levels_it_finds_the_mode_of_the_stated_model(rated):
    X, _, rating = rated
    X, rating = X[:30], np.clip(rating[:30], 1, 4)
    fitted = OrdinalProcess(noises=[0.5]).fit(X, rating)
    root = np.linalg.cholesky(np.pi**2 / 3 / 0.5 * exponential_kernel(X, X, 2.0))
    level = np.unique(rating, return_inverse=True)[1]

    def cost(point):
        passed = expit(root @ point[:30] - point[30:, None])
        at_least = np.vstack([np.ones(30), passed, np.zeros(30)])
        chance = at_least[level, np.arange(30)] - at_least[level + 1, np.arange(30)]
        return point[:30] @ point[:30] / 2 - np.log(np.maximum(chance, 1e-12)).sum()

    best = minimize(cost, np.r_[np.zeros(30), -2.0, 0.0, 2.0], method="BFGS").x
    np.testing.assert_allclose(fitted.thresholds_, best[30:], atol=0.02)
    latent = exponential_kernel(X, fitted.rows_, 2.0) @ fitted.dual_
    np.testing.assert_allclose(latent, root @ best[:30], atol=0.05)


def test_only_the_order_of_the_levels_counts(rated):
    X, _, rating = rated
    plain = OrdinalProcess().fit(X, rating)
    bent = OrdinalProcess().fit(X, np.exp(rating))
    np.testing.assert_allclose(bent.thresholds_, plain.thresholds_, rtol=1e-6)
    np.testing.assert_allclose(bent.level_means_, np.exp(np.arange(6.0)))


def test_predictions_stay_on_the_scale_and_follow_the_quality(rated):
    X, quality, rating = rated
    predicted = OrdinalProcess().fit(X[:160], rating[:160]).predict(X[160:])
    assert rating.min() <= predicted.min()
    assert predicted.max() <= rating.max()
    assert srocc(quality[160:], predicted) > 0.9


def test_many_different_labels_become_levels_of_equal_size(rated):
    X, quality, _ = rated
    fitted = OrdinalProcess(levels=8).fit(X, quality)
    np.testing.assert_allclose(
        fitted.level_means_, np.sort(quality).reshape(8, 30).mean(axis=1), atol=1e-12
    )
    assert (np.diff(fitted.thresholds_) > 0).all()
    assert srocc(quality, fitted.predict(X)) > 0.95


def test_noise_grows_with_the_raters_noise(rated):
    X, quality, _ = rated
    rng = np.random.default_rng(1)
    sure = np.round(2 * quality)
    unsure = np.round(2 * quality + 4 * rng.normal(size=len(quality)))
    assert OrdinalProcess().fit(X, sure).noise_ < OrdinalProcess().fit(X, unsure).noise_


def test_more_rows_than_the_limit_are_thinned_out(rated):
    X, quality, rating = rated
    fitted = OrdinalProcess(max_rows=100).fit(X, rating)
    assert fitted.rows_.shape == (100, 3)
    assert srocc(quality, fitted.predict(X)) > 0.85


def test_rows_of_different_collections_are_not_compared(rated):
    """A rater who gives everything two points more says nothing new about the order."""
    X, quality, rating = rated
    lenient = np.arange(240) % 2
    other = rating + 2.0 * lenient
    told = OrdinalProcess(noises=[0.2]).fit(X[:160], other[:160], lenient[:160])
    untold = OrdinalProcess(noises=[0.2]).fit(X[:160], other[:160])
    assert srocc(quality[160:], told.predict(X[160:])) > srocc(
        quality[160:], untold.predict(X[160:])
    )
    plain = OrdinalProcess(noises=[0.2]).fit(X[:160], rating[:160], lenient[:160])
    np.testing.assert_allclose(told.predict(X), plain.predict(X) + 1, atol=1e-4)


def test_one_collection_changes_nothing(rated):
    X, _, rating = rated
    alone = OrdinalProcess().fit(X, rating)
    named = OrdinalProcess().fit(X, rating, np.zeros(240))
    np.testing.assert_array_equal(alone.predict(X), named.predict(X))


def test_a_collection_of_one_level_still_lends_its_rows(rated):
    X, quality, rating = rated
    codes = np.repeat([0, 1], [200, 40])
    fitted = OrdinalProcess(noises=[0.2]).fit(X, np.where(codes == 1, 3.0, rating), codes)
    assert np.isfinite(fitted.predict(X)).all()
    assert srocc(quality, fitted.predict(X)) > 0.8
