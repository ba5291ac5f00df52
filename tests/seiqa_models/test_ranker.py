"""PairwiseRanker: a scikit-learn regressor that leaves torch as it found it."""

from __future__ import annotations

import pickle
import subprocess
import sys

import numpy as np
import pytest
import torch
from sklearn.utils.estimator_checks import parametrize_with_checks

from seiqa_models.metrics import srocc
from seiqa_models.ranker import PairwiseRanker, pairwise_loss


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


def test_loss_by_hand():
    y = torch.tensor([[0.0], [1.0], [1.0]])
    f = torch.tensor([[0.5], [0.0], [2.0]])
    squared = (0.5**2 + 1 + 1) / 3
    # Four ordered pairs with different labels: (0, 1) is the wrong way round, (0, 2) is right.
    ranking = (np.log1p(np.exp(0.5)) + np.log1p(np.exp(-1.5))) / 2
    assert float(pairwise_loss(f, y)) == pytest.approx(0.25 * squared + 0.8 * ranking, rel=1e-6)
    assert float(pairwise_loss(f, torch.ones(3, 1))) == pytest.approx(
        0.25 * float(((f - 1) ** 2).mean())
    )


def test_torch_is_left_as_found(curve):
    X, y = curve
    torch.manual_seed(7)
    state, threads = torch.get_rng_state(), torch.get_num_threads()
    PairwiseRanker(max_epochs=2).fit(X, y)
    assert torch.equal(torch.get_rng_state(), state)
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
