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
    rows = [_worst_region(field) for field in fields.detach().cpu().numpy()]
    columns = fields.new_tensor(rows).T
    return dict(zip(("region_cosine", "region_share", "region_deficit"), columns, strict=True))


def _worst_region(field: NDArray[np.float64]) -> tuple[float, float, float]:
    median, lowest = np.median(field), field.min()
    if median - lowest <= EVEN:
        return float(lowest), 0.0, 0.0
    labels, count = ndimage.label(field < (median + lowest) / 2)
    deficits = ndimage.sum_labels(1 - field, labels, np.arange(1, count + 1))
    worst = labels == 1 + np.argmax(deficits)
    return float(field[worst].mean()), float(worst.mean()), float(deficits.max() / field.size)
