"""Fusion weights that also hold up on kinds of distortion that no learner has met.

The best weights for new references lean on whoever knows the familiar kinds best, which may be who
fails first on a new one. So they are moved towards the best weights for new kinds, as far as what
new kinds gain outweighs what new references lose. A gain there counts for less than a loss here:
the rows that tell of it are few and of few kinds, and taken at their word cost more than they gave.
"""

from __future__ import annotations

import numpy as np

from seiqa_models.core.arrays import FloatMatrix, FloatVector, Rows
from seiqa_models.core.metrics import final_score
from seiqa_models.stack.fusion import BoundedFusion

GAIN_SHARE = 0.1
"""What final on new kinds counts, in units of final on new references. Between .07 and .15 the mean
over five development sets moved by .0008 or less for either; always giving up .002 was .0011 worse
for new references and .0045 for new kinds."""

AFFORDABLE = 0.005
"""The most of final on new references that is given up, whatever new kinds would gain."""

_STEPS = 20

_FEWEST = 10
"""With fewer rows of new kinds, what they say is chance."""

Held = tuple[FloatMatrix, FloatVector, Rows]
"""Predictions [n, m] for held-out rows, their labels [n] and group codes [n]."""


def robust_weights(fusion: BoundedFusion, familiar: Held, unseen: Held) -> FloatVector:
    """Weights float64 [m] between the best for new references and the best for new kinds.

    Parameters
    ----------
    fusion : BoundedFusion
        Fitted to the familiar rows.
    familiar : tuple
        Out-of-fold by group.
    unseen : tuple
        Predicted by learners that had met neither the rows' groups nor their kinds.

    Returns
    -------
    float64 [m]
        Within the fusion's bound, sum 1: of 21 steps from one end to the other the one with the
        best final on familiar rows plus `GAIN_SHARE` times that on new kinds, before the first
        that is not `AFFORDABLE`. The fusion's own where the unseen rows are fewer than 10 or
        their labels do not vary.
    """
    if len(unseen[1]) < _FEWEST or np.ptp(unseen[1]) == 0:
        return np.asarray(fusion.weights_)
    goal = BoundedFusion(**fusion.get_params()).fit(*unseen).weights_
    best, best_worth = fusion.weights_, -np.inf
    least = _final(fusion.weights_, familiar) - AFFORDABLE
    for step in np.linspace(0, 1, _STEPS + 1):
        weights = (1 - step) * fusion.weights_ + step * goal
        kept = _final(weights, familiar)
        if kept < least:
            break
        worth = kept + GAIN_SHARE * _final(weights, unseen)
        if worth > best_worth:
            best, best_worth = weights, worth
    return np.asarray(best)


def _final(weights: FloatVector, held: Held) -> float:
    """The final score of fused predictions; the worst there is where they do not vary."""
    predictions, y, _ = held
    return float(np.nan_to_num(final_score(y, predictions @ weights), nan=-1.0))
