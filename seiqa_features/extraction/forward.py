"""One block on prepared views: pixels to the device, the extractor's call, values back, pooled."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from seiqa_features.extractors.specs import Extract
from seiqa_features.table.pooling import pool
from seiqa_features.table.recipe import Block

if TYPE_CHECKING:
    import torch

Crops = NDArray[np.uint8]
"""A picture in a view, uint8 [K, 3, H, W]; K > 1 for a grid."""

Rows = Mapping[str, NDArray[np.floating]]
"""Output name → float64 [B] or float32 [B, d]."""


def forward(
    block: Block,
    work: Extract,
    *,
    ref: Sequence[Crops],
    dist: Sequence[Crops],
    ref_index: Sequence[int],
    device: str = "cpu",
) -> Rows:
    """Values of a batch of pairs whose views all have one shape.

    Parameters
    ----------
    ref : Sequence[Crops]
        The batch's unique references.
    dist : Sequence[Crops]
        Degraded pictures, B of them.
    ref_index : Sequence[int]
        Which reference each belongs to.
    """
    import torch

    count, height = len(dist[0]), min(dist[0].shape[2:])
    if height < block.spec.min_side:
        return {
            name: np.full((len(dist), output.dim) if output.dim else len(dist), np.nan)
            for name, output in block.outputs.items()
        }
    crop_index = [r * count + k for r in ref_index for k in range(count)]
    with torch.inference_mode(), _arithmetic(block, device):
        values = work(
            ref=_to_device(ref, device),
            dist=_to_device(dist, device),
            ref_index=torch.tensor(crop_index, device=device),
        )
        found = {name: values[name].cpu().numpy() for name in block.spec.outputs}
    if block.view.kind != "grid":
        return found
    pairs = range(0, len(dist) * count, count)
    pooled = [
        pool({name: v[i : i + count] for name, v in found.items()}, block.spec.outputs)
        for i in pairs
    ]
    return {name: np.stack([row[name] for row in pooled]) for name in block.outputs}


def _to_device(pictures: Iterable[Crops], device: str) -> torch.Tensor:
    """float32 [n, 3, H, W] in 0..1; bytes are transferred and become floats on the device."""
    import torch

    pixels = torch.from_numpy(np.concatenate(list(pictures)))
    if device != "cpu":
        pixels = pixels.pin_memory().to(device, non_blocking=True)
    return pixels.float().div_(255)


def _arithmetic(block: Block, device: str) -> AbstractContextManager[object]:
    import torch

    if block.dtype != "float32":
        return torch.autocast(torch.device(device).type, getattr(torch, block.dtype))
    if device == "cpu":
        return nullcontext()
    # By default cuDNN rounds float32 to TF32, which has 10 bits.
    return torch.backends.cudnn.flags(enabled=True, deterministic=True, allow_tf32=False)
