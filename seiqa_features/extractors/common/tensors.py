"""Tensor helpers shared by several families; imported inside their factories (torch)."""

from __future__ import annotations

from typing import Literal

import torch
from torch.nn import functional as F

PATCHES = 16  # a map is divided into 16×16 patches
GRID = 8  # and stored as an 8×8 thumbnail

_LUMA = (0.299, 0.587, 0.114)  # ITU-R BT.601


def luma(image: torch.Tensor) -> torch.Tensor:
    """BT.601 luma in 0..255, float32 [n, 1, H, W] of RGB 0..1 [n, 3, H, W].

    Added one by one, so that every device rounds it alike: half-way between two grey levels, the
    last bit decides.
    """
    red, green, blue = (image[:, i : i + 1] * weight for i, weight in enumerate(_LUMA))
    return (red + green + blue).mul(255)


def grey(image: torch.Tensor) -> torch.Tensor:
    """Luma rounded to whole steps of 0..255, float32 [n, 1, H, W] of RGB 0..1 [n, 3, H, W].

    The authors' MATLAB code works on 8-bit grey pictures; without the rounding, values for nearly
    equal pictures differ visibly from theirs.
    """
    return luma(image).round()


def patch_statistics(
    field: torch.Tensor, *, worst: Literal["low", "high"]
) -> dict[str, torch.Tensor]:
    """Patch statistics of similarity maps (low is worst) or difference maps (high is worst).

    Maps float [n, H, W] are averaged over a grid of 16×16 equal patches, so that a small local
    change shows in the quantiles and the worst patches whatever the size of the picture.

    Returns
    -------
    dict[str, torch.Tensor]
        Scalars [n] patch_std, patch_q25, patch_q50, patch_q75 and, counted from the worst end,
        patch_worst, patch_worst2 and patch_worst10 (mean of the worst 2 % and 10 % of patches), and
        the block grid [n, 64], the map as an 8×8 thumbnail in reading order.
    """
    field = wide(field[:, None])
    patches = F.adaptive_avg_pool2d(field, PATCHES).flatten(1)
    ordered = patches.sort(dim=1, descending=worst == "high").values
    quantiles = ordered.quantile(ordered.new_tensor([0.25, 0.5, 0.75]), dim=1)
    count = ordered.shape[1]
    return {
        "patch_std": deviation(patches, correction=0),
        "patch_q25": quantiles[0],
        "patch_q50": quantiles[1],
        "patch_q75": quantiles[2],
        "patch_worst": ordered[:, 0],
        "patch_worst2": ordered[:, : round(0.02 * count)].mean(dim=1),
        "patch_worst10": ordered[:, : round(0.10 * count)].mean(dim=1),
        "grid": F.adaptive_avg_pool2d(field, GRID).flatten(1),
    }


def wide(values: torch.Tensor) -> torch.Tensor:
    """In float64 on a CPU; unchanged on a GPU, many of which compute float64 64 times as slowly."""
    return values.double() if values.device.type == "cpu" else values


def deviation(values: torch.Tensor, *, correction: int = 1) -> torch.Tensor:
    """Standard deviation of each of n tensors, [n] of [n, …]."""
    if len(values) == 1:  # PyTorch sums a whole tensor more exactly than the rows of one
        return values.std(correction=correction)[None]
    return values.flatten(1).std(dim=1, correction=correction)
