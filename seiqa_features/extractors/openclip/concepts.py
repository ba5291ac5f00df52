"""Content of two pictures, from their similarity to texts; imported inside factories (torch).

All operations are elementwise or row by row: a pair's values are bit-identical whatever else is in
the batch.
"""

from __future__ import annotations

import torch

from seiqa_features.extractors.common.drift import distribution_drift
from seiqa_features.extractors.openclip.prompts import ANCHORS


def text_values(*, ref: torch.Tensor, dist: torch.Tensor, scale: float) -> dict[str, torch.Tensor]:
    """Anchors and concept drift of n pairs.

    Parameters
    ----------
    ref : torch.Tensor
        Cosines of the reference with `prompts.texts()`, float64 [n, texts].
    dist : torch.Tensor
        Those of the degraded image.
    scale : float
        Factor by which the model multiplies cosines before a softmax.

    Returns
    -------
    dict[str, torch.Tensor]
        Scalars float64 [n] from `anchor_values` and `distribution_drift`.
    """
    n = len(ANCHORS)
    return {
        **anchor_values(ref=ref[:, :n], dist=dist[:, :n], scale=scale),
        **distribution_drift(
            "concept", ref=_softmax(ref[:, n:], scale), dist=_softmax(dist[:, n:], scale)
        ),
    }


def anchor_values(
    *, ref: torch.Tensor, dist: torch.Tensor, scale: float
) -> dict[str, torch.Tensor]:
    """Visual quality of the two pictures, from cosines with the anchors, float64 [n, 2].

    Returns
    -------
    dict[str, torch.Tensor]
        `<what>_ref`, `<what>_dist` and their difference `<what>_drift` for the cosines good and
        bad (-1..1) and for quality (0..1), the softmax probability of good versus bad (as in
        CLIP-IQA, Wang et al., AAAI 2023).
    """
    values: dict[str, torch.Tensor] = {}
    for i, anchor in enumerate(ANCHORS):
        values |= _drift(anchor, ref[:, i], dist[:, i])
    return values | _drift("quality", _softmax(ref, scale)[:, 0], _softmax(dist, scale)[:, 0])


def _softmax(cosines: torch.Tensor, scale: float) -> torch.Tensor:
    return (scale * cosines).softmax(dim=1)


def _drift(name: str, ref: torch.Tensor, dist: torch.Tensor) -> dict[str, torch.Tensor]:
    return {f"{name}_ref": ref, f"{name}_dist": dist, f"{name}_drift": dist - ref}
