"""Patch tokens of two pictures compared by position: cosine maps and their features (torch).

A vision transformer describes a picture by one token per patch. The map of cosines between the
tokens of two pictures shows where content changed; the attention of the class token shows which
positions matter.

Sums of products are used instead of matrix products, which autocast would round to 8 bits.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch.nn import functional as F

from seiqa_features.extractors.common.maps import map_statistics, worst_regions
from seiqa_features.extractors.common.matching import match
from seiqa_features.extractors.common.networks import Features, rows_of
from seiqa_features.extractors.common.tensors import GRID

MIDDLE_LAYERS = ("mid1", "mid2", "mid3")  # after a quarter, half and three quarters of the depth


def unit(vectors: torch.Tensor) -> torch.Tensor:
    """Vectors [..., d] scaled to length 1, float32."""
    return F.normalize(vectors.float(), dim=-1)


def cosine(one: torch.Tensor, other: torch.Tensor) -> torch.Tensor:
    """Cosine of unit vectors [..., d] as 1 − ½|a − b|², float64 [...].

    Equal vectors give exactly 1, and nearly equal ones keep their small difference, which would be
    lost to rounding in the sum of products.
    """
    return 1 - (one - other).square().sum(dim=-1).double() / 2


def compare(
    *,
    ref: Features,
    dist: Features,
    ref_index: torch.Tensor,
    matched: Sequence[str] = ("last",),
) -> dict[str, torch.Tensor]:
    """All token features of n pairs.

    Parameters
    ----------
    ref : Features
        "cls" [U, d], "mean" [U, d] (mean patch token), "last" and `MIDDLE_LAYERS` [U, P, d]
        (patch tokens in reading order, P a square number), all `unit`; and, if the network has
        a class token, "attention" [U, P], rows that sum to 1.
    dist : Features
        The same for the degraded images, [n, …].
    ref_index : torch.Tensor
        Int64 [n], the reference of each.
    matched : Sequence[str]
        Layers whose tokens are also matched with each other, regardless of position.

    Returns
    -------
    dict[str, torch.Tensor]
        float64 [n] by name, and "grid" float32 [n, 64], the last layer's map as an 8×8 thumbnail.
        patch_* and the region are from the last layer; outputs of `matching.match` are prefixed
        with the name of the matched layer; patch_gap is the cosine of the class tokens minus the
        mean of the patches. attention_cosine weights the patches by the mean attention of both
        pictures, ref_attention_cosine by that of the reference; attention_shift is the share of
        the attention that moved (total variation, 0..1).
    """
    if ref_index.device.type != "cpu":
        return _compare(rows_of(ref, ref_index), dist, matched)
    # One pair at a time, so that no sum depends on the number of pairs.
    index = enumerate(ref_index.tolist())
    pairs = [_compare(rows_of(ref, [r]), rows_of(dist, [i]), matched) for i, r in index]
    return {name: torch.cat([pair[name] for pair in pairs]) for name in pairs[0]}


def _compare(ref: Features, dist: Features, matched: Sequence[str]) -> dict[str, torch.Tensor]:
    """`compare` with one reference row per pair."""
    field = cosine(ref["last"], dist["last"])
    side = round(field.shape[1] ** 0.5)
    values = {f"patch_{name}": value for name, value in map_statistics(field).items()}
    values |= {
        "patch_gap": cosine(ref["cls"], dist["cls"]) - values["patch_mean"],
        "mean_token_cosine": cosine(ref["mean"], dist["mean"]),
        **worst_regions(field.view(-1, side, side)),
        "grid": F.adaptive_avg_pool2d(field.view(-1, 1, side, side), GRID).flatten(1).float(),
    }
    for layer in MIDDLE_LAYERS:
        middle = map_statistics(cosine(ref[layer], dist[layer]))
        values |= {f"{layer}_{name}": middle[name] for name in ("mean", "std", "q05")}
    for layer in matched:
        values |= match(_as_map(ref[layer], side), _as_map(dist[layer], side), prefix=f"{layer}_")
    if "attention" in ref:
        r, d = ref["attention"].double(), dist["attention"].double()
        values["attention_cosine"] = ((r + d) / 2 * field).sum(dim=1)
        values["ref_attention_cosine"] = (r * field).sum(dim=1)
        values["attention_shift"] = (r - d).abs().sum(dim=1) / 2
    return values


def _as_map(tokens: torch.Tensor, side: int) -> torch.Tensor:
    """Tokens [n, P, d] as a map [n, d, side, side]."""
    count, _, width = tokens.shape
    return tokens.transpose(1, 2).reshape(count, width, side, side)
