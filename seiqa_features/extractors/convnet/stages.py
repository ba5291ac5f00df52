"""Comparison of two pictures by a convolutional network: at each stage, and by class (torch)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch.nn import functional as F

from seiqa_features.extractors.common.drift import distribution_drift
from seiqa_features.extractors.common.matching import match
from seiqa_features.extractors.common.networks import encode_both

Features = Mapping[str, torch.Tensor]


def encoder(
    network: Any, names: Sequence[str], device: str
) -> Callable[[torch.Tensor], dict[str, torch.Tensor]]:
    """The function that computes the inputs of `StageWork` from RGB 0..1, float32 [n, 3, H, W].

    Its result has a map float32 [n, d, h, w] for each stage, "embedding" [n, d], the input of the
    classifier, and if there is a classifier "classes" float64 [n, k], probabilities.

    Parameters
    ----------
    network : timm model, or a compatible one
        With ``forward_intermediates``.
    names : sequence of str
        Names of its stages in order, followed by that of its final map, which is left out if it
        equals the last stage.
    """
    config = network.pretrained_cfg
    mean, std = (torch.tensor(config[key], device=device).view(3, 1, 1) for key in ("mean", "std"))

    def encode(images: torch.Tensor) -> dict[str, torch.Tensor]:
        last, stages = network.forward_intermediates((images - mean) / std)
        features = dict(zip(names, [*stages, last], strict=False))
        embedding = network.forward_head(last, pre_logits=True)
        found = {name: maps.float() for name, maps in features.items()}
        found["embedding"] = embedding.float()
        if network.num_classes:
            found["classes"] = network.forward_head(last).double().softmax(dim=1)
        return found

    return encode


@dataclass(frozen=True)
class StageWork:
    """The extractor function.

    Attributes
    ----------
    encode : callable
        See `encoder`.
    stages : tuple of str
        Maps that are compared by position.
    matched : tuple of str
        Maps whose positions are also matched with each other.
    """

    encode: Callable[[torch.Tensor], Features]
    stages: tuple[str, ...]
    matched: tuple[str, ...]

    def __call__(
        self, *, ref: torch.Tensor, dist: torch.Tensor, ref_index: torch.Tensor
    ) -> dict[str, torch.Tensor]:
        """All map features of the pairs."""
        refs, dists = encode_both(self.encode, ref=ref, dist=dist)
        # On a CPU one pair at a time, so that no sum depends on the number of pairs.
        rows = range(len(dist)) if ref.device.type == "cpu" else [slice(None)]
        parts = [self._compare(_take(refs, ref_index[i]), _take(dists, i)) for i in rows]
        values = {name: torch.cat([part[name] for part in parts]) for name in parts[0]}
        return {
            **values,
            "embedding_ref": refs["embedding"][ref_index],
            "embedding_dist": dists["embedding"],
        }

    def cosine_map(self, *, ref: torch.Tensor, dist: torch.Tensor) -> torch.Tensor:
        """Local cosines of the last compared stage of one pair [1, 3, H, W]: float64 [h, w]."""
        refs, dists = encode_both(self.encode, ref=ref, dist=dist)
        return cosine(refs[self.stages[-1]], dists[self.stages[-1]])[0]

    def _compare(self, ref: Features, dist: Features) -> dict[str, torch.Tensor]:
        values: dict[str, torch.Tensor] = {}
        for name in self.stages:
            values |= compare_maps(name, ref[name], dist[name])
        for name in self.matched:
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
    """Cosine along dimension 1, the channels, float64; exactly 1 for equal vectors.

    It is computed as 1 − ½|a − b|² of the unit vectors.
    """
    difference = F.normalize(one.float(), dim=1) - F.normalize(other.float(), dim=1)
    return 1 - difference.square().sum(dim=1).double() / 2


def _take(features: Features, index: Any) -> dict[str, torch.Tensor]:
    def rows(values: torch.Tensor) -> torch.Tensor:
        picked = values[index]
        return picked if picked.ndim == values.ndim else picked[None]

    return {name: rows(values) for name, values in features.items()}
