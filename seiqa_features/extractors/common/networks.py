"""Code shared by extractors with a pretrained network; imported inside factories (torch)."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch

Features = Mapping[str, torch.Tensor]


def encode_both(
    encode: Callable[[torch.Tensor], Features], *, ref: torch.Tensor, dist: torch.Tensor
) -> tuple[dict[str, torch.Tensor], dict[str, torch.Tensor]]:
    """Features of references [U, …] and degraded images [B, …], each picture encoded once.

    On a GPU both are encoded in one batch. On a CPU every picture is encoded separately, because
    the rounding of matrix products there depends on the batch size, and the values of a pair must
    not depend on its neighbours.
    """
    images = torch.cat([ref, dist])
    if images.device.type == "cpu":
        single = [encode(image[None]) for image in images]
        whole = {name: torch.cat([features[name] for features in single]) for name in single[0]}
    else:
        whole = dict(encode(images.contiguous(memory_format=torch.channels_last)))
    u = len(ref)
    return rows_of(whole, slice(u)), rows_of(whole, slice(u, None))


def rows_of(features: Features, which: torch.Tensor | list[int] | slice) -> dict[str, torch.Tensor]:
    """The features of some pictures, by their positions."""
    return {name: values[which] for name, values in features.items()}
