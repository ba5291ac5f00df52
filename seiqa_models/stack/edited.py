"""EditedGate: how surely a part of the picture was removed, covered, replaced or rewritten.

Learners that know distortions of whole pictures score an edit by the pixels that it changes, so
that another price on a tag counts like a slight JPEG compression. But the two differ in kind, as an
edit leaves the rest of the picture alone, and pairs of both kinds can be constructed from any
reference. With u from the gate,

    score = bottom + (1 - cost · u) · (score - bottom)

How much an edit costs people is not known from constructed pairs. `MOST` is what puts nearly all of
them below harmless changes of the same picture (docs/explanation/constructed-orders.md), and
intervals are wider by it on both sides. Where people have labelled edits, the learners know their
cost, and a further one would show as a loss on held-out labels: cost is the largest that does not.
"""

from __future__ import annotations

import numpy as np

from seiqa_models.core.arrays import FloatVector
from seiqa_models.core.metrics import final_score
from seiqa_models.stack.blend import AFFORDABLE, largest
from seiqa_models.stack.gate import Gate

MOST = 0.3
"""The largest cost, a share of the score's height above the bottom of the scale."""

COSTS = (0.0, 0.1, 0.2, MOST)
"""Candidates for the cost."""


class EditedGate(Gate):
    """How surely a part of a row's degraded picture was edited."""


def lowered(score: FloatVector, share: FloatVector, bottom: float, cost: float) -> FloatVector:
    """Scores float64 [n] with u [n]; they may be below the bottom of the scale."""
    return np.asarray(bottom + (1 - cost * share) * (score - bottom), np.float64)


def taken(score: FloatVector, share: FloatVector, bottom: float, cost: float) -> FloatVector:
    """What `lowered` took from scores [n] that it returned, float64 [n]."""
    kept = 1 - cost * share
    return np.asarray((score - bottom) * (1 - kept) / kept, np.float64)


def affordable_cost(score: FloatVector, share: FloatVector, bottom: float, y: FloatVector) -> float:
    """The largest cost that is nearly as good as the best for held-out rows with labels [n]."""
    finals = [final_score(y, lowered(score, share, bottom, cost)) for cost in COSTS]
    return largest(COSTS, finals, max(finals) - AFFORDABLE)
