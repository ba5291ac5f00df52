"""Summaries of a cosine map: its statistics and its worst connected region (torch)."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage

EVEN = 1e-4
"""A map has no worst region if its median exceeds its minimum by no more than this."""

SPREAD_FLOOR = 1e-4
"""Standard deviation below which skewness and kurtosis fade to 0: only rounding noise is left."""


def map_statistics(field: torch.Tensor) -> dict[str, torch.Tensor]:
    """Statistics of each map float64 [n, P]: float64 [n] by name.

    mean, std, min, skewness m₃/s³ and kurtosis m₄/s⁴ with s² = σ² + `SPREAD_FLOOR`² (both 0 for an
    even map; 0 and 3 for a normal distribution), and the quantiles q01, q05, q10 and q25.
    """
    mean = field.mean(dim=1)
    deviation = field - mean[:, None]
    variance = deviation.square().mean(dim=1)
    floored = variance + SPREAD_FLOOR**2
    quantiles = field.quantile(field.new_tensor([0.01, 0.05, 0.10, 0.25]), dim=1)
    return {
        "mean": mean,
        "std": variance.sqrt(),
        "min": field.amin(dim=1),
        "skewness": deviation.pow(3).mean(dim=1) / floored.pow(1.5),
        "kurtosis": deviation.pow(4).mean(dim=1) / floored.square(),
        **dict(zip(("q01", "q05", "q10", "q25"), quantiles, strict=True)),
    }


def worst_regions(fields: torch.Tensor) -> dict[str, torch.Tensor]:
    """The worst connected region of each cosine map float64 [n, side, side].

    Patches below the midpoint between the map's median and its minimum are joined if they share
    an edge; the worst of these regions has the largest deficit, the sum of 1 − cosine over it.

    Returns
    -------
    dict[str, torch.Tensor]
        float64 [n] each: region_cosine, its mean cosine; region_share, its share of the patches;
        region_deficit, its deficit divided by the number of patches. An even map (see `EVEN`) has
        no region: the values are its minimum, 0 and 0.
    """
    if fields.device.type == "cpu":
        columns = fields.new_tensor([_worst_region(field) for field in fields.detach().numpy()]).T
    else:
        columns = worst_regions_at_once(fields.detach())
    return dict(zip(("region_cosine", "region_share", "region_deficit"), columns, strict=True))


def _worst_region(field: NDArray[np.float64]) -> tuple[float, float, float]:
    median, lowest = np.median(field), field.min()
    if median - lowest <= EVEN:
        return float(lowest), 0.0, 0.0
    labels, count = ndimage.label(field < (median + lowest) / 2)
    deficits = ndimage.sum_labels(1 - field, labels, np.arange(1, count + 1))
    worst = labels == 1 + np.argmax(deficits)
    return float(field[worst].mean()), float(worst.mean()), float(deficits.max() / field.size)


def worst_regions_at_once(fields: torch.Tensor) -> torch.Tensor:
    """The same three values, [3, n], from matrix products alone: a GPU need not be waited for.

    The patches connected to each other are found by squaring the matrix of neighbours.
    """
    side = fields.shape[1]
    flat = fields.flatten(1)
    ordered, count = flat.sort(dim=1).values, side**2
    median = (ordered[:, (count - 1) // 2] + ordered[:, count // 2]) / 2
    lowest = ordered[:, 0]
    low = flat < ((median + lowest) / 2)[:, None]
    place = torch.arange(count, device=fields.device)
    row, column = place // side, place % side
    steps = (row[:, None] - row).abs() + (column[:, None] - column).abs()
    joined = ((steps <= 1) & low[:, :, None] & low[:, None, :]).half()
    for _ in range(count.bit_length()):  # after k rounds, paths of 2ᵏ steps
        joined = (joined @ joined).clamp(max=1).half()
    label = joined.argmax(dim=2)  # the first patch of the region
    deficits = torch.zeros_like(flat).scatter_add(1, label, torch.where(low, 1 - flat, 0))
    worst = low & (label == deficits.argmax(dim=1, keepdim=True))
    size = worst.sum(dim=1).to(fields)
    cosine = torch.where(worst, flat, 0).sum(dim=1) / size
    even = median - lowest <= EVEN
    return torch.stack(
        [
            torch.where(even, lowest, cosine),
            torch.where(even, 0, size / count),
            torch.where(even, 0, deficits.amax(dim=1) / count),
        ]
    )
