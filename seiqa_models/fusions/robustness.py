"""Fusion weights that also hold up on kinds of distortion that no learner has met.

The best weights for new references lean on the learner that knows the familiar kinds best, which
may be the first to fail on a new one. So they are moved towards the best weights for new kinds, as
far as what new kinds gain outweighs what new references lose. A gain there counts for less than a
loss here: its evidence comes from few rows of few kinds, and trusting it fully cost more than it
gained.

So the weights that come out lie between the two ends, whatever the new kinds say; new references
lose at most `AFFORDABLE` of their final, and at most `GAIN_SHARE` of what new kinds gain. How far
the weights themselves move is not bounded otherwise: where final hardly depends on them, they may
go all the way to the other end.
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
"""Largest loss of final on new references, whatever the gain on new kinds."""

_STEPS = 20

_FEWEST = 10
"""With fewer rows of new kinds, their score is mostly chance."""


def tells_enough(unseen: HeldOut) -> bool:
    """Whether there are 10 rows of new kinds or more, and their labels vary."""
    return bool(len(unseen.y) >= _FEWEST and np.ptp(unseen.y) > 0)


def robust_weights(
    weights: FloatVector, goal: FloatVector, familiar: HeldOut, unseen: HeldOut
) -> FloatVector:
    """Weights float64 [m] between the best for new references and the best for new kinds.

    Parameters
    ----------
    weights : float64 [m]
        The best for the familiar rows.
    goal : float64 [m]
        The best for the unseen rows.
    familiar : HeldOut
        Out-of-fold by group.
    unseen : HeldOut
        Predicted by learners that had met neither the rows' groups nor their kinds.

    Returns
    -------
    float64 [m]
        Between the two, so within the same bound and of sum 1: of 21 steps from one end to the
        other the one with the best final on familiar rows plus `GAIN_SHARE` times that on new
        kinds, before the first that is not `AFFORDABLE`.
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
    """The final score of fused predictions; the lowest possible where they do not vary."""
    fused = np.asarray(held.predictions, dtype=np.float64) @ weights
    return float(np.nan_to_num(final_score(held.y, fused), nan=-1.0))
