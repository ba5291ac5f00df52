"""Fusion weights that also hold up on kinds of distortion that no learner has seen.

The best weights for new references favour the learner that knows the familiar kinds best, which may
be the first to fail on a new kind. They are therefore moved towards the best weights for new kinds,
as long as the gain on new kinds outweighs the loss on new references. A gain on new kinds counts
for less than a loss on new references: the evidence for it comes from few rows of few kinds, and
trusting it fully cost more than it gained.

The resulting weights are always between these two ends; new references lose at most `AFFORDABLE` of
their final, and at most `GAIN_SHARE` of the gain on new kinds. The weights themselves may move any
distance: if final hardly depends on them, they may reach the other end.
"""

from __future__ import annotations

import numpy as np

from seiqa_models.core.arrays import FloatVector
from seiqa_models.core.metrics import final_score
from seiqa_models.fusions.protocol import HeldOut

GAIN_SHARE = 0.1
"""Weight of final on new kinds, relative to final on new references. Between .07 and .15 the mean
over five development sets moved by .0008 or less for either; always giving up .002 was .0011 worse
for new references and .0045 for new kinds."""

AFFORDABLE = 0.005
"""Largest loss of final on new references, regardless of the gain on new kinds."""

_STEPS = 20

_FEWEST = 10
"""With fewer rows of new kinds, their score is mostly due to chance."""


def tells_enough(unseen: HeldOut) -> bool:
    """Whether there are 10 or more rows of new kinds with varying labels."""
    return bool(len(unseen.y) >= _FEWEST and np.ptp(unseen.y) > 0)


def robust_weights(
    weights: FloatVector, goal: FloatVector, familiar: HeldOut, unseen: HeldOut
) -> FloatVector:
    """Weights float64 [m] between the best for new references and the best for new kinds.

    Parameters
    ----------
    weights : float64 [m]
        Best weights for the familiar rows.
    goal : float64 [m]
        Best weights for the unseen rows.
    familiar : HeldOut
        Out-of-fold by group.
    unseen : HeldOut
        Predicted by learners that have seen neither the rows' groups nor their kinds.

    Returns
    -------
    float64 [m]
        Between the two, so within the same bound and of sum 1. Of 21 steps from one end to the
        other, up to the first that costs more than `AFFORDABLE`, the one with the largest final on
        familiar rows plus `GAIN_SHARE` times that on new kinds.
    """
    best, best_worth = weights, -np.inf
    least = _final(weights, familiar) - AFFORDABLE
    for step in np.linspace(0, 1, _STEPS + 1):
        moved = (1 - step) * weights + step * goal
        kept = _final(moved, familiar)
        if kept < least:
            break
        worth = kept + GAIN_SHARE * _final(moved, unseen)
        if worth > best_worth:
            best, best_worth = moved, worth
    return best


def _final(weights: FloatVector, held: HeldOut) -> float:
    """The final score of fused predictions; the lowest possible value if they do not vary."""
    fused = np.asarray(held.predictions, dtype=np.float64) @ weights
    return float(np.nan_to_num(final_score(held.y, fused), nan=-1.0))
