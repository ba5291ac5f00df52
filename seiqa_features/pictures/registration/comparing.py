"""How alike a reference and a degraded picture are once a map is undone."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from seiqa_features.pictures.registration.bends import Bend
from seiqa_features.pictures.registration.maps import Affine, Grey, Mask
from seiqa_features.pictures.registration.warps import warp
from seiqa_features.pictures.registration.windows import both_show

FLAT = 1e-4
"""Standard deviation of luma in 0..1 below which a picture cannot be aligned."""


def reduced(ref: Grey, dist: Grey, side: int) -> tuple[Grey, Grey, NDArray[np.float64]]:
    """Both pictures, no longer than that, and by what their width and height were multiplied."""
    import cv2

    height, width = ref.shape
    scale = min(1.0, side / max(height, width))
    size = max(2, round(width * scale)), max(2, round(height * scale))
    one, other = (
        np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), dtype=np.float32)
        for image in (ref, dist)
    )
    return one, other, np.array([size[0] / width, size[1] / height])


def correlation(
    one: Grey, other: Grey, matrix: Affine, core: Mask | None, bend: Bend | None = None
) -> float:
    """Correlation of what both show; 1 if both are flat and equal, 0 if one is flat."""
    shown = both_show(matrix, one.shape, core, bend)
    if shown.sum() < 0.5 * (one.size if core is None else core.sum()):
        return -1.0
    a, b = (values[shown].astype(np.float64) for values in (one, warp(other, matrix, None, bend)))
    if min(a.std(), b.std()) < FLAT:
        return float(np.array_equal(one, other))
    return float(np.mean((a - a.mean()) * (b - b.mean())) / (a.std() * b.std()))
