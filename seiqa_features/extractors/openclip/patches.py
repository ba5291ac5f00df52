"""Patch tokens of open_clip's vision transformers, at several depths (torch)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from open_clip.coca_model import CoCa
from open_clip.timm_model import TimmModel
from open_clip.transformer import VisionTransformer
from torch.nn import functional as F

from seiqa_features.extractors.common.tokens import MIDDLE_LAYERS, unit

MATCHED = ("mid2", "last")
"""Layers whose tokens are matched. In CLIP's last layer they describe the whole picture more than
their own position, so the layer at half the depth is used as well."""


def has_patches(network: Any) -> bool:
    """Whether the image tower of an open_clip network is a vision transformer."""
    return len(_blocks(network.visual)) >= 4


def _blocks(tower: Any) -> Any:
    if isinstance(tower, VisionTransformer):
        return tower.transformer.resblocks
    if isinstance(tower, TimmModel) and hasattr(tower.trunk, "num_prefix_tokens"):
        return tower.trunk.blocks
    return ()


def reader(network: Any) -> Callable[[torch.Tensor], dict[str, torch.Tensor]]:
    """The function that computes the inputs of `tokens.compare` from normalised [n, 3, H, W].

    A single pass also gives "image" float32 [n, d], bit-identical to `encode_image`. The norm after
    the last layer is applied to the middle layers too. In CoCa's tower this is the norm through
    which its pooler sees the tokens; the tower's own norm comes after the pooler.
    """
    tower = network.visual
    pooler = getattr(tower, "attn_pool", None)
    depth = len(_blocks(tower))
    layers = [depth * quarters // 4 - 1 for quarters in (1, 2, 3, 4)]

    def read(images: torch.Tensor) -> dict[str, torch.Tensor]:
        found = tower.forward_intermediates(
            images, indices=layers, normalize_intermediates=pooler is None, output_fmt="NLC"
        )
        image, tokens = found["image_features"], found["image_intermediates"]
        if pooler is not None:
            tokens = [pooler.ln_k(layer) for layer in tokens]
        if isinstance(network, CoCa):  # whose `encode_image` normalises
            image = F.normalize(image, dim=-1)
        features = dict(zip((*MIDDLE_LAYERS, "last"), map(unit, tokens), strict=True))
        mean = unit(tokens[-1].float().mean(dim=1))
        return {**features, "mean": mean, "cls": unit(image), "image": image.float()}

    return read
