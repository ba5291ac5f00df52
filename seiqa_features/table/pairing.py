"""Pairing: what a reference's and a degraded image's embedding say about each other.

For embeddings r and d (the runner-up's blocks): the dense blocks |d − r| and d ⊙ r, and the scalars
cosine, L2 and L1. Derived on the CPU when a table is assembled, so that changing them does not
compute an embedding again.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Embedding = NDArray[np.float32]


def pair_embeddings(*, ref: Embedding, dist: Embedding) -> dict[str, NDArray[np.floating]]:
    """Features of embedding pairs, each float32 [n, d] in and float32 [n, d] or float64 [n] out.

    The cosine of a zero vector is NaN (undefined). Sums run in float64.
    """
    r, d = ref.astype(np.float64), dist.astype(np.float64)
    norms = np.linalg.norm(r, axis=1) * np.linalg.norm(d, axis=1)
    cosine = np.full(len(r), np.nan)
    np.divide((r * d).sum(axis=1), norms, out=cosine, where=norms > 0)
    return {
        "absdiff": np.abs(dist - ref),
        "product": dist * ref,
        "cosine": cosine,
        "l2": np.linalg.norm(d - r, axis=1),
        "l1": np.abs(d - r).sum(axis=1),
    }
