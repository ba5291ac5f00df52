"""Fusion weights that hold up on unseen kinds without giving up much on new references."""

from __future__ import annotations

import numpy as np
import pytest

from seiqa_models.core.metrics import final_score
from seiqa_models.fusions.bounded import BoundedFusion
from seiqa_models.fusions.protocol import HeldOut
from seiqa_models.fusions.robustness import AFFORDABLE, GAIN_SHARE


def held(noise: tuple[float, ...], *, n: int = 400, seed: int = 0):
    """Predictions that follow the label with that much noise, a column each."""
    rng = np.random.default_rng(seed)
    y = rng.uniform(0, 5, n)
    columns = [y + level * rng.normal(size=n) for level in noise]
    return HeldOut(np.column_stack(columns), y, np.repeat(np.arange(n // 8), 8))


@pytest.mark.parametrize(
    ("known", "new"),
    [
        ((0.3, 1.0), (0.3, 1.0)),
        ((0.3, 0.3), (1.0, 1.0)),
        ((0.1, 0.11), (4.0, 0.5)),
        ((0.2, 1.5), (4.0, 0.3)),
        ((0.3, 0.4, 0.5), (2.0, 1.0, 0.5)),
    ],
)
def test_what_the_rule_promises(known: tuple[float, ...], new: tuple[float, ...]):
    """Between the two ends; and new references lose little, in all and for what it brings."""
    familiar, unseen = held(known), held(new, n=80, seed=1)
    start = BoundedFusion().fit(*familiar).weights_
    goal = BoundedFusion().fit(*unseen).weights_
    weights = BoundedFusion().fit(*familiar, unseen=unseen).weights_
    step = np.linalg.norm(weights - start) / (np.linalg.norm(goal - start) or 1.0)
    assert step <= 1 + 1e-9
    np.testing.assert_allclose(weights, start + step * (goal - start), atol=1e-9)
    lost = final_of(familiar, start) - final_of(familiar, weights)
    gained = final_of(unseen, weights) - final_of(unseen, start)
    assert lost <= AFFORDABLE + 1e-12
    assert lost <= GAIN_SHARE * gained + 1e-12


def final_of(rows: HeldOut, weights: np.ndarray) -> float:
    return final_score(rows.y, np.asarray(rows.predictions) @ weights)


def test_weights_move_towards_who_holds_up():
    familiar, unseen = held((0.10, 0.11)), held((4.0, 0.5), n=80, seed=1)
    fusion = BoundedFusion(shrinkage=0.0).fit(*familiar)
    weights = BoundedFusion(shrinkage=0.0).fit(*familiar, unseen=unseen).weights_
    assert weights.sum() == pytest.approx(1)
    assert weights[1] > fusion.weights_[1] + 0.2
    gained = final_score(unseen[1], unseen[0] @ weights)
    assert gained > final_score(unseen[1], unseen[0] @ fusion.weights_) + 0.02
    lost = final_score(familiar[1], familiar[0] @ fusion.weights_) - final_score(
        familiar[1], familiar[0] @ weights
    )
    assert lost < GAIN_SHARE * (gained - final_score(unseen[1], unseen[0] @ fusion.weights_))


def test_a_small_gain_on_new_kinds_is_not_paid_for():
    familiar, unseen = held((0.2, 2.0)), held((0.30, 0.28), n=80, seed=1)
    fusion = BoundedFusion().fit(*familiar)
    goal = BoundedFusion().fit(*unseen)
    assert goal.weights_[1] > fusion.weights_[1] + 0.2
    weights = BoundedFusion().fit(*familiar, unseen=unseen).weights_
    assert weights[1] < fusion.weights_[1] + 0.05


def test_new_references_do_not_pay_more_than_is_affordable():
    familiar, unseen = held((0.2, 1.5)), held((4.0, 0.3), n=80, seed=1)
    fusion = BoundedFusion().fit(*familiar)
    weights = BoundedFusion().fit(*familiar, unseen=unseen).weights_
    best = final_score(familiar[1], familiar[0] @ fusion.weights_)
    assert best - AFFORDABLE <= final_score(familiar[1], familiar[0] @ weights) < best
    assert 0 < weights[1] - fusion.weights_[1] < 0.5


def test_bound_of_the_fusion_holds():
    familiar, unseen = held((0.3, 0.4, 0.4)), held((4.0, 0.3, 4.0), n=80, seed=1)
    weights = BoundedFusion(max_weight=0.5).fit(*familiar, unseen=unseen).weights_
    assert weights.max() <= 0.5 + 1e-12


def test_a_handful_of_rows_or_one_label_moves_nothing():
    familiar = held((0.1, 0.2))
    fusion = BoundedFusion().fit(*familiar)
    few = held((4.0, 0.1), n=8, seed=1)
    predictions, y, groups = held((4.0, 0.1), n=80, seed=1)
    for unseen in (few, HeldOut(predictions, np.ones_like(y), groups)):
        moved = BoundedFusion().fit(*familiar, unseen=unseen)
        assert moved.weights_.tolist() == fusion.weights_.tolist()
