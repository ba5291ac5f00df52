"""PairwiseRanker: a scikit-learn regressor that leaves torch as it found it."""

from __future__ import annotations

import pickle
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from threading import Event

import numpy as np
import pytest
import torch
from sklearn.utils.estimator_checks import parametrize_with_checks

from seiqa_models.core.metrics import srocc
from seiqa_models.learners.networks import ranker
from seiqa_models.learners.networks.losses import softplus_loss
from seiqa_models.learners.networks.ranker import PairwiseRanker


@parametrize_with_checks([PairwiseRanker(hidden=(16,), dropout=0.0, max_epochs=30, batch_size=64)])
def test_scikit_learn_contract(estimator, check):
    check(estimator)


@pytest.fixture(scope="module")
def curve():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(200, 5))
    return X, np.exp(X[:, 0]) + 0.05 * rng.normal(size=200)


@pytest.fixture(scope="module")
def fitted(curve):
    X, y = curve
    return PairwiseRanker().fit(X[:150], y[:150])


def test_orders_rows_it_never_saw(curve, fitted):
    X, y = curve
    assert srocc(y[150:], fitted.predict(X[150:])) > 0.95


@pytest.mark.parametrize("settings", [{}, {"loss": "fidelity"}, {"patience": 10}])
def test_constructed_orders_are_learned_where_labels_say_nothing(curve, settings):
    X, y = curve
    X = np.hstack([X, np.zeros((len(X), 1))])  # labelled rows have lost no meaning
    rng = np.random.default_rng(1)
    shown = np.hstack([rng.normal(size=(40, 5)), 0.05 * rng.normal(size=(40, 1))])
    gone = np.hstack([rng.normal(size=(40, 5)), rng.uniform(1, 2, (40, 1))])
    rows, pairs = np.vstack([shown, gone]), np.column_stack([np.arange(40), np.arange(40, 80)])
    plain = PairwiseRanker(**settings).fit(X[:150], y[:150])
    told = PairwiseRanker(**settings)
    told.fit(X[:150], y[:150], orders=(rows[:60], pairs[:20]))
    again = PairwiseRanker(**settings).fit(X[:150], y[:150], orders=(rows[:60], pairs[:20]))

    def kept(learner):
        return np.mean(learner.predict(rows[20:40]) > learner.predict(rows[60:]))

    assert kept(told) > kept(plain) + 0.1
    assert srocc(y[150:], told.predict(X[150:])) > 0.95
    assert np.array_equal(told.predict(rows), again.predict(rows))
    without = PairwiseRanker(**settings).fit(X, y, orders=(rows, pairs[:0]))
    assert np.array_equal(without.predict(X), PairwiseRanker(**settings).fit(X, y).predict(X))


@pytest.mark.parametrize("settings", [{"loss": "fidelity"}, {"patience": 10}])
def test_other_loss_and_early_stopping_learn_the_labels_scale(curve, settings):
    X, y = curve
    prediction = PairwiseRanker(**settings).fit(X[:150], y[:150]).predict(X[150:])
    assert srocc(y[150:], prediction) > 0.95
    assert np.mean((prediction - y[150:]) ** 2) < 0.5 * y.var()


def test_patience_ends_training_on_noise_early():
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(60, 5)), rng.normal(size=60)
    patient, hasty = PairwiseRanker(max_epochs=60), PairwiseRanker(max_epochs=60, patience=2)
    assert patient.fit(X, y).predict(X).std() > 2 * hasty.fit(X, y).predict(X).std()


def test_the_steps_do_not_grow_with_the_rows(monkeypatch):
    """1000 rows are 8 batches, so 3 epochs are the first to reach 20 steps."""
    calls = []

    def counted(prediction, target):
        calls.append(len(prediction))
        return softplus_loss(prediction, target)

    monkeypatch.setitem(ranker.LOSSES, "softplus", counted)
    monkeypatch.setattr(ranker, "MOST_STEPS", 20)
    X = np.random.default_rng(0).normal(size=(1000, 2))
    PairwiseRanker(hidden=(4,), max_epochs=60).fit(X, X[:, 0])
    assert sum(calls) == 3 * len(X)


@pytest.mark.parametrize("settings", [{"loss": "fidelity"}, {"patience": 35}])
def test_two_rows_are_enough(curve, settings):
    X, y = curve
    fitted = PairwiseRanker(max_epochs=2, **settings).fit(X[:2], y[:2])
    assert np.isfinite(fitted.predict(X)).all()


def test_unknown_loss_is_named(curve):
    with pytest.raises(ValueError, match=r"loss is 'mse', expected one of \['fidelity', 'soft"):
        PairwiseRanker(loss="mse").fit(*curve)


@pytest.mark.parametrize("settings", [{}, {"patience": 2}])
def test_torch_is_left_as_found(curve, settings):
    X, y = curve
    torch.manual_seed(7)
    state, threads = torch.get_rng_state(), torch.get_num_threads()
    PairwiseRanker(max_epochs=2, **settings).fit(X, y)
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.get_num_threads() == threads


def test_what_others_do_with_torch_meanwhile_does_not_matter(curve):
    """Rankers in several threads beside somebody who draws and sets threads: all alike."""
    X, y = curve
    threads = torch.get_num_threads()

    def coefs(_: int = 0) -> list[np.ndarray]:
        return PairwiseRanker(max_epochs=3).fit(X, y).coefs_

    alone = coefs()
    done = Event()

    def unrest() -> None:
        while not done.is_set():
            torch.manual_seed(1)
            torch.rand(3)
            torch.set_num_threads(1 + threads % 2)

    with ThreadPoolExecutor(4) as pool:
        restless = pool.submit(unrest)
        try:
            fits = list(pool.map(coefs, range(3)))
        finally:
            done.set()
        restless.result()
        pool.submit(torch.set_num_threads, threads).result()
    for found in fits:
        for one, other in zip(alone, found, strict=True):
            np.testing.assert_array_equal(one, other)
    assert torch.get_num_threads() == threads


def test_seed_decides(curve):
    X, y = curve

    def predict(seed):
        return PairwiseRanker(max_epochs=3, random_state=seed).fit(X, y).predict(X)

    np.testing.assert_array_equal(predict(0), predict(0))
    assert not np.array_equal(predict(0), predict(1))


def test_prediction_needs_no_torch(fitted, curve):
    """A trained ranker predicts in a fresh process without importing torch."""
    code = (
        "import pickle, sys\n"
        "ranker, X, expected = pickle.load(sys.stdin.buffer)\n"
        "assert (ranker.predict(X) == expected).all()\n"
        "assert not {'torch', 'skorch'} & set(sys.modules)\n"
    )
    job = pickle.dumps((fitted, curve[0], fitted.predict(curve[0])))
    subprocess.run([sys.executable, "-c", code], input=job, check=True)


def test_one_collection_is_as_good_as_none(curve):
    X, y = curve
    one = PairwiseRanker(max_epochs=3).fit(X[:40], y[:40])
    same = PairwiseRanker(max_epochs=3).fit(X[:40], y[:40], np.zeros(40, dtype=int))
    np.testing.assert_array_equal(one.predict(X), same.predict(X))


def test_what_another_collection_has_above_it_changes_the_order_learned(curve):
    X, y = curve
    collections = np.arange(150) % 2
    told = PairwiseRanker(max_epochs=3).fit(X[:150], y[:150], collections)
    untold = PairwiseRanker(max_epochs=3).fit(X[:150], y[:150])
    assert (told.predict(X) != untold.predict(X)).any()
    assert srocc(y[150:], told.predict(X[150:])) > 0.8
