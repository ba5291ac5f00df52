"""FSIM and SR-SIM, with and without chroma: similarity weighted by saliency.

piq recomputes the saliency maps of both pictures for each of the four metrics. Here the same steps
of piq run once per picture: the maps are shared by the grey and chroma versions, and those of a
reference by all its degraded versions. Values are bit-identical to piq's, as the tests check.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from seiqa_features.extractors.classical.piq_parts import piq_part
from seiqa_features.extractors.registry import extractor
from seiqa_features.extractors.specs import SIMILARITY, Extract, ExtractorSpec

if TYPE_CHECKING:
    import torch

CHROMA_C, CHROMA_POWER = 200.0, 0.03  # FSIMc, equations 11 and 13


class Maps(NamedTuple):
    """The maps of a picture that are compared, each float32 [1, 1, h, w]."""

    saliency: torch.Tensor
    gradient: torch.Tensor
    i: torch.Tensor
    q: torch.Tensor


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
        piq_part("srsim")._spectral_residual_visual_saliency,
        pad=True,
        constants=(0.40, 225.0),
        power=0.5,
        epsilon=torch.finfo(torch.float32).eps,
    )


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

    from seiqa_features.extractors.common.tensors import stack

    parts = piq_part("functional")
    gradient_map, similarity_map = parts.gradient_map, parts.similarity_map
    scharr = parts.scharr_filter()
    kernels = torch.stack([scharr, scharr.transpose(-1, -2)])

    def describe(image: torch.Tensor) -> Maps:
        image = image[None] * 255
        factor = max(1, round(min(image.shape[2:]) / 256))
        if pad:
            image = F.pad(image, [(factor - 1) // 2, factor // 2] * 2)
        y, i, q = parts.rgb2yiq(F.avg_pool2d(image, factor)).split(1, dim=1)
        return Maps(saliency(y), gradient_map(y, kernels), i, q)

    def compare(ref: Maps, dist: Maps) -> dict[str, torch.Tensor]:
        weight = torch.maximum(dist.saliency, ref.saliency)
        alike = similarity_map(dist.saliency, ref.saliency, constants[0])
        alike = alike * similarity_map(dist.gradient, ref.gradient, constants[1]) ** power * weight
        chroma = similarity_map(dist.i, ref.i, CHROMA_C) * similarity_map(dist.q, ref.q, CHROMA_C)
        total = weight.sum(dim=[1, 2, 3]) + epsilon
        values = {"value": alike, "chromatic": alike * chroma.abs() ** CHROMA_POWER}
        return {
            name: (value.sum(dim=[1, 2, 3]) / total)[0].double() for name, value in values.items()
        }

    def extract(
        *, ref: torch.Tensor, dist: torch.Tensor, ref_index: torch.Tensor
    ) -> dict[str, torch.Tensor]:
        refs = [describe(image) for image in ref]
        rows = [compare(refs[r], describe(dist[i])) for i, r in enumerate(ref_index.tolist())]
        return stack(rows)

    return extract
