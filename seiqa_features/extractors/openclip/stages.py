"""Maps of open_clip's convolutional image towers, one for each stage (torch)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from open_clip.timm_model import TimmModel

from seiqa_features.extractors.common.stages import named


def reader(network: Any) -> Callable[[torch.Tensor], dict[str, torch.Tensor]]:
    """The function that computes the inputs of `stages.compare` from normalised [n, 3, H, W].

    A single pass also gives "image" float32 [n, d], bit-identical to `encode_image`. The stem of a
    `ModifiedResNet` counts as its first stage, as that of a ResNet does in timm.
    """
    tower = network.visual
    run = _timm if isinstance(tower, TimmModel) else _resnet

    def read(images: torch.Tensor) -> dict[str, torch.Tensor]:
        stages, last, image = run(tower, images)
        return {**named(stages, last), "image": image.float()}

    return read


def _timm(
    tower: TimmModel, images: torch.Tensor
) -> tuple[Sequence[torch.Tensor], torch.Tensor, torch.Tensor]:
    """Maps of the stages, final map and embedding; the tower's own method drops the final map."""
    last, stages = tower.trunk.forward_intermediates(images)
    return stages, last, tower.head(tower.trunk.forward_head(last))


def _resnet(
    tower: Any, images: torch.Tensor
) -> tuple[Sequence[torch.Tensor], torch.Tensor, torch.Tensor]:
    """The same; the map of its last stage is the final one."""
    found = tower.forward_intermediates(images)
    stages = found["image_intermediates"]
    return stages, stages[-1], found["image_features"]


def names_of(network: Any, images: torch.Tensor) -> tuple[str, ...]:
    """Names of the maps, in order; the pictures [n, 3, H, W] may be on the meta device."""
    return tuple(name for name in reader(network)(images) if name != "image")
