"""DSS-SQA's features: one dense block from DINOv3 and CLIP, fifth in the challenge.

For embeddings r and d of reference and degraded picture the block holds, in this order,

    r, d, |d − r|             of DINOv3's class token            3 · 768
    r, |d − r|, r/|r| · d/|d| of CLIP's pooled vision output      3 · 1024
    cosine of the latter                                         1

that is 5377 numbers, and a second block holds those of the mirrored pair, for augmentation in
training. The original's input is the picture on a square of 224 pixels with its aspect kept (view
`pad224`); both networks get CLIP's mean and deviation, and CLIP sees the square enlarged to its own
size. How the original enlarges it is not published: bicubic here. `dss_sqa:<timm
model>:<open_clip model>:<tag>` does the same with other networks.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

from seiqa_features.errors import UsageError
from seiqa_features.extractors.openclip import facts as openclip
from seiqa_features.extractors.registry import register, resolver
from seiqa_features.extractors.specs import (
    SIMILARITY,
    Extract,
    Extractor,
    ExtractorSpec,
    Output,
    Resources,
)
from seiqa_features.extractors.vit import timm_vit

if TYPE_CHECKING:
    import torch

PREFIX = "dss_sqa"
SIDE = 224


@dataclass(frozen=True)
class Networks:
    """The two networks, and the width of CLIP's vision output before its projection."""

    vit: timm_vit.Facts
    clip: openclip.Facts
    clip_width: int

    @property
    def width(self) -> int:
        """How many numbers a pair has."""
        return 3 * self.vit.dim + 3 * self.clip_width + 1


ORIGINAL = Networks(timm_vit.PRESETS["dinov3_b16"], openclip.PRESETS["clip_l14_336"], 1024)


def extractor(name: str, networks: Networks) -> Extractor:
    """The extractor with these networks."""
    block = Output(dim=networks.width)
    vit = timm_vit.extractor(name, networks.vit).spec
    spec = ExtractorSpec(
        name=name,
        version=1,
        outputs={"inputs": block, "inputs_mirrored": block, "cosine": SIMILARITY},
        colour="RGB, both networks with CLIP's mean and standard deviation",
        libraries=("torch", "timm", "open_clip_torch"),
        licence="MIT (ours), Apache-2.0 (timm)",
        source="DSS-SQA, LoViF 2026 SeIQA challenge, arXiv 2604.11207",
        cost=round(2 * (vit.cost + networks.clip.cost), 3),  # every picture also mirrored
        weights=(*vit.weights, networks.clip.weight),
        sides=(SIDE,),
        only_view=f"pad{SIDE}",
    )
    return Extractor(spec, lambda resources: build(networks, resources))


@resolver(PREFIX)
@cache
def other_networks(name: str) -> Extractor:
    """The extractor with other networks.

    Raises
    ------
    UsageError
        One of the libraries has no such network, or it is no vision transformer of its kind.
    """
    parts = name.removeprefix(f"{PREFIX}:").split(":")
    if len(parts) != 3:
        raise UsageError(
            f"extractor {name!r}: expected {PREFIX}:<timm model>:<open_clip model>:<tag>"
        )
    import open_clip

    if ":".join(parts[1:]) not in open_clip.list_pretrained(as_str=True):
        raise UsageError(f"extractor {name!r}: open_clip lists no {parts[1]}:{parts[2]}")
    try:
        vit = timm_vit.read_facts(parts[0])
    except ValueError as error:
        raise UsageError(f"extractor {name!r}: {parts[0]} cannot be used ({error})") from None
    width = open_clip.get_model_config(parts[1])["vision_cfg"].get("width")
    if not isinstance(width, int) or not vit.class_token:
        raise UsageError(f"extractor {name!r}: both networks must be vision transformers with a"
                         " class token")  # fmt: skip
    return extractor(name, Networks(vit, openclip.facts_of(*parts[1:]), width))


def build(networks: Networks, resources: Resources) -> Extract:
    """The extractor function."""
    import torch
    from open_clip import get_model_preprocess_cfg
    from torch.nn import functional as F

    from seiqa_features.extractors.common import timm_models
    from seiqa_features.extractors.common.networks import encode_both, rows_of
    from seiqa_features.extractors.openclip.embeddings import load

    device, files = resources.device, resources.weights
    (weight,) = timm_vit.extractor(PREFIX, networks.vit).spec.weights
    vit = timm_models.load(networks.vit.model, files[weight.name])
    clip = load(networks.clip, files[networks.clip.weight.name])
    own = get_model_preprocess_cfg(clip)
    clip.visual.proj = None  # the pooled output before the projection to the space of texts
    both: list[Any] = [vit.eval().requires_grad_(False).to(device), clip.visual.to(device)]
    if device != "cpu":
        both = [network.to(memory_format=torch.channels_last) for network in both]
    mean, std = (torch.tensor(own[key], device=device).view(3, 1, 1) for key in ("mean", "std"))

    def embed(pictures: torch.Tensor) -> dict[str, torch.Tensor]:
        enlarged = F.interpolate(
            pictures, (networks.clip.side,) * 2, mode="bicubic", align_corners=False
        ).clamp(0, 1)
        return {
            "vit": both[0].forward_features((pictures - mean) / std)[:, 0].float(),
            "clip": both[1]((enlarged - mean) / std).float(),
        }

    def encode(pictures: torch.Tensor) -> dict[str, torch.Tensor]:
        mirrored = {f"{k}_mirrored": v for k, v in embed(pictures.flip(-1)).items()}
        return embed(pictures) | mirrored

    def extract(
        *, ref: torch.Tensor, dist: torch.Tensor, ref_index: torch.Tensor
    ) -> Mapping[str, torch.Tensor]:
        refs, dists = encode_both(encode, ref=ref, dist=dist)
        values = {}
        for side in ("", "_mirrored"):
            r, d = (
                [features[f"{name}{side}"] for name in ("vit", "clip")]
                for features in (rows_of(refs, ref_index), dists)
            )
            values[f"inputs{side}"] = interactions(r[0], d[0], r[1], d[1])
        return {**values, "cosine": values["inputs"][:, -1].double()}

    return extract


def interactions(
    vit_ref: torch.Tensor, vit_dist: torch.Tensor, clip_ref: torch.Tensor, clip_dist: torch.Tensor
) -> torch.Tensor:
    """DSS-SQA's numbers in its order, float32 [n, 3·v + 3·c + 1].

    Parameters
    ----------
    vit_ref, vit_dist : torch.Tensor
        Float32 [n, v].
    clip_ref, clip_dist : torch.Tensor
        Float32 [n, c].
    """
    import torch

    from seiqa_features.extractors.common.tokens import cosine, unit

    r, d = unit(clip_ref), unit(clip_dist)
    return torch.cat(
        [
            vit_ref,
            vit_dist,
            (vit_dist - vit_ref).abs(),
            clip_ref,
            (clip_dist - clip_ref).abs(),
            r * d,
            cosine(r, d).float()[:, None],
        ],
        dim=1,
    )


register(extractor(PREFIX, ORIGINAL))
