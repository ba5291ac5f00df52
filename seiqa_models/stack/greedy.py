"""Greedy selection of learners: the baseline that :mod:`seiqa_models.stack.fusion` has to match."""

from __future__ import annotations

import numpy as np

from seiqa_models.core.arrays import FloatMatrix, FloatVector
from seiqa_models.core.metrics import final_score


def greedy_weights(P: FloatMatrix, y: FloatVector, *, rounds: int = 25) -> FloatVector:
    """Weights float64 [m] of learners, by greedy selection with repetition.

    Starting from nothing, the learner that most raises the final score of the sum is added, again
    and again; the weights are the counts after the best round (Caruana et al., Ensemble Selection
    from Libraries of Models, ICML 2004).

    Parameters
    ----------
    P : float64 [n, m]
        Out-of-fold predictions.
    y : float64 [n]
        Labels.
    rounds : int
        Learners added.
    """
    counts: FloatVector = np.zeros(P.shape[1])
    best, best_score = counts, -np.inf
    for _ in range(rounds):
        scores = [final_score(y, P @ counts + column) for column in P.T]
        counts = counts + np.eye(len(counts))[int(np.argmax(scores))]
        if max(scores) > best_score:
            best, best_score = counts, max(scores)
    weights: FloatVector = best / best.sum()
    return weights
