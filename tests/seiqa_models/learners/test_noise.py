"""NoiseAwareGP: wrong labels lose weight, right ones keep theirs."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.utils.estimator_checks import parametrize_with_checks

from seiqa_models.core.metrics import rmse
from seiqa_models.learners.gaussian_process import ExponentialGP, exponential_kernel
from seiqa_models.learners.noise import NoiseAwareGP
from seiqa_models.sampling import spread_sample


@parametrize_with_checks([NoiseAwareGP()])
def test_scikit_learn_contract(estimator, check):
    check(estimator)


@pytest.fixture
def waves():
    """Inputs [300, 3], the truth [300] and labels [300] of which every tenth is wrong by 5."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(300, 3))
    truth = np.sin(2 * X[:, 0]) + X[:, 1]
    labels = truth + 0.1 * rng.normal(size=300)
    labels[::10] += 5 * rng.choice([-1, 1], 30)
    return X, truth, labels


def test_wrong_labels_lose_their_weight(waves):
    X, _, labels = waves
    weights = NoiseAwareGP().fit(X, labels).weights_
    wrong = np.arange(300) % 10 == 0
    assert weights[wrong].max() < 0.5
    assert np.median(weights[~wrong]) == 1.0
    assert weights.min() > 0


def test_predictions_suffer_less_from_wrong_labels(waves):
    X, truth, labels = waves
    plain = ExponentialGP().fit(X[:200], labels[:200]).predict(X[200:])
    aware = NoiseAwareGP().fit(X[:200], labels[:200]).predict(X[200:])
    assert rmse(truth[200:], aware) < 0.9 * rmse(truth[200:], plain)


def test_weights_follow_the_residuals_of_refits_without_the_row(waves):
    X, _, labels = waves
    X, labels = X[:40], labels[:40]
    fitted = NoiseAwareGP(noises=[0.2], tolerance=1.0).fit(X, labels)
    kernel = exponential_kernel(X, X, 2.0)
    target = labels - labels.mean()
    deviations = []
    for row in range(40):
        others = np.arange(40) != row
        share = np.linalg.solve(
            kernel[np.ix_(others, others)] + 0.2 * np.eye(39), kernel[others, row]
        )
        variance = 1.2 - share @ kernel[others, row]
        deviations.append(abs(target[row] - share @ target[others]) / np.sqrt(variance))
    deviation = np.array(deviations)
    accepted = np.median(deviation) / 0.6745
    expected = np.maximum(np.minimum(1, accepted / deviation), 0.01)
    np.testing.assert_allclose(fitted.weights_, expected, rtol=1e-9)


def test_full_weights_give_the_plain_process(waves):
    X, _, labels = waves
    aware = NoiseAwareGP(tolerance=1e6).fit(X, labels)
    np.testing.assert_array_equal(aware.weights_, np.ones(300))
    plain = ExponentialGP().fit(X, labels)
    np.testing.assert_allclose(aware.predict(X), plain.predict(X), rtol=1e-12)


def test_a_label_that_all_rows_share_is_no_cause_for_doubt():
    X = np.random.default_rng(0).normal(size=(20, 2))
    fitted = NoiseAwareGP().fit(X, np.full(20, 3.0))
    np.testing.assert_array_equal(fitted.weights_, np.ones(20))
    np.testing.assert_allclose(fitted.predict(X), 3.0)


def test_of_many_rows_some_are_fitted(waves):
    X, _, labels = waves
    fitted = NoiseAwareGP(max_rows=100).fit(X, labels)
    kept = spread_sample(labels, None, 100, 0)
    np.testing.assert_array_equal(fitted.rows_, X[kept])
    assert fitted.weights_.shape == (100,)
