"""FSIM and SR-SIM, with and without chroma: similarity weighted by saliency.

piq recomputes the saliency maps of both pictures for each of the four metrics. Here the same steps
of piq run once per picture: the maps are shared by the grey and chroma versions, and those of a
reference by all its degraded versions. Values are bit-identical to piq's on a CPU, as the tests
check.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import lru_cache
from typing import TYPE_CHECKING

from seiqa_features.extractors.classical.piq_parts import piq_part
from seiqa_features.extractors.registry import extractor
from seiqa_features.extractors.specs import SIMILARITY, Extract, ExtractorSpec

if TYPE_CHECKING:
    import torch

CHROMA_C, CHROMA_POWER = 200.0, 0.03  # FSIMc, equations 11 and 13
SHRINK = 0.25  # SR-SIM computes saliency at this scale
BLUR, BLUR_SIGMA = 10, 3.8  # and smooths it with this window
SHAPES = 8  # numbers of pixels whose resampling is kept


def _spec(name: str, *, source: str, cost: float, min_side: int) -> ExtractorSpec:
    return ExtractorSpec(
        name=name,
        version=1,
        outputs={
            "value": replace(SIMILARITY, metric=name),
            "chromatic": replace(SIMILARITY, metric=f"{name}c"),
        },
        colour="BT.601 luma from RGB 0..1; chromatic: YIQ",
        libraries=("torch", "piq"),
        licence="Apache-2.0",
        source=source,
        cost=cost,
        min_side=min_side,
        gpu="float32",
    )


@extractor(
    _spec(
        "fsim", source="Zhang et al., FSIM and FSIMc, IEEE TIP 20(8), 2011", cost=0.05, min_side=16
    )
)
def fsim() -> Extract:
    """Saliency is phase congruency."""
    fsim = piq_part("fsim")

    def saliency(luma: torch.Tensor) -> torch.Tensor:
        filters = fsim._construct_filters(luma)
        congruency: torch.Tensor = fsim._phase_congruency(luma, filters=filters)
        return congruency

    return _comparison(saliency, pad=False, constants=(0.85, 160.0), power=1.0, epsilon=0.0)


@extractor(
    _spec(
        "srsim", source="Zhang and Li, SR-SIM, ICIP 2012, also with chroma", cost=0.02, min_side=161
    )
)
def srsim() -> Extract:
    """Saliency is the spectral residual (Hou and Zhang, CVPR 2007)."""
    import torch

    return _comparison(
        _spectral_residual(),
        pad=True,
        constants=(0.40, 225.0),
        power=0.5,
        epsilon=torch.finfo(torch.float32).eps,
    )


def _spectral_residual() -> Callable[[torch.Tensor], torch.Tensor]:
    """Saliency of luma 0..255, [n, 1, h, w]: the steps of piq, each picture scaled by itself."""
    import torch
    from torch.nn import functional as F

    parts = piq_part("functional")
    window = parts.gaussian_filter(BLUR, BLUR_SIGMA, dtype=torch.float32)
    kernel = F.pad(window, [1, 0, 1, 0])[None]  # MATLAB pads an even window at the top left
    resized = _resizing()

    def saliency(luma: torch.Tensor) -> torch.Tensor:
        eps = torch.finfo(luma.dtype).eps
        spectrum = torch.fft.fft2(resized(luma, [math.ceil(n * SHRINK) for n in luma.shape[2:]]))
        amplitude, phase = torch.log(spectrum.abs() + eps), torch.angle(spectrum)
        smooth = F.avg_pool2d(F.pad(amplitude, [1] * 4, mode="replicate"), 3, stride=1)
        residual = torch.exp(amplitude - smooth)
        wave = torch.complex(residual * torch.cos(phase), residual * torch.sin(phase))
        salient = F.conv2d(torch.abs(torch.fft.ifft2(wave)) ** 2, kernel, padding=BLUR // 2)
        low, high = (
            bound(salient, dim=(1, 2, 3), keepdim=True) for bound in (torch.amin, torch.amax)
        )
        return resized((salient - low) / (high - low + eps), luma.shape[2:])

    return saliency


def _resizing() -> Callable[[torch.Tensor, Sequence[int]], torch.Tensor]:
    """MATLAB's bicubic imresize as in piq, to a size, or to a quarter rounded up.

    piq's code asks the GPU for the width of the border. But resizing is linear: on a GPU it is a
    product with one matrix for each direction, which piq makes on the CPU, once.
    """
    import torch

    one_direction = piq_part("functional.resize").resize_1d

    def along(image: torch.Tensor, dim: int, size: int) -> torch.Tensor:
        old = image.shape[dim]
        scale = SHRINK if size == math.ceil(old * SHRINK) else size / old
        result: torch.Tensor = one_direction(image, dim, size=size, scale=scale, kernel="cubic")
        return result

    @lru_cache(SHAPES)
    def matrix(old: int, new: int, device: torch.device) -> torch.Tensor:
        with torch.inference_mode(mode=False):
            return along(torch.eye(old, device="cpu")[None, None], -2, new)[0, 0].to(device)

    def resized(image: torch.Tensor, size: Sequence[int]) -> torch.Tensor:
        if image.device.type == "cpu":
            return along(along(image, -2, size[0]), -1, size[1])
        down, across = (
            matrix(old, new, image.device) for old, new in zip(image.shape[2:], size, strict=True)
        )
        return down @ image @ across.T

    return resized


def _comparison(
    saliency: Callable[[torch.Tensor], torch.Tensor],
    *,
    pad: bool,
    constants: tuple[float, float],
    power: float,
    epsilon: float,
) -> Extract:
    """The form shared by both metrics, as in piq; with the constants of saliency and gradient."""
    import torch
    from torch.nn import functional as F

    from seiqa_features.extractors.common.pairs import Description, compared

    parts = piq_part("functional")
    gradient_map, similarity_map = parts.gradient_map, parts.similarity_map
    scharr = parts.scharr_filter()
    kernels = torch.stack([scharr, scharr.transpose(-1, -2)])

    def describe(image: torch.Tensor) -> Description:
        """Saliency, gradient magnitude and both chroma components, each float32 [n, 1, h, w]."""
        image = image * 255
        factor = max(1, round(min(image.shape[2:]) / 256))
        if pad:
            image = F.pad(image, [(factor - 1) // 2, factor // 2] * 2)
        y, i, q = parts.rgb2yiq(F.avg_pool2d(image, factor)).split(1, dim=1)
        return saliency(y), gradient_map(y, kernels), i, q

    def compare(ref: Description, dist: Description) -> dict[str, torch.Tensor]:
        (saliency_r, gradient_r, i_r, q_r), (saliency_d, gradient_d, i_d, q_d) = ref, dist
        weight = torch.maximum(saliency_d, saliency_r)
        alike = similarity_map(saliency_d, saliency_r, constants[0])
        alike = alike * similarity_map(gradient_d, gradient_r, constants[1]) ** power * weight
        chroma = similarity_map(i_d, i_r, CHROMA_C) * similarity_map(q_d, q_r, CHROMA_C)
        total = weight.sum(dim=[1, 2, 3]) + epsilon
        values = {"value": alike, "chromatic": alike * chroma.abs() ** CHROMA_POWER}
        return {name: value.sum(dim=[1, 2, 3]) / total for name, value in values.items()}

    return compared(describe, compare)
