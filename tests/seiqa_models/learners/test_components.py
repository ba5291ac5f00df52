"""OrientedComponents, Consensus and Fallback: what columns say, and when to rely on it."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.utils.estimator_checks import parametrize_with_checks

from seiqa_models.core.errors import TableError
from seiqa_models.core.metrics import srocc
from seiqa_models.learners.components import OrientedComponents, spreads
from seiqa_models.learners.consensus import Consensus, Fallback


@parametrize_with_checks([OrientedComponents(n_components=1), Consensus(), Fallback()])
def test_scikit_learn_contract(estimator, check):
    check(estimator)


@pytest.fixture
def metrics():
    """Six noisy views of one quality, half of them distances, and the labels."""
    rng = np.random.default_rng(0)
    quality = rng.normal(size=200)
    turned = np.array([1, -1, 1, -1, 1, -1])
    X = (quality[:, None] + 0.3 * rng.normal(size=(200, 6))) * turned
    return X, quality, turned


def test_first_component_rises_with_the_label_and_has_unit_spread(metrics):
    X, y, _ = metrics
    found = OrientedComponents(3, agreeing=1.0).fit_transform(X, y)
    assert found.shape == (200, 3)
    assert srocc(y, found[:, 0]) > 0.95
    assert found[:, 0].std() == pytest.approx(1.0)
    assert (found[:, 1:].std(axis=0) < 0.5).all()


def test_more_components_than_columns_gives_all_there_are(metrics):
    X, y, _ = metrics
    assert OrientedComponents(20).fit_transform(X, y).shape == (200, 6)


def test_fewer_rows_than_components_is_one_clear_line(metrics):
    X, y, _ = metrics
    with pytest.raises(
        TableError, match="8 components need as many rows, and a training part has 5: add labelled"
    ):
        OrientedComponents(8).fit(X[:5], y[:5])


@pytest.mark.parametrize(
    ("settings", "message"),
    [({"n_components": 0}, "n_components is 0"), ({"agreeing": 0.0}, "agreeing is 0.0")],
)
def test_parameters_out_of_range_are_named(metrics, settings, message):
    X, y, _ = metrics
    with pytest.raises(ValueError, match=message):
        OrientedComponents(**settings).fit(X, y)


def test_rows_that_disagree_take_no_part(metrics):
    X, y, turned = metrics
    rng = np.random.default_rng(1)
    odd = 3 * rng.normal(size=(60, 1)) * np.array([1, 1, 1, 0, 0, 0])  # half of the metrics rave
    both, labels = np.vstack([X, odd * turned]), np.append(y, rng.normal(size=60))
    fitted = OrientedComponents(2).fit(both, labels)
    spread = spreads(fitted.ranks_.transform(both))
    agreeing = spread <= fitted.limit_
    assert agreeing.mean() == pytest.approx(0.7, abs=0.01)
    assert agreeing[:200].mean() > 2 * agreeing[200:].mean()
    found = fitted.transform(both[agreeing])
    assert found.mean(axis=0) == pytest.approx([0, 0])
    assert found[:, 0].std() == pytest.approx(1.0)


def test_known_directions_overrule_the_labels(metrics):
    X, y, turned = metrics
    wrong = OrientedComponents(1).fit_transform(X, -y)
    right = OrientedComponents(1, directions=turned).fit_transform(X, -y)
    assert srocc(y, wrong[:, 0]) < -0.95
    assert srocc(y, right[:, 0]) > 0.95


def test_consensus_speaks_in_the_labels_unit_and_rises(metrics):
    X, y, _ = metrics
    label = 3 + np.tanh(y)
    fitted = Consensus().fit(X[:150], label[:150])
    prediction = fitted.predict(X[150:])
    assert srocc(label[150:], prediction) > 0.95
    assert np.abs(prediction - label[150:]).mean() < 0.25
    assert (np.diff(fitted.z_) > 0).all()
    assert len(fitted.x_) <= 5


def test_agreement_falls_with_the_spread_of_a_row(metrics):
    X, y, _ = metrics
    fitted = Consensus().fit(X, y)
    torn = X[:1].copy()
    torn[0, :3], torn[0, 3:] = X[:, :3].max(axis=0), X[:, 3:].min(axis=0)
    _, agreement = fitted.predict_with_agreement(np.vstack([X, torn]))
    assert ((agreement >= 0) & (agreement <= 1)).all()
    assert agreement[-1] < np.quantile(agreement[:-1], 0.1)
    assert np.median(agreement[:-1]) == pytest.approx(np.exp(-1), abs=0.02)


def test_a_single_column_agrees_with_itself(metrics):
    X, y, _ = metrics
    fitted = Consensus().fit(X[:, :1], y)
    assert (fitted.predict_with_agreement(X[:, :1])[1] == 1).all()


def test_columns_that_say_nothing_give_the_mean_label():
    X = np.array([[0.0], [1.0], [0.0], [1.0], [0.0], [1.0]])
    y = np.array([1.0, 1.0, 2.0, 2.0, 3.0, 3.0])
    assert Consensus().fit(X, y).predict(X) == pytest.approx(np.full(6, 2.0))


def test_fallback_is_the_mean_of_the_best_columns_in_the_labels_unit(metrics):
    X, y, _ = metrics
    rng = np.random.default_rng(2)
    useless = rng.normal(size=(200, 4))
    label = 3 + 0.5 * y
    fitted = Fallback().fit(np.hstack([useless, X])[:150], label[:150])
    assert len(fitted.best_) == 3
    assert (fitted.best_ >= 4).all()
    prediction = fitted.predict(np.hstack([useless, X])[150:])
    assert srocc(label[150:], prediction) > 0.93
    assert np.abs(prediction - label[150:]).mean() < 0.2


def test_fallback_counts_for_rows_unlike_the_training_rows(metrics):
    X, y, turned = metrics
    groups = np.arange(200) // 10
    known, new = np.arange(150), np.arange(150, 200)
    fitted = Fallback().fit(X[known], y[known], groups[known])
    odd = X[new].copy()
    odd[:, :2] += 3 * turned[:2]  # metrics in a relation that no training row has
    every = np.ones(50)
    assert np.median(fitted.shares(X[new], every, every)[0]) < 0.1
    assert np.median(fitted.shares(odd, every, every)[0]) > 0.9
    assert fitted.shares(X[known], np.ones(150), np.ones(150))[0].max() < 1e-30
    assert fitted.shares(odd, every, 0 * every)[0].max() == 0


def test_consensus_counts_for_rows_unlike_and_worse_than_the_training_rows(metrics):
    X, y, turned = metrics
    known, new = np.arange(150), np.arange(150, 200)
    fitted = Fallback().fit(X[known], y[known], known // 10)
    odd = X[new].copy()
    odd[:, :2] += 3 * turned[:2]
    low, high = y[known].min(), y[known].max()

    def share(rows, height):
        return fitted.shares(rows, np.full(50, low + height * (high - low)), np.zeros(50))[1]

    full = share(odd, 0.0)
    assert np.median(full) > 0.9
    np.testing.assert_array_equal(share(odd, 0.14), full)
    np.testing.assert_allclose(share(odd, 0.225), full / 2)
    assert share(odd, 0.31).max() == 0
    assert share(X[known[:50]], 0.0).max() < 1e-30
    fitted.span_ = None  # a bundle of an earlier version
    assert share(odd, 0.0).max() == 0


def test_fallback_of_one_group_or_equal_rows_is_finite(metrics):
    X, y, _ = metrics
    one = Fallback().fit(X, y, np.zeros(200))
    equal = Fallback().fit(np.repeat(X[:2], 50, axis=0), np.repeat(y[:2], 50))
    for fitted in (one, equal):
        assert np.isfinite(fitted.shares(X, np.zeros(200), np.ones(200))).all()
        assert np.isfinite(fitted.predict(X)).all()


def test_fallback_needs_a_column():
    with pytest.raises(ValueError, match="n_best is 0, expected 1 or more"):
        Fallback(0).fit([[0.0], [1.0]], [0.0, 1.0])
