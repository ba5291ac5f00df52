"""Metrics whose maps we need: SSIM, MS-SSIM and GMSD with per-patch statistics.

The libraries return only the mean. The definitions are those of the papers; the tests compare every
value with the authors' numbers and with pyiqa. The filter responses of a reference are computed
once for all its degraded versions; the Gaussian window is applied as two one-dimensional passes.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

from seiqa_features.extractors.registry import extractor
from seiqa_features.extractors.specs import (
    DISTANCE,
    SIMILARITY,
    Better,
    Extract,
    ExtractorSpec,
    Output,
)

if TYPE_CHECKING:
    import torch

LEVEL_WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)  # MS-SSIM, Wang et al. 2003, section 3.2
C1, C2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2  # SSIM, Wang et al. 2004, equation 13
WINDOW, SIGMA = 11, 1.5
_WEIGHTS = [math.exp(-((i - WINDOW // 2) ** 2) / (2 * SIGMA**2)) for i in range(WINDOW)]
TAPS = [weight / sum(_WEIGHTS) for weight in _WEIGHTS]
GMS_C = 170.0  # GMSD, Xue et al. 2014, section III

PATCH_OUTPUTS = {
    "patch_std": 0, "patch_q25": 0, "patch_q50": 0, "patch_q75": 0,
    "patch_worst": 0, "patch_worst2": 0, "patch_worst10": 0, "grid": 64,
}  # fmt: skip


def patch_outputs(
    same: float, *, better: Better, differentiable: bool = False
) -> dict[str, Output]:
    """Outputs of `patch_statistics` for a map that is `same` everywhere on equal pictures.

    `better` is the direction of the map. The unevenness of a map has no direction: the map is even
    both if nothing is lost and if everything is.
    """
    level = Output(identity=same, symmetric=True, better=better, differentiable=differentiable)
    uneven = replace(level, identity=0.0, better=None)
    return {
        name: replace(uneven if name == "patch_std" else level, dim=dim)
        for name, dim in PATCH_OUTPUTS.items()
    }


@extractor(
    ExtractorSpec(
        name="ssim",
        version=1,
        outputs={
            "value": replace(SIMILARITY, metric="ssim"),
            "ms_value": replace(SIMILARITY, metric="ms_ssim"),
            **{f"cs{i}": SIMILARITY for i in range(1, 6)},
            **patch_outputs(1.0, better="higher", differentiable=True),
        },
        colour="BT.601 luma, rounded to 8 bits",
        libraries=("torch",),
        licence="MIT (ours)",
        source="SSIM: Wang et al., IEEE TIP 13(4), 2004; MS-SSIM: Wang et al., Asilomar 2003",
        cost=0.05,
        gpu="float32",
    )
)
def ssim() -> Extract:
    """SSIM, MS-SSIM, the contrast-structure term of each scale, and the SSIM map by patches.

    MS-SSIM and the terms of those scales are NaN for which the picture is too small.
    """
    import torch
    from torch.nn import functional as F

    from seiqa_features.extractors.common.pairs import Description, compared
    from seiqa_features.extractors.common.tensors import grey, patch_statistics, wide

    def pyramid(image: torch.Tensor) -> Description:
        """Image, mean and variance of each scale at which the window fits."""
        levels: list[torch.Tensor] = []
        image = wide(grey(image))
        while len(levels) < 3 * len(LEVEL_WEIGHTS) and min(image.shape[2:]) >= WINDOW:
            mean = _blur(image)
            levels += [image, mean, _blur(image * image) - mean**2]
            padding = (image.shape[2] % 2, image.shape[3] % 2)
            image = F.avg_pool2d(image, 2, padding=padding)
        return tuple(levels)

    def compare(ref: Description, dist: Description) -> dict[str, torch.Tensor]:
        terms, values, maps = [], [], []
        for k in range(0, len(ref), 3):
            (r, mean_r, var_r), (d, mean_d, var_d) = ref[k : k + 3], dist[k : k + 3]
            covariance = _blur(r * d) - mean_r * mean_d
            cs = ((2 * covariance + C2) / (var_r + var_d + C2)).clamp(min=0)
            luminance = (2 * mean_r * mean_d + C1) / (mean_r**2 + mean_d**2 + C1)
            maps.append(luminance * cs)
            terms.append(cs.mean(dim=(1, 2, 3)))
            values.append(maps[-1].mean(dim=(1, 2, 3)))
        undefined = torch.full_like(values[0], torch.nan)
        whole = len(terms) == len(LEVEL_WEIGHTS)
        factors = [*terms[:-1], values[-1]]
        powers = [f**w for f, w in zip(factors, LEVEL_WEIGHTS, strict=False)]
        product = torch.stack(powers).prod(dim=0)
        terms += [undefined] * (len(LEVEL_WEIGHTS) - len(terms))
        return {
            "value": values[0],
            "ms_value": product if whole else undefined,
            **{f"cs{i}": term for i, term in enumerate(terms, 1)},
            **patch_statistics(maps[0][:, 0], worst="low"),
        }

    return compared(pyramid, compare)


def _blur(image: torch.Tensor) -> torch.Tensor:
    """Means under SSIM's Gaussian window, [..., H - 10, W - 10] of [..., H, W]."""
    return _slide(_slide(image, -2), -1)


def _slide(image: torch.Tensor, dim: int) -> torch.Tensor:
    """Weighted sum of shifted pictures: in float64 three times as fast as torch's conv2d."""
    size = image.shape[dim] - WINDOW + 1
    total: torch.Tensor = image.narrow(dim, 0, size) * TAPS[0]
    for shift in range(1, WINDOW):
        total.add_(image.narrow(dim, shift, size), alpha=TAPS[shift])
    return total


@extractor(
    ExtractorSpec(
        name="gms",
        version=1,
        outputs={
            "gmsd": replace(DISTANCE, metric="gmsd"),
            "mean": replace(SIMILARITY, metric="gmsm"),
            **patch_outputs(1.0, better="higher", differentiable=True),
        },
        colour="BT.601 luma, rounded to 8 bits",
        libraries=("torch",),
        licence="MIT (ours)",
        source="Xue et al., Gradient Magnitude Similarity Deviation, IEEE TIP 23(2), 2014",
        cost=0.01,
        gpu="float32",
    )
)
def gms() -> Extract:
    """GMSD (the map's standard deviation), the map's mean, and the map by patches."""
    import torch
    from torch.nn import functional as F

    from seiqa_features.extractors.common.pairs import Description, compared
    from seiqa_features.extractors.common.tensors import deviation, grey, patch_statistics, wide

    prewitt = torch.tensor([[1.0, 0.0, -1.0]] * 3).div(3)
    kernels = torch.stack([prewitt, prewitt.T])[:, None]

    def gradient(image: torch.Tensor) -> Description:
        halved = F.avg_pool2d(grey(image), 2)
        return (wide(F.conv2d(halved, kernels, padding=1).square().sum(dim=1).sqrt()),)

    def compare(ref: Description, dist: Description) -> dict[str, torch.Tensor]:
        [r], [d] = ref, dist
        similarity = (2 * r * d + GMS_C) / (r**2 + d**2 + GMS_C)
        return {
            "gmsd": deviation(similarity),
            "mean": similarity.mean(dim=(1, 2)),
            **patch_statistics(similarity, worst="low"),
        }

    return compared(gradient, compare)
