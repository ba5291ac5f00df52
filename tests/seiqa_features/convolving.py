"""An extractor whose last bits show on how many threads its convolutions ran, also while built."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from seiqa_features.extractors import registry
from seiqa_features.extractors.specs import Extract, Extractor, ExtractorSpec, Output, Resources

KERNELS = torch.randn(64, 3, 11, 11, generator=torch.Generator().manual_seed(1))
IMAGE = torch.rand(1, 3, 64, 93, generator=torch.Generator().manual_seed(0))


def filtered(image: torch.Tensor) -> torch.Tensor:
    """Means of AlexNet's first layer with random weights, float32 [64] of RGB [1, 3, H, W]."""
    return F.conv2d(image, KERNELS, stride=4, padding=2).abs().mean(dim=(0, 2, 3))


def build(_: Resources) -> Extract:
    with torch.inference_mode():
        offset = filtered(IMAGE)

    def extract(
        *, ref: torch.Tensor, dist: torch.Tensor, ref_index: torch.Tensor
    ) -> dict[str, torch.Tensor]:
        refs = [filtered(image[None]) for image in ref]
        pairs = [filtered(d[None]) - refs[r] for d, r in zip(dist, ref_index, strict=True)]
        return {"values": torch.stack(pairs) + offset}

    return extract


def register(patch: pytest.MonkeyPatch) -> None:
    """Have the extractor `convolving` for one test."""
    spec = ExtractorSpec(
        "convolving", 1, {"values": Output(dim=64)}, "RGB", ("torch",), "MIT", "ours", 0.01
    )
    patch.setitem(registry._EXTRACTORS, "convolving", Extractor(spec, build))
