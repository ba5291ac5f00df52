"""Tokens of two pictures matched with each other regardless of their positions (torch).

Compared position by position, two pictures differ wherever something moved. Here every token is
matched with a similar one: anywhere (Chamfer), near its own position (window), or such that no
token is used twice (optimal transport). A shift or a small crop then costs little; content that
was lost or added still has no match.
"""

from __future__ import annotations

import torch
from torch.nn import functional as F

WINDOW = 1 / 8
"""Reach of the window in each direction as a share of the map's side, at least one position."""

TRANSPORT_SIDE = 8
"""Larger maps are averaged down to this side before transport, whose cost grows as side⁴."""

TEMPERATURE = 0.05
"""Entropic regularisation of the transport, in units of 1 − cosine."""

ROUNDS = 30
"""Number of Sinkhorn iterations; fixed to avoid waiting for a device to report convergence."""


def match(ref: torch.Tensor, dist: torch.Tensor, *, prefix: str = "") -> dict[str, torch.Tensor]:
    """How well two maps of vectors, float32 [n, d, H, W], can be matched; float64 [n] each.

    Only the directions of the vectors count, not their lengths.

    Returns
    -------
    dict[str, torch.Tensor]
        Each name follows the prefix.
        ``kept_mean``, ``kept_q05``: mean and 5 % quantile, over the positions of the reference, of
        the cosine with the most similar token anywhere in the degraded map (one side of the Chamfer
        distance, Barrow et al., IJCAI 1977): low for lost content. ``found_…``: the same from the
        degraded map to the reference: low for invented content. ``near_…``: from the reference,
        within a window reaching `WINDOW` of the map around the token's own position.
        ``transport``: Sinkhorn divergence with cost 1 − cosine and equal masses (Feydy et al.,
        AISTATS 2019, eq. 3), 0 for equal maps; the cost of moving the content of one picture to
        that of the other.
    """
    one, other = (F.normalize(maps.float(), dim=1) for maps in (ref, dist))
    with torch.autocast(one.device.type, enabled=False):
        values = {
            "kept": _best_anywhere(one, other),
            "found": _best_anywhere(other, one),
            "near": _best_nearby(one, other),
        }
        transport = _divergence(_tokens(_coarse(one)), _tokens(_coarse(other)))
    result = {f"{prefix}transport": transport}
    for name, best in values.items():
        result[f"{prefix}{name}_mean"] = best.mean(dim=1)
        result[f"{prefix}{name}_q05"] = best.quantile(0.05, dim=1)
    return result


def _tokens(maps: torch.Tensor) -> torch.Tensor:
    return maps.flatten(2).transpose(1, 2)


def _cosine(one: torch.Tensor, other: torch.Tensor, dim: int) -> torch.Tensor:
    """1 − ½|a − b|²: exactly 1 for equal unit vectors, unlike a sum of products."""
    return 1 - (one - other).square().sum(dim=dim).double() / 2


def _best_anywhere(queries: torch.Tensor, keys: torch.Tensor) -> torch.Tensor:
    """Cosine of every token with its most similar one in the other map: float64 [n, H·W]."""
    q, k = _tokens(queries), _tokens(keys)
    like = (q @ k.transpose(1, 2)).argmax(dim=2, keepdim=True)
    best = _cosine(q, k.gather(1, like.expand(-1, -1, k.shape[2])), dim=2)
    # Among nearly equal tokens, rounding may have picked one other than that at the same position.
    return torch.maximum(best, _cosine(q, k, dim=2))


def _best_nearby(queries: torch.Tensor, keys: torch.Tensor) -> torch.Tensor:
    """The same, restricted to the window: float64 [n, H·W]."""
    height, width = queries.shape[2:]
    reach = max(1, round(WINDOW * min(height, width)))
    padded = F.pad(keys, (reach,) * 4, mode="replicate")
    shifts = range(2 * reach + 1)
    cosines = [
        _cosine(queries, padded[:, :, y : y + height, x : x + width], dim=1)
        for y in shifts
        for x in shifts
    ]
    return torch.stack(cosines).amax(dim=0).flatten(1)


def _coarse(maps: torch.Tensor) -> torch.Tensor:
    height, width = maps.shape[2:]
    if max(height, width) <= TRANSPORT_SIDE:
        return maps
    size = min(height, TRANSPORT_SIDE), min(width, TRANSPORT_SIDE)
    return F.normalize(F.adaptive_avg_pool2d(maps, size), dim=1)


def _divergence(one: torch.Tensor, other: torch.Tensor) -> torch.Tensor:
    """Sinkhorn divergence of two sets of unit vectors [n, P, d]: float64 [n], at least 0."""
    sides = (one, other), (one, one), (other, other)
    costs = [1 - (a @ b.transpose(1, 2)).double() for a, b in sides]
    # Together, because on a GPU the many small steps cost the same for one as for three.
    both, own, others = _transport(torch.cat(costs) / TEMPERATURE).chunk(3)
    return (both - (own + others) / 2).clamp(min=0)


def _transport(cost: torch.Tensor) -> torch.Tensor:
    """Entropic transport with equal masses: dual value after `ROUNDS`, float64 [n] of [n, P, P]."""
    mass = -torch.log(torch.tensor(float(cost.shape[1]), dtype=torch.float64, device=cost.device))
    f = cost.new_zeros(cost.shape[:2])
    g = cost.new_zeros(cost.shape[:2])
    for _ in range(ROUNDS):
        # Averaged updates treat both sides alike: the divergence is symmetric up to rounding.
        new_f = -torch.logsumexp(g[:, None, :] - cost + mass, dim=2)
        new_g = -torch.logsumexp(f[:, :, None] - cost + mass, dim=1)
        f, g = (f + new_f) / 2, (g + new_g) / 2
    return TEMPERATURE * (f.mean(dim=1) + g.mean(dim=1))
