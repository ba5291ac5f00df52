"""Fusion weights that also hold up on kinds of distortion that no learner has met.

The best weights for new references lean on whoever knows the familiar kinds best, which may be who
fails first on a new one. So they are moved towards the best weights for new kinds, no further than
it takes, and only as long as new references cost little.
"""

from __future__ import annotations

import numpy as np

from seiqa_models.arrays import FloatMatrix, FloatVector, Rows
from seiqa_models.fusion import BoundedFusion
from seiqa_models.metrics import final_score

TOLERATED = 0.02
"""How far on new kinds the fused final may lie below that of the best single learner."""

AFFORDABLE = 0.005
"""How much final on new references may be given up for that."""

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
        Within the fusion's bound, sum 1: the first of 21 steps from one end to the other that is
        within `TOLERATED` on new kinds; if none is within what is `AFFORDABLE`, the last that is.
        The fusion's own where the unseen rows are fewer than 10 or their labels do not vary.
    """
    if len(unseen[1]) < _FEWEST or np.ptp(unseen[1]) == 0:
        return np.asarray(fusion.weights_)
    params = fusion.get_params()
    goal = BoundedFusion(**params).fit(*unseen).weights_
    wanted = max(_final(column, unseen) for column in np.eye(len(goal))) - TOLERATED
    least = _final(fusion.weights_, familiar) - AFFORDABLE
    weights: FloatVector = fusion.weights_
    for step in np.linspace(0, 1, _STEPS + 1)[1:]:
        if _final(weights, unseen) >= wanted:
            break
        further = (1 - step) * fusion.weights_ + step * goal
        if _final(further, familiar) < least:
            break
        weights = further
    return weights


def _final(weights: FloatVector, held: Held) -> float:
    """The final score of fused predictions; the worst there is where they do not vary."""
    predictions, y, _ = held
    return float(np.nan_to_num(final_score(y, predictions @ weights), nan=-1.0))
