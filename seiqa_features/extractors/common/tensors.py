"""Tensor helpers shared by several families; imported inside their factories (torch)."""

from __future__ import annotations

from typing import Literal

import torch
from torch.nn import functional as F

PATCHES = 16  # a map is divided into 16×16 patches
GRID = 8  # and stored as an 8×8 thumbnail

_LUMA = (0.299, 0.587, 0.114)  # ITU-R BT.601


def luma(image: torch.Tensor) -> torch.Tensor:
    """BT.601 luma in 0..255, float32 [n, 1, H, W] of RGB 0..1 [n, 3, H, W]."""
    weights = image.new_tensor(_LUMA).view(1, 3, 1, 1)
    return (image * weights).sum(dim=1, keepdim=True).mul(255)


def grey(image: torch.Tensor) -> torch.Tensor:
    """Luma rounded to whole steps of 0..255, float32 [n, 1, H, W] of RGB 0..1 [n, 3, H, W].

    The authors' MATLAB code works on 8-bit grey pictures; without the rounding, values for nearly
    equal pictures differ visibly from theirs.
    """
    return luma(image).round()


def patch_statistics(
    field: torch.Tensor, *, worst: Literal["low", "high"]
) -> dict[str, torch.Tensor]:
    """Patch statistics of a similarity map (low is worst) or difference map (high is worst).

    A map float [H, W] is averaged over a grid of 16×16 equal patches, so that a small local change
    shows in the quantiles and the worst patches whatever the size of the picture.

    Returns
    -------
    dict[str, torch.Tensor]
        Scalars patch_std, patch_q25, patch_q50, patch_q75 and, counted from the worst end,
        patch_worst, patch_worst2 and patch_worst10 (mean of the worst 2 % and 10 % of patches), and
        the block grid [64], the map as an 8×8 thumbnail in reading order.
    """
    field = field[None, None].double()
    patches = F.adaptive_avg_pool2d(field, PATCHES).flatten()
    ordered = patches.sort(descending=worst == "high").values
    quantiles = ordered.quantile(torch.tensor([0.25, 0.5, 0.75], dtype=torch.float64))
    count = len(ordered)
    return {
        "patch_std": patches.std(correction=0),
        "patch_q25": quantiles[0],
        "patch_q50": quantiles[1],
        "patch_q75": quantiles[2],
        "patch_worst": ordered[0],
        "patch_worst2": ordered[: round(0.02 * count)].mean(),
        "patch_worst10": ordered[: round(0.10 * count)].mean(),
        "grid": F.adaptive_avg_pool2d(field, GRID).flatten().float(),
    }


def stack(rows: list[dict[str, torch.Tensor]]) -> dict[str, torch.Tensor]:
    """One mapping per pair → one mapping of tensors with a leading batch dimension."""
    return {name: torch.stack([row[name] for row in rows]) for name in rows[0]}
