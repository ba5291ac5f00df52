"""OrdinalHead: DSS-SQA's network, its loss, its mirrored blocks and its gate."""

from __future__ import annotations

import pickle
import subprocess
import sys

import numpy as np
import pytest
import torch
from sklearn.utils.estimator_checks import parametrize_with_checks

from seiqa_models.core.metrics import srocc
from seiqa_models.learners.networks.losses import ordinal_loss
from seiqa_models.learners.networks.ordinal_head import GATE, OrdinalHead, _inputs, _network
from seiqa_models.learners.registry import make_learner

QUICK = {"hidden": (16, 8), "dropout": (0.0, 0.0), "learning_rate": 0.01, "max_epochs": 60}
SHORT = {"learning_rate": 0.03, "max_epochs": 15}


@parametrize_with_checks([OrdinalHead(**QUICK)])
def test_scikit_learn_contract(estimator, check):
    check(estimator)


@pytest.fixture(scope="module")
def levels():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(240, 6))
    return X, np.clip(np.rint(2.5 + 1.5 * X[:, 0]), 0, 5)


def test_orders_rows_it_never_saw_within_the_range_of_the_labels(levels):
    X, y = levels
    predicted = OrdinalHead(**QUICK).fit(X[:180], y[:180]).predict(X[180:])
    assert srocc(y[180:], predicted) > 0.9
    assert predicted.min() >= 0
    assert predicted.max() <= 5


def test_loss_is_cross_entropy_of_the_rounded_level_plus_squared_error():
    logits = torch.tensor([[0.0, 1.0, 2.0], [1.0, 0.0, 0.0]], dtype=torch.float64)
    level = torch.tensor([[1.6], [0.2]], dtype=torch.float64)
    chances = np.exp(logits.numpy()) / np.exp(logits.numpy()).sum(axis=1, keepdims=True)
    entropy = -(np.log(chances[0, 2]) + np.log(chances[1, 0])) / 2
    squared = np.mean((chances @ [0, 1, 2] - [1.6, 0.2]) ** 2)
    assert float(ordinal_loss(logits, level)) == pytest.approx(entropy + squared, rel=1e-12)


def test_layers_are_those_of_dss_sqa():
    learner = make_learner("dss_sqa", random_state=0)
    layers = list(_network(5377, learner, torch.Generator().manual_seed(0)))
    kinds = "Linear BatchNorm1d SiLU Dropout Linear SiLU Dropout Linear"
    assert [type(layer).__name__ for layer in layers] == kinds.split()
    assert [tuple(layers[i].weight.shape) for i in (0, 4, 7)] == [(256, 5377), (128, 256), (6, 128)]
    assert learner.dropout == (0.5, 0.2)
    assert (learner.learning_rate, learner.weight_decay) == (2e-4, 0.01)
    assert (learner.max_epochs, learner.batch_size, learner.max_gradient) == (10, 32, 1.0)


def test_stored_arrays_predict_what_the_network_does(levels):
    """Standardisation and batch normalisation are folded into the first layer."""
    X, y = levels
    head = OrdinalHead(**QUICK).fit(X, y)
    hidden = X
    for coef, bias in zip(head.coefs_[:-1], head.intercepts_[:-1], strict=True):
        hidden = hidden @ coef + bias
        hidden = hidden / (1 + np.exp(-hidden))
    logits = hidden @ head.coefs_[-1] + head.intercepts_[-1]
    chances = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(head.predict(X), chances @ np.arange(6), rtol=1e-6)


def test_mirrored_block_is_no_input_of_its_own():
    columns, mirrored = _inputs([("a", 2), ("a_mirrored", 2), ("b", 1)], 5)
    assert columns.tolist() == [0, 1, 4]
    assert mirrored.tolist() == [2, 3, 4]
    columns, mirrored = _inputs([("a_mirrored", 2), ("b", 1)], 3)
    assert columns.tolist() == [0, 1, 2]
    assert mirrored is None


def test_mirrored_block_takes_part_in_training_only(levels):
    X, y = levels
    both = np.hstack([X, X + 1])
    blocks = [("a", 6), ("a_mirrored", 6)]
    head = OrdinalHead(**QUICK, blocks=blocks).fit(both, y)
    other = OrdinalHead(**QUICK, blocks=blocks).fit(np.hstack([X, X]), y)
    assert (head.predict(both) != other.predict(both)).any()
    changed = np.hstack([X, np.zeros_like(X)])
    np.testing.assert_array_equal(head.predict(changed), head.predict(both))


def test_gate_sends_pairs_with_a_low_cosine_to_the_lowest_level(levels):
    X, y = levels
    X = np.column_stack([X, np.linspace(0, 1, len(X))])
    settings = {"blocks": [("a", X.shape[1])]}  # the original's training: moderate logits
    free = OrdinalHead(**settings).fit(X, y).predict(X)
    gated = OrdinalHead(**settings, gate=GATE).fit(X, y).predict(X)
    low = X[:, -1] < 0.40
    np.testing.assert_array_equal(gated[~low], free[~low])
    assert (gated[low] < 0.1).mean() > 0.9
    assert (free[low] > 1).mean() > 0.5


def test_without_blocks_there_is_no_gate(levels):
    X, y = levels
    free = OrdinalHead(**QUICK).fit(X, y).predict(X)
    np.testing.assert_array_equal(OrdinalHead(**QUICK, gate=GATE).fit(X, y).predict(X), free)


def test_a_last_batch_of_one_row_is_no_obstacle(levels):
    X, y = levels
    assert np.isfinite(OrdinalHead(max_epochs=2).fit(X[:33], y[:33]).predict(X)).all()


@pytest.fixture(scope="module")
def of_groups():
    """40 groups of two nearly equal rows: X, and the group of each row."""
    rng = np.random.default_rng(1)
    groups = np.repeat(np.arange(40), 2)
    return rng.normal(size=(40, 24))[groups] + 0.1 * rng.normal(size=(80, 24)), groups


def mean_srocc(of_groups, fold_of_row, shuffles):
    """Mean SROCC within held-out folds, over shuffles of labels that are the same in a group."""
    X, groups = of_groups
    found = []
    for seed in range(shuffles):
        y = np.random.default_rng(seed).permutation(40)[groups] / 8
        for fold in np.unique(fold_of_row):
            test = fold_of_row == fold
            head = OrdinalHead(**{**QUICK, **SHORT}, random_state=seed).fit(X[~test], y[~test])
            found.append(srocc(y[test], head.predict(X[test])))
    return np.mean(found)


def test_labels_shuffled_across_groups_are_not_predicted(of_groups):
    """Leakage trap: what the head sees tells the group, but not the label of a group left out.

    SROCC of n unrelated values has the standard error 1 / √(n − 1); n is a fold's groups.
    """
    shuffles, folds = 12, 2
    error = (shuffles * folds * (40 / folds - 1)) ** -0.5
    assert 3 * error < 0.15
    assert abs(mean_srocc(of_groups, of_groups[1] % folds, shuffles)) < 3 * error


def test_the_trap_catches_folds_that_divide_groups(of_groups):
    assert mean_srocc(of_groups, np.tile([0, 1], 40), 2) > 0.6


def test_torch_is_left_as_found_and_the_seed_decides(levels):
    X, y = levels
    torch.manual_seed(7)
    state, threads = torch.get_rng_state(), torch.get_num_threads()
    first, again, other = (
        OrdinalHead(max_epochs=2, random_state=seed).fit(X, y).predict(X) for seed in (0, 0, 1)
    )
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.get_num_threads() == threads
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()


def test_prediction_needs_no_torch(levels):
    X, y = levels
    head = OrdinalHead(max_epochs=2).fit(X, y)
    code = (
        "import pickle, sys\n"
        "head, X, expected = pickle.load(sys.stdin.buffer)\n"
        "assert (head.predict(X) == expected).all()\n"
        "assert not {'torch', 'skorch'} & set(sys.modules)\n"
    )
    job = pickle.dumps((head, X, head.predict(X)))
    subprocess.run([sys.executable, "-c", code], input=job, check=True)
