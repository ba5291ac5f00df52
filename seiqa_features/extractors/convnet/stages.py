"""Maps of a convolutional network of timm, and the extractor function based on them (torch)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch

from seiqa_features.extractors.common.networks import encode_both
from seiqa_features.extractors.common.stages import Features, compare, cosine, named


def encoder(network: Any, device: str) -> Callable[[torch.Tensor], dict[str, torch.Tensor]]:
    """The function that computes the inputs of `StageWork` from RGB 0..1, float32 [n, 3, H, W].

    Its result has the maps of `named`, "embedding" [n, d], the input of the classifier, and if
    there is a classifier "classes" float64 [n, k], probabilities.

    Parameters
    ----------
    network : timm model, or a compatible one
        With ``forward_intermediates``.
    """
    config = network.pretrained_cfg
    mean, std = (torch.tensor(config[key], device=device).view(3, 1, 1) for key in ("mean", "std"))

    def encode(images: torch.Tensor) -> dict[str, torch.Tensor]:
        last, stages = network.forward_intermediates((images - mean) / std)
        found = named(stages, last)
        found["embedding"] = network.forward_head(last, pre_logits=True).float()
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
        Maps that are compared, in order.
    """

    encode: Callable[[torch.Tensor], Features]
    stages: tuple[str, ...]

    def __call__(
        self, *, ref: torch.Tensor, dist: torch.Tensor, ref_index: torch.Tensor
    ) -> dict[str, torch.Tensor]:
        """All map features of the pairs, and the embeddings of both pictures."""
        refs, dists = encode_both(self.encode, ref=ref, dist=dist)
        return {
            **compare(ref=refs, dist=dists, ref_index=ref_index, stages=self.stages),
            "embedding_ref": refs["embedding"][ref_index],
            "embedding_dist": dists["embedding"],
        }

    def cosine_map(self, *, ref: torch.Tensor, dist: torch.Tensor) -> torch.Tensor:
        """Local cosines of the last compared stage of one pair [1, 3, H, W]: float64 [h, w]."""
        refs, dists = encode_both(self.encode, ref=ref, dist=dist)
        return cosine(refs[self.stages[-1]], dists[self.stages[-1]])[0]
