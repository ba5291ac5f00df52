"""ExponentialGP: scikit-learn's process with the same kernel, and a noise that fits the labels."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import Matern
from sklearn.kernel_approximation import Nystroem
from sklearn.linear_model import Ridge
from sklearn.utils.estimator_checks import parametrize_with_checks

from seiqa_models.learners import gaussian_process
from seiqa_models.learners.gaussian_process import ExponentialGP, exponential_kernel


@parametrize_with_checks([ExponentialGP()])
def test_scikit_learn_contract(estimator, check):
    check(estimator)


@pytest.fixture
def waves():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(300, 4))
    return X, np.sin(2 * X[:, 0]) + X[:, 1] + 0.3 * rng.normal(size=300)


def test_equals_the_textbook_process(waves):
    X, y = waves
    kernel = Matern(length_scale=3.0 * np.sqrt(4), nu=0.5)
    expected = GaussianProcessRegressor(kernel, alpha=0.2, optimizer=None)
    expected.fit(X[:200], y[:200] - y[:200].mean())
    fitted = ExponentialGP(length=3.0, noises=[0.2]).fit(X[:200], y[:200])
    np.testing.assert_allclose(
        fitted.predict(X[200:]), expected.predict(X[200:]) + y[:200].mean(), atol=1e-9
    )


def test_kernel_is_the_mean_over_scales_for_any_number_of_rows():
    rng = np.random.default_rng(2)
    a, b = rng.normal(size=(1203, 6)), rng.normal(size=(7, 6))
    textbook = Matern(length_scale=1.5 * np.sqrt(3), nu=0.5)
    expected = (textbook(a[:, :3], b[:, :3]) + textbook(a[:, 3:], b[:, 3:])) / 2
    np.testing.assert_allclose(exponential_kernel(a, b, 1.5, n_scales=2), expected, atol=1e-12)


def test_a_scale_that_comes_twice_changes_nothing(waves):
    X, y = waves
    once = ExponentialGP().fit(X[:200], y[:200]).predict(X[200:])
    twice = ExponentialGP(n_scales=2).fit(np.hstack([X, X])[:200], y[:200])
    np.testing.assert_allclose(twice.predict(np.hstack([X, X])[200:]), once, atol=1e-9)


def test_noise_is_chosen_by_likelihood_and_grows_with_the_labels_noise(waves):
    X, y = waves
    choices = (0.05, 0.1, 0.2, 0.5, 1.0, 2.0)
    rng = np.random.default_rng(1)
    quiet = ExponentialGP(noises=choices).fit(X, y).noise_
    loud = ExponentialGP(noises=choices).fit(X, y + 2 * rng.normal(size=300)).noise_
    assert quiet < loud
    signal = Matern(length_scale=2.0 * np.sqrt(4), nu=0.5)

    def likelihood(noise):
        kernel = signal(X) + noise * np.eye(300)
        target = y - y.mean()
        variance = target @ np.linalg.solve(kernel, target) / 300
        return -300 * np.log(variance) - np.linalg.slogdet(kernel)[1]

    assert quiet == max(choices, key=likelihood)


def test_many_rows_are_fitted_as_by_ridge_on_nystroem_features(waves, monkeypatch):
    X, y = waves
    fitted = ExponentialGP(noises=[0.2], max_rows=299, n_inducing=40).fit(X, y)
    assert fitted.rows_.shape == (40, 4)
    features = Nystroem(Matern(length_scale=2.0 * np.sqrt(4), nu=0.5), n_components=40)
    features.fit(fitted.rows_)
    ridge = Ridge(alpha=0.2, fit_intercept=False)
    ridge.fit(features.transform(X), y - y.mean())
    expected = ridge.predict(features.transform(X)) + y.mean()
    np.testing.assert_allclose(fitted.predict(X), expected, atol=1e-5)
    monkeypatch.setattr(gaussian_process, "_ROWS_IN_MEMORY", 70)  # the last part is smaller
    in_parts = ExponentialGP(noises=[0.2], max_rows=299, n_inducing=40).fit(X, y)
    np.testing.assert_allclose(in_parts.predict(X), fitted.predict(X), atol=1e-9)


def test_the_subset_learns_more_from_all_rows_than_the_process_from_as_many():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(3000, 4))
    truth = np.sin(2 * X[:, 0]) + X[:, 1]
    y = truth + rng.normal(size=3000)
    subset = ExponentialGP(max_rows=2000, n_inducing=200).fit(X[:2500], y[:2500])
    some = ExponentialGP().fit(X[:200], y[:200])
    assert len(subset.rows_) == len(some.rows_) == 200
    error, more = (np.mean((m.predict(X[2500:]) - truth[2500:]) ** 2) for m in (subset, some))
    assert error < 0.5 * more


def test_equal_rows_do_not_make_the_subset_singular(waves):
    X, y = waves
    X, y = np.vstack([X[:40]] * 10), np.tile(y[:40], 10)
    fitted = ExponentialGP(max_rows=300, n_inducing=200).fit(X, y)
    exact = ExponentialGP(max_rows=400).fit(X, y)
    assert fitted.noise_ == exact.noise_
    np.testing.assert_allclose(fitted.predict(X), exact.predict(X), atol=1e-4)


def test_a_process_of_an_earlier_version_still_has_its_parameters(waves):
    fitted = ExponentialGP().fit(*waves)
    del fitted.__dict__["n_inducing"]  # as in its bundles
    assert fitted.get_params()["n_inducing"] > 0
    assert fitted.predict(waves[0]).shape == (300,)
