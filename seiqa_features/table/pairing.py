"""Pairing: comparison of the embeddings of a reference and a degraded image.

For embeddings r and d (the runner-up's blocks): the dense blocks |d − r| and d ⊙ r, and the scalars
cosine, L2 and L1. Derived on the CPU when a table is assembled, so that changing them does not
require recomputing embeddings.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from seiqa_features.extractors.specs import DISTANCE, SIMILARITY, Output

Embedding = NDArray[np.float32]

PAIRED = {"cosine": SIMILARITY, "l2": DISTANCE, "l1": DISTANCE}
"""The scalars computed from a pair of embeddings."""

BLOCKS = {"absdiff": Output(identity=0.0, symmetric=True), "product": Output(symmetric=True)}
"""The dense blocks, as wide as the embeddings."""


def paired_outputs(outputs: Mapping[str, Output]) -> dict[str, Output]:
    """The table columns for these outputs: `<stem>_ref` and `<stem>_dist` paired, others unchanged.

    Parameters
    ----------
    outputs : Mapping[str, Output]
        Outputs of an extractor or of a grid view.
    """
    paired: dict[str, Output] = {}
    for name, output in outputs.items():
        if output.role == "value":
            paired[name] = output
        elif output.role == "ref":
            stem = name.removesuffix("_ref")
            smooth = outputs[f"{stem}_dist"].differentiable
            for kind, facts in (BLOCKS | PAIRED).items():
                width = output.dim if kind in BLOCKS else 0
                paired[f"{stem}_{kind}"] = replace(facts, dim=width, differentiable=smooth)
    return paired


def pair_embeddings(*, ref: Embedding, dist: Embedding) -> dict[str, NDArray[np.floating]]:
    """Features of embedding pairs: inputs float32 [n, d], outputs float32 [n, d] or float64 [n].

    The cosine of a zero vector is NaN (undefined). Sums are computed in float64.
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
