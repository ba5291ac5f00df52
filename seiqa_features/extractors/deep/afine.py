"""A-FINE: a weighted combination of fidelity and naturalness from a fine-tuned CLIP.

The networks are pyiqa's. They are assembled here from the single file of the metric, because pyiqa
also fetches OpenAI's CLIP, only to overwrite all its weights, and accepts only one pair at a time.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from seiqa_features.extractors.deep.loading import Network
from seiqa_features.extractors.specs import Extract, Output, Resources

if TYPE_CHECKING:
    import torch

OUTPUTS: Mapping[str, Output] = {
    "value": Output(symmetric=True, better="lower", differentiable=True),
    "natural_ref": Output(),
    "natural_dist": Output(better="lower", differentiable=True),
    "overall": Output(better="lower", differentiable=True),
}

PATCH = 32
LIMITS = (2.0, -2.0)
"""Limits of the fidelity and naturalness terms."""

OVERALL = (100.0, 0.0, -1.9710, -2.3734)
"""The authors' limits, midpoint and slope of the overall score."""


def afine(network: Network, resources: Resources) -> Extract:
    """The terms of Chen et al., CVPR 2025; lower is better for all of them.

    ``value`` is the fidelity of the degraded picture to its reference, ``natural_ref`` and
    ``natural_dist`` are the naturalness of each picture by itself, all three -2..2. ``overall``,
    0..100, gives naturalness more weight the more natural the degraded picture is compared with
    its reference, which it may surpass. All are float64 [B]. Sides are enlarged (bicubic) to the
    next multiple of 32, as in the authors' code.
    """
    import torch
    from pyiqa.archs.constants import OPENAI_CLIP_MEAN, OPENAI_CLIP_STD
    from torch.nn import functional as F

    from seiqa_features.extractors.common.networks import encode_both, rows_of

    [weight] = network.weights
    net = load(resources.weights[weight.name]).to(resources.device)
    mean, std = (
        torch.tensor(values, device=resources.device).view(1, 3, 1, 1)
        for values in (OPENAI_CLIP_MEAN, OPENAI_CLIP_STD)
    )

    def encode(images: torch.Tensor) -> dict[str, torch.Tensor]:
        images = (images - mean) / std
        size = [-(-side // PATCH) * PATCH for side in images.shape[2:]]
        if size != list(images.shape[2:]):
            images = F.interpolate(images, size, mode="bicubic", align_corners=False)
        _, layers = net["clip"].encode_image(images)
        natural = net["natural"](images, layers)[:, 0]
        bounded = _between(natural, LIMITS, net["natural_scale"].yita3, net["natural_scale"].yita4)
        return {"image": images, "layers": torch.stack(layers, dim=1), "natural": bounded}

    def fidelity(ref: Mapping[str, torch.Tensor], dist: Mapping[str, torch.Tensor]) -> torch.Tensor:
        layers = (dist["layers"].unbind(dim=1), ref["layers"].unbind(dim=1))
        lost = net["fidelity"](dist["image"], ref["image"], *layers)[:, 0]
        scale = net["fidelity_scale"]
        middle = scale.yita3.clamp(scale.yita3_lower, scale.yita3_upper)
        slope = scale.yita4.clamp(scale.yita4_lower, scale.yita4_upper)
        return _between(lost, LIMITS, middle, slope)

    def extract(
        *, ref: torch.Tensor, dist: torch.Tensor, ref_index: torch.Tensor
    ) -> dict[str, torch.Tensor]:
        refs, dists = encode_both(encode, ref=ref, dist=dist)
        refs = rows_of(refs, ref_index)
        # On a CPU one pair at a time, so that no sum depends on the number of pairs.
        alone = dist.device.type == "cpu"
        rows = [slice(i, i + 1) for i in range(len(dist))] if alone else [slice(None)]
        values = [fidelity(rows_of(refs, row), rows_of(dists, row)) for row in rows]
        value = torch.cat(values).double()
        before, after = refs["natural"].double(), dists["natural"].double()
        eager = F.softplus(net["adapter"].k.double())
        overall = (eager * (before - after)).exp() * after + value
        return {
            "value": value,
            "natural_ref": before,
            "natural_dist": after,
            "overall": _between(overall, OVERALL[:2], *OVERALL[2:]),
        }

    return extract


def _between(
    raw: torch.Tensor, limits: tuple[float, float], middle: Any, slope: Any
) -> torch.Tensor:
    """A logistic curve from the second limit up to the first, halfway at the midpoint."""
    top, bottom = limits
    share: torch.Tensor = ((raw - middle) / (abs(slope) + 1e-10)).sigmoid()
    return (top - bottom) * share + bottom


def load(file: Path) -> Any:
    """The networks of the metric by their names in the file, in evaluation mode.

    Raises
    ------
    ValueError
        The file lacks one of them.
    RuntimeError
        A tensor is missing or has the wrong name or shape.
    """
    import torch
    from pyiqa.archs import afine_arch
    from pyiqa.archs.afineclip_model import build_model
    from torch import nn

    content = torch.load(file, map_location="cpu", weights_only=True)
    parts = {
        "natural": afine_arch.AFINEQhead(),
        "natural_scale": afine_arch.AFINENLM_NR_Fit(),
        "fidelity": afine_arch.AFINEDhead(),
        "fidelity_scale": afine_arch.AFINENLM_FR_Fit_with_limit(
            yita3_upper=0.95, yita3_lower=0.05, yita4_upper=0.70, yita4_lower=0.01
        ),
        "adapter": afine_arch.AFINELearnLambda(),
    }
    for name in (*parts, "finetuned_clip"):
        if name not in content:
            raise ValueError(f"it lacks {name}")
    for name, part in parts.items():
        part.load_state_dict(content[name])
    clip = build_model(dict(content["finetuned_clip"])).float()
    return nn.ModuleDict({"clip": clip, **parts}).eval().requires_grad_(False)
