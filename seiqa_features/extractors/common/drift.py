"""How a distribution over concepts or classes changes between two pictures (torch).

All operations are row by row: a pair's values are bit-identical whatever else is in the batch.
"""

from __future__ import annotations

import math

import torch

from seiqa_features.extractors.common.outputs import TOP


def distribution_drift(
    prefix: str, *, ref: torch.Tensor, dist: torch.Tensor
) -> dict[str, torch.Tensor]:
    """Change between two distributions float64 [n, k], whose rows sum to 1.

    Returns
    -------
    dict[str, torch.Tensor]
        Float64 [n] each, with names after ``<prefix>_``:

        - jsd: Jensen-Shannon divergence to base 2, 0..1 (Lin, IEEE TIT 37(1), 1991).
        - top1, top5, top10: share of the reference's most probable entries that are also among
          the most probable ones of the degraded image, 0..1.
        - top_change: change in probability of the reference's most probable entry, -1..1.
        - entropy_change: change in entropy, in bits.
    """
    plogp_ref, plogp_dist = torch.xlogy(ref, ref), torch.xlogy(dist, dist)
    middle = (ref + dist) / 2
    # Each term is at least 0 by convexity, and exactly 0 if the two are equal.
    terms = (plogp_ref + plogp_dist) / 2 - torch.xlogy(middle, middle)
    top = ref.argmax(dim=1, keepdim=True)
    return {
        f"{prefix}_jsd": terms.sum(dim=1).div(math.log(2)).clamp(0, 1),
        **{f"{prefix}_top{k}": _overlap(ref, dist, k) for k in TOP},
        f"{prefix}_top_change": (dist - ref).gather(1, top)[:, 0],
        f"{prefix}_entropy_change": (plogp_ref.sum(dim=1) - plogp_dist.sum(dim=1)) / math.log(2),
    }


def _overlap(ref: torch.Tensor, dist: torch.Tensor, k: int) -> torch.Tensor:
    mine, theirs = (p.topk(k, dim=1).indices for p in (ref, dist))
    return (mine[:, :, None] == theirs[:, None, :]).sum(dim=(1, 2)).double() / k
