"""Fusion weights that also hold up on kinds of distortion that no learner has met.

The best weights for new references lean on whoever knows the familiar kinds best, which may be who
fails first on a new one. So they are moved towards the best weights for new kinds, as far as that
costs new references next to nothing. Stopping as soon as new kinds *seem* to do well enough served
them worse: the few rows that tell so within a training part err by more than is at stake.
"""

from __future__ import annotations

import numpy as np

from seiqa_models.arrays import FloatMatrix, FloatVector, Rows
from seiqa_models.fusion import BoundedFusion
from seiqa_models.metrics import final_score

AFFORDABLE = 0.002
"""How much final on new references may be given up for new kinds. There it bought .002 on the
TID2013 table, .014 and .004 on 10 references each of KADID-10k; on 288 rendered pairs of six kinds
what it bought is less than chance."""

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
        Within the fusion's bound, sum 1: of 21 steps from one end to the other the best on new
        kinds, before the first that is not `AFFORDABLE`. The fusion's own where the unseen rows
        are fewer than 10 or their labels do not vary.
    """
    if len(unseen[1]) < _FEWEST or np.ptp(unseen[1]) == 0:
        return np.asarray(fusion.weights_)
    goal = BoundedFusion(**fusion.get_params()).fit(*unseen).weights_
    least = _final(fusion.weights_, familiar) - AFFORDABLE
    best, best_score = fusion.weights_, _final(fusion.weights_, unseen)
    for step in np.linspace(0, 1, _STEPS + 1)[1:]:
        weights = (1 - step) * fusion.weights_ + step * goal
        if _final(weights, familiar) < least:
            break
        score = _final(weights, unseen)
        if score > best_score:
            best, best_score = weights, score
    return np.asarray(best)


def _final(weights: FloatVector, held: Held) -> float:
    """The final score of fused predictions; the worst there is where they do not vary."""
    predictions, y, _ = held
    return float(np.nan_to_num(final_score(y, predictions @ weights), nan=-1.0))
