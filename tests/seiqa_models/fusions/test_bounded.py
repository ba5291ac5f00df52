"""BoundedFusion: bounds hold, and the search finds what a grid finds."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from seiqa_models.core.metrics import final_score
from seiqa_models.fusions.bounded import SHRINKAGES, BoundedFusion


def predictions(n=120, noise=(0.3, 0.5, 1.0, 3.0), seed=0):
    rng = np.random.default_rng(seed)
    y = rng.uniform(0, 5, n)
    return np.column_stack([y + s * rng.normal(size=n) for s in noise]), y


@pytest.mark.parametrize("max_weight", [0.1, 0.3, 0.5, 1.0])
def test_weights_are_a_bounded_mean(max_weight):
    P, y = predictions()
    weights = BoundedFusion(max_weight=max_weight).fit(P, y).weights_
    assert weights.sum() == pytest.approx(1)
    assert weights.min() >= 0
    assert weights.max() <= max(max_weight, 1 / 4) + 1e-12


def test_search_is_as_good_as_a_fine_grid():
    P, y = predictions(noise=(0.6, 0.8, 1.5))
    grid = [
        np.array([a, b, 50 - a - b]) / 50
        for a, b in itertools.product(range(51), repeat=2)
        if a + b <= 50
    ]
    best = max(final_score(y, P @ weights) for weights in grid)
    fusion = BoundedFusion(max_weight=1.0, shrinkage=0.0).fit(P, y)
    assert final_score(y, fusion.predict(P)) >= best - 5e-4


def test_fusion_beats_uniform_and_every_member():
    P, y = predictions()
    fused = final_score(y, BoundedFusion(max_weight=1.0, shrinkage=0.0).fit(P, y).predict(P))
    assert fused > final_score(y, P.mean(axis=1)) + 0.01
    assert fused >= max(final_score(y, column) for column in P.T)


def test_strong_shrinkage_gives_equal_weights():
    P, y = predictions()
    np.testing.assert_allclose(BoundedFusion(shrinkage=1e4).fit(P, y).weights_, 0.25, atol=1e-4)


def test_one_learner_and_constant_learners_work():
    P, y = predictions()
    np.testing.assert_array_equal(BoundedFusion().fit(P[:, :1], y).weights_, [1.0])
    with_constant = np.column_stack([P[:, 0], np.ones(len(y))])
    assert BoundedFusion().fit(with_constant, y).weights_.sum() == pytest.approx(1)


def test_parameters_out_of_range_are_named():
    P, y = predictions()
    with pytest.raises(ValueError, match="max_weight is 0"):
        BoundedFusion(max_weight=0).fit(P, y)
    with pytest.raises(ValueError, match="shrinkage is -1"):
        BoundedFusion(shrinkage=-1).fit(P, y)

    with pytest.raises(ValueError, match="srocc_share is 2"):
        BoundedFusion(srocc_share=2).fit(P, y)


def test_poor_learners_get_nothing_when_shrinkage_is_chosen_on_groups():
    P, y = predictions(n=400, noise=(0.4, 3.0, 3.0, 3.0))
    groups = np.arange(400) // 40
    chosen = BoundedFusion().fit(P, y, groups)
    assert chosen.shrinkage_ in SHRINKAGES
    assert chosen.weights_[0] > 0.9
    pulled = BoundedFusion(max_weight=0.35, shrinkage=0.15, srocc_share=0.75).fit(P, y)
    fresh, truth = predictions(n=400, noise=(0.4, 3.0, 3.0, 3.0), seed=1)
    best = final_score(truth, fresh[:, 0])
    assert final_score(truth, chosen.predict(fresh)) > best - 0.001
    assert final_score(truth, pulled.predict(fresh)) < best - 0.01


def test_equally_good_learners_share_the_weight():
    P, y = predictions(n=300, noise=(0.8, 0.8, 0.8, 0.8))
    weights = BoundedFusion().fit(P, y, np.arange(300) // 30).weights_
    assert weights.min() > 0.1


def test_share_decides_between_order_and_linearity():
    """One learner orders perfectly but is bent, the other is straight but noisy."""
    rng = np.random.default_rng(0)
    y = rng.uniform(0, 5, 300)
    P = np.column_stack([np.exp(2 * y) / 1000, y + 0.8 * rng.normal(size=300)])
    ordered = BoundedFusion(shrinkage=0.0, srocc_share=1.0).fit(P, y).weights_
    linear = BoundedFusion(shrinkage=0.0, srocc_share=0.0).fit(P, y).weights_
    assert ordered[0] > linear[0] + 0.05
