"""UnrelatedGate: how likely a degraded picture shows nothing of its reference.

Labelled pairs show the right picture, at worst strongly distorted. A model trained on them fails
on a different picture, a flat colour or noise: one of TID2013's pairs gives these 1.5 of 5, like a
strong blur. Such pairs can be constructed from any reference, and are easily told apart. With u
from the gate,

    score = bottom + (1 - u) · (score - bottom)

Before that, scores below a tenth of the scale are compressed so that they approach the bottom
without passing it. Their order is kept, so that a picture that still shows something of the
reference scores above one that shows nothing.

Learning the constructed pairs as further rows, with the bottom as target, cost .0035 of final on
held-out scenes of TID2013. The gate costs nothing: of 1020 labelled pairs of TID2013, LIVE and RAID
u is above 0.1 for two on held-out scenes, both with noise, which people put at the bottom.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from seiqa_models.core.arrays import FloatVector
from seiqa_models.stack.gate import Gate

FLOOR = 0.1
"""Share of the scale below which scores are compressed."""


class UnrelatedGate(Gate):
    """How surely a row's degraded picture is unrelated to its reference."""


def shows_nothing(share: ArrayLike) -> NDArray[np.bool_]:
    """Whether a picture [n] probably shows nothing of its reference, by its u."""
    return np.asarray(share) >= 0.5


def pulled_down(score: FloatVector, share: FloatVector, scale: tuple[float, float]) -> FloatVector:
    """Scores float64 [n] with u [n], on a scale (bottom, top) that they may exceed."""
    bottom, top = scale
    knee = FLOOR * (top - bottom)
    height = score - bottom
    height = np.where(height < knee, knee * np.exp(np.minimum(height, knee) / knee - 1), height)
    return np.asarray(bottom + (1 - share) * height)
