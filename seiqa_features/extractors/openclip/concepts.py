"""What two pictures show, told by their similarity to texts; imported inside factories (torch).

Everything goes element by element or row by row: a pair's values are the same to the bit whatever
else is in the batch.
"""

from __future__ import annotations

import math

import torch

from seiqa_features.extractors.openclip.prompts import ANCHORS

TOP = (1, 5, 10)


def text_values(*, ref: torch.Tensor, dist: torch.Tensor, scale: float) -> dict[str, torch.Tensor]:
    """Anchors and concept drift of n pairs.

    Parameters
    ----------
    ref : torch.Tensor
        Cosines of the reference with `prompts.texts()`, float64 [n, texts].
    dist : torch.Tensor
        Those of the degraded image.
    scale : float
        What the model multiplies cosines by before a softmax.

    Returns
    -------
    dict[str, torch.Tensor]
        Scalars float64 [n]; those of `anchor_values` and of `concept_drift`.
    """
    n = len(ANCHORS)
    return {
        **anchor_values(ref=ref[:, :n], dist=dist[:, :n], scale=scale),
        **concept_drift(ref=_softmax(ref[:, n:], scale), dist=_softmax(dist[:, n:], scale)),
    }


def anchor_values(
    *, ref: torch.Tensor, dist: torch.Tensor, scale: float
) -> dict[str, torch.Tensor]:
    """How good the two pictures look, from cosines with the anchors, float64 [n, 2].

    Returns
    -------
    dict[str, torch.Tensor]
        `<what>_ref`, `<what>_dist` and their difference `<what>_drift` for the cosines good and
        bad (-1..1) and for quality (0..1), the probability of good when those two are the choice
        (as in CLIP-IQA, Wang et al., AAAI 2023).
    """
    values: dict[str, torch.Tensor] = {}
    for i, anchor in enumerate(ANCHORS):
        values |= _drift(anchor, ref[:, i], dist[:, i])
    return values | _drift("quality", _softmax(ref, scale)[:, 0], _softmax(dist, scale)[:, 0])


def concept_drift(*, ref: torch.Tensor, dist: torch.Tensor) -> dict[str, torch.Tensor]:
    """How the distribution over concepts changes, float64 [n, concepts], rows that sum to 1.

    Returns
    -------
    dict[str, torch.Tensor]
        concept_jsd: Jensen-Shannon divergence to base 2, 0..1 (Lin, IEEE TIT 37(1), 1991).
        concept_top1, concept_top5, concept_top10: share of the reference's most probable concepts
            that are among those of the degraded image, 0..1.
        concept_top_change: change of the probability of the reference's top concept, -1..1.
        concept_entropy_change: change of the entropy, in bits.
    """
    plogp_ref, plogp_dist = torch.xlogy(ref, ref), torch.xlogy(dist, dist)
    middle = (ref + dist) / 2
    # Each term is at least 0 by convexity, and exactly 0 where the two are equal.
    terms = (plogp_ref + plogp_dist) / 2 - torch.xlogy(middle, middle)
    top = ref.argmax(dim=1, keepdim=True)
    return {
        "concept_jsd": terms.sum(dim=1).div(math.log(2)).clamp(0, 1),
        **{f"concept_top{k}": _overlap(ref, dist, k) for k in TOP},
        "concept_top_change": (dist - ref).gather(1, top)[:, 0],
        "concept_entropy_change": (plogp_ref.sum(dim=1) - plogp_dist.sum(dim=1)) / math.log(2),
    }


def _softmax(cosines: torch.Tensor, scale: float) -> torch.Tensor:
    return (scale * cosines).softmax(dim=1)


def _drift(name: str, ref: torch.Tensor, dist: torch.Tensor) -> dict[str, torch.Tensor]:
    return {f"{name}_ref": ref, f"{name}_dist": dist, f"{name}_drift": dist - ref}


def _overlap(ref: torch.Tensor, dist: torch.Tensor, k: int) -> torch.Tensor:
    mine, theirs = (p.topk(k, dim=1).indices for p in (ref, dist))
    return (mine[:, :, None] == theirs[:, None, :]).sum(dim=(1, 2)).double() / k
