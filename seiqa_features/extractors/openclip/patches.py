"""Patch tokens of open_clip's image towers, at several depths (torch)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from open_clip.model import CLIP, CustomTextCLIP
from open_clip.timm_model import TimmModel
from open_clip.transformer import VisionTransformer

from seiqa_features.extractors.common.tokens import MIDDLE_LAYERS, unit

MATCHED = ("mid2", "last")
"""Layers whose tokens are matched. In CLIP's last layer they describe the whole picture more than
their own position, so the layer at half the depth is used as well."""


def has_patches(network: Any) -> bool:
    """Whether the image tower of an open_clip network is a vision transformer.

    CoCa's is excluded: its embedding is computed on a different path from its tokens.
    """
    return type(network) in (CLIP, CustomTextCLIP) and len(_blocks(network.visual)) >= 4


def _blocks(tower: Any) -> Any:
    if isinstance(tower, VisionTransformer):
        return tower.transformer.resblocks
    return getattr(tower.trunk, "blocks", ()) if isinstance(tower, TimmModel) else ()


def reader(network: Any) -> Callable[[torch.Tensor], dict[str, torch.Tensor]]:
    """The function that computes the inputs of `tokens.compare` from normalised [n, 3, H, W].

    A single pass also gives "image" float32 [n, d], bit-identical to `encode_image`. The norm after
    the last layer is applied to the middle layers too.
    """
    tower = network.visual
    depth = len(_blocks(tower))
    layers = [depth * quarters // 4 - 1 for quarters in (1, 2, 3, 4)]

    def read(images: torch.Tensor) -> dict[str, torch.Tensor]:
        found = tower.forward_intermediates(
            images, indices=layers, normalize_intermediates=True, output_fmt="NLC"
        )
        image, tokens = found["image_features"], found["image_intermediates"]
        features = dict(zip((*MIDDLE_LAYERS, "last"), map(unit, tokens), strict=True))
        mean = unit(tokens[-1].float().mean(dim=1))
        return {**features, "mean": mean, "cls": unit(image), "image": image.float()}

    return read
