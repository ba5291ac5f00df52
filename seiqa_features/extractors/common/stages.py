"""Maps of two pictures at each stage of a convolutional network, compared by position (torch)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch.nn import functional as F

from seiqa_features.extractors.common.drift import distribution_drift
from seiqa_features.extractors.common.matching import match
from seiqa_features.extractors.common.outputs import deepest

Features = Mapping[str, torch.Tensor]


def named(stages: Sequence[torch.Tensor], last: torch.Tensor) -> dict[str, torch.Tensor]:
    """A network's maps [n, d, h, w] by name, float32.

    "stage1", "stage2", … for those of its stages, and "head" for its final map, if its shape
    differs from that of the last stage.
    """
    maps = {f"stage{number}": stage for number, stage in enumerate(stages, start=1)}
    if last.shape != stages[-1].shape:
        maps["head"] = last
    return {name: values.float() for name, values in maps.items()}


def compare(
    *, ref: Features, dist: Features, ref_index: torch.Tensor, stages: Sequence[str]
) -> dict[str, torch.Tensor]:
    """All map features of n pairs.

    Parameters
    ----------
    ref : Features
        For each of the stages a map float32 [U, d, h, w]; and, if the network has a classifier,
        "classes" float64 [U, k], probabilities.
    dist : Features
        The same for the degraded images, [n, …].
    ref_index : torch.Tensor
        Int64 [n], the reference of each.
    stages : Sequence[str]
        Maps that are compared by position, in order; the `deepest` are also matched.

    Returns
    -------
    dict[str, torch.Tensor]
        float64 [n] by name, from `compare_maps`, `matching.match` and `distribution_drift`.
    """
    # On a CPU one pair at a time, so that no sum depends on the number of pairs.
    rows = range(len(ref_index)) if ref_index.device.type == "cpu" else [slice(None)]
    parts = [_compare(_take(ref, ref_index[i]), _take(dist, i), stages) for i in rows]
    return {name: torch.cat([part[name] for part in parts]) for name in parts[0]}


def _take(features: Features, index: Any) -> dict[str, torch.Tensor]:
    def rows(values: torch.Tensor) -> torch.Tensor:
        picked = values[index]
        return picked if picked.ndim == values.ndim else picked[None]

    return {name: rows(values) for name, values in features.items()}


def _compare(ref: Features, dist: Features, stages: Sequence[str]) -> dict[str, torch.Tensor]:
    """`compare` with one reference row per pair."""
    values: dict[str, torch.Tensor] = {}
    for name in stages:
        values |= compare_maps(name, ref[name], dist[name])
    for name in deepest(stages):
        values |= match(ref[name], dist[name], prefix=f"{name}_")
    if "classes" in ref:
        values |= distribution_drift("class", ref=ref["classes"], dist=dist["classes"])
    return values


def compare_maps(name: str, ref: torch.Tensor, dist: torch.Tensor) -> dict[str, torch.Tensor]:
    """Compare the maps float32 [n, d, h, w] of one stage for n pairs: float64 [n] each.

    Returns
    -------
    dict[str, torch.Tensor]
        ``<name>_mean`` and ``<name>_q05``: mean and 5 % quantile over positions of the cosine
        between the channel vectors of the two pictures; ``<name>_pooled``: cosine of the means of
        the maps; ``<name>_distance``: ‖r − d‖ / (‖r‖ + ‖d‖) over all positions and channels, 0..1.
    """
    local = cosine(ref, dist).flatten(1)
    r, d = ref.double().flatten(1), dist.double().flatten(1)
    length = (r.norm(dim=1) + d.norm(dim=1)).clamp(min=torch.finfo(torch.float64).tiny)
    return {
        f"{name}_mean": local.mean(dim=1),
        f"{name}_q05": local.quantile(0.05, dim=1),
        f"{name}_pooled": cosine(ref.mean(dim=(2, 3)), dist.mean(dim=(2, 3))),
        f"{name}_distance": (r - d).norm(dim=1) / length,
    }


def cosine(one: torch.Tensor, other: torch.Tensor) -> torch.Tensor:
    """Cosine of maps [n, C, H, W] along the channels, float64 [n, H, W].

    It is computed as 1 − ½|a − b|² of the unit vectors, exactly 1 for equal ones.
    """
    difference = F.normalize(one.float(), dim=1) - F.normalize(other.float(), dim=1)
    return 1 - difference.square().sum(dim=1).double() / 2
