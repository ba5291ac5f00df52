"""ExponentialGP: scikit-learn's process with the same kernel, and a noise that fits the labels."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import Matern
from sklearn.utils.estimator_checks import parametrize_with_checks

from seiqa_models.core.metrics import srocc
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


def test_more_rows_than_the_limit_are_thinned_out(waves):
    X, y = waves
    fitted = ExponentialGP(max_rows=100).fit(X, y)
    assert fitted.rows_.shape == (100, 4)
    assert srocc(y, fitted.predict(X)) > 0.8
