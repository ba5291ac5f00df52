"""Mean, best single and greedy selection: the weights are what the names say."""

from __future__ import annotations

import numpy as np
import pytest

from seiqa_models.core.metrics import final_score
from seiqa_models.fusions.bounded import BoundedFusion
from seiqa_models.fusions.weighted import BestSingleFusion, GreedyFusion, MeanFusion


def predictions(*noise: float):
    rng = np.random.default_rng(0)
    y = rng.uniform(0, 5, 120)
    return np.column_stack([y + s * rng.normal(size=120) for s in noise]), y


def test_mean_is_the_mean():
    P, y = predictions(0.6, 5.0)
    np.testing.assert_allclose(MeanFusion().fit(P, y).predict(P), P.mean(axis=1))


def test_best_single_takes_the_best_and_the_first_of_equals():
    P, y = predictions(0.9, 0.3, 0.6)
    assert BestSingleFusion().fit(P, y).weights_.tolist() == [0, 1, 0]
    twice = P[:, [1, 1, 0]]
    assert BestSingleFusion().fit(twice, y).weights_.tolist() == [1, 0, 0]


def test_greedy_selection_counts_what_helps():
    P, y = predictions(0.6, 0.6, 5.0)
    greedy = GreedyFusion().fit(P, y)
    assert greedy.weights_[2] < 0.1
    assert final_score(y, greedy.predict(P)) >= max(final_score(y, column) for column in P.T)
    searched = BoundedFusion(shrinkage=0.0).fit(P, y)
    assert final_score(y, searched.predict(P)) >= final_score(y, greedy.predict(P)) - 5e-4


def test_greedy_selection_of_one_round_is_the_best_single():
    P, y = predictions(0.9, 0.3, 0.6)
    assert GreedyFusion(rounds=1).fit(P, y).weights_.tolist() == [0, 1, 0]
    with pytest.raises(ValueError, match="rounds is 0"):
        GreedyFusion(rounds=0).fit(P, y)
