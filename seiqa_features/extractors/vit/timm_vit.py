"""Vision transformers of timm, compared by position: DINOv2 and 3, SigLIP 2, PE-Spatial, others.

`timm:<model>` is any other model in timm's registry with a square map of patch tokens
(`timm_any.py`). The class embeddings of both pictures are stored and paired when a table is
assembled; of the patch tokens only statistics are stored (`tokens.compare`).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import isqrt
from pathlib import Path
from typing import cast

from seiqa_features.errors import UsageError
from seiqa_features.extractors.common import timm_models
from seiqa_features.extractors.common.outputs import token_outputs
from seiqa_features.extractors.registry import register
from seiqa_features.extractors.specs import (
    DISTANCE,
    SIMILARITY,
    Extract,
    Extractor,
    ExtractorSpec,
    Output,
    Weight,
)
from seiqa_features.pictures.views import Resampling

SIDE = 224  # of the view to which `cost` refers
FLOPS = 8.5e10  # per second on one CPU core, measured with DINOv2 S, B and L


@dataclass(frozen=True)
class Facts:
    """What a spec needs to know about a model.

    Attributes
    ----------
    model : str
        timm's name with tag.
    hub : str
        Repository of the weights on the Hugging Face hub.
    dim : int
        Width of a token.
    patch : int
        Side of a patch in pixels.
    megabytes : int
        Size of the weights file, which is in float32.
    licence : str
        Licence of the weights.
    source : str
        Paper.
    resampling : Resampling
        From the configuration of the weights.
    class_token : bool
        Whether there is a class token and therefore its attention.
    side : int | None
        The only view side it accepts, None for every multiple of `patch`.
    """

    model: str
    hub: str
    dim: int
    patch: int
    megabytes: int
    licence: str
    source: str
    resampling: Resampling = "bicubic"
    class_token: bool = True
    side: int | None = None


def _dinov2(size: str, dim: int, megabytes: int, *, registers: bool = False) -> Facts:
    source = "Oquab et al., DINOv2, TMLR 2024"
    if registers:
        source += "; Darcet et al., Vision Transformers Need Registers, ICLR 2024"
    model = f"vit_{size}_patch14{'_reg4' if registers else ''}_dinov2.lvd142m"
    return Facts(model, f"timm/{model}", dim, 14, megabytes, "apache-2.0", source)


def _dinov3(size: str, dim: int, megabytes: int) -> Facts:
    model, source = f"vit_{size}_patch16_dinov3.lvd1689m", "Siméoni et al., DINOv3, 2025"
    return Facts(model, f"timm/{model}", dim, 16, megabytes, "dinov3-license", source)


def _siglip2(size: str, dim: int, megabytes: int) -> Facts:
    model = f"vit_{size}_patch16_siglip_512.v2_webli"
    source = "Tschannen et al., SigLIP 2, 2025"
    return Facts(
        model, f"timm/{model}", dim, 16, megabytes, "apache-2.0", source, class_token=False
    )


def _pe_spatial(size: str, dim: int, patch: int, side: int, megabytes: int) -> Facts:
    model = f"vit_pe_spatial_{size}_patch{patch}_{side}.fb"
    source = "Bolya et al., Perception Encoder, NeurIPS 2025"
    return Facts(model, f"timm/{model}", dim, patch, megabytes, "apache-2.0", source)


PRESETS = {
    "dinov2_s14": _dinov2("small", 384, 88),
    "dinov2_b14": _dinov2("base", 768, 346),
    "dinov2_l14": _dinov2("large", 1024, 1217),
    "dinov2_g14": _dinov2("giant", 1536, 4546),
    "dinov2_s14_reg": _dinov2("small", 384, 88, registers=True),
    "dinov2_b14_reg": _dinov2("base", 768, 346, registers=True),
    "dinov2_l14_reg": _dinov2("large", 1024, 1217, registers=True),
    "dinov2_g14_reg": _dinov2("giant", 1536, 4546, registers=True),
    "dinov3_s16": _dinov3("small", 384, 86),
    "dinov3_b16": _dinov3("base", 768, 343),
    "dinov3_l16": _dinov3("large", 1024, 1212),
    "siglip2_b16": _siglip2("base", 768, 374),
    "siglip2_so400m": _siglip2("so400m", 1152, 1715),
    "pe_spatial_b16": _pe_spatial("base", 768, 16, 512, 346),
    "pe_spatial_l14": _pe_spatial("large", 1024, 14, 448, 1216),
}


def extractor(name: str, facts: Facts) -> Extractor:
    """The extractor of a vision transformer."""
    location = f"hf:{facts.hub}/model.safetensors"
    weight = Weight(f"timm/{facts.model}", location, facts.megabytes, facts.licence)
    outputs = {
        **token_outputs(),
        "cls_ref": Output(dim=facts.dim, role="ref"),
        "cls_dist": Output(dim=facts.dim, role="dist", differentiable=True),
    }
    if facts.class_token:
        outputs["attention_cosine"] = SIMILARITY
        outputs["ref_attention_cosine"] = replace(SIMILARITY, symmetric=False)
        outputs["attention_shift"] = DISTANCE
    patches = ((facts.side or SIDE) // facts.patch) ** 2
    operations = 2 * patches * facts.megabytes * 1e6 / 4  # per picture: each weight, each patch
    spec = ExtractorSpec(
        name=name,
        version=2,
        outputs=outputs,
        colour="RGB, normalised by the weights' own mean and standard deviation",
        libraries=("torch", "timm", "scipy"),
        licence="MIT (ours), Apache-2.0 (timm)",
        source=facts.source,
        cost=round(2 * operations / FLOPS, 3),
        weights=(weight,),
        resampling=facts.resampling,
        sides=(facts.side,) if facts.side else (),
        side_multiple=1 if facts.side else facts.patch,
    )
    return Extractor(
        spec,
        lambda resources: _build(facts.model, resources.weights[weight.name], resources.device),
    )


for _name, _facts in PRESETS.items():
    register(extractor(_name, _facts))


def read_facts(model: str) -> Facts:
    """Facts about a model from timm's registry and from a copy with shapes but no weights.

    Raises
    ------
    UsageError
        timm has no such model, or no weights for it.
    ValueError
        It has no square map of patch tokens.
    """
    import torch

    from seiqa_features.extractors.common.tokens import MIDDLE_LAYERS
    from seiqa_features.extractors.vit.tokens import encoder

    config = timm_models.configuration(model)
    model = f"{config.architecture}.{config.tag}"
    try:
        with torch.device("meta"), torch.inference_mode():
            network = timm_models.create(model)
            dynamic = getattr(network, "dynamic_img_size", False)
            side = 4 * network.patch_embed.feat_ratio() if dynamic else config.input_size[-1]
            features = encoder(network, "meta")(torch.zeros(1, 3, side, side))
        maps = {"last", "attention", *MIDDLE_LAYERS} & features.keys()
        counts = {features[name].shape[1] for name in maps}
        rows = isqrt(min(counts))
        if counts != {rows**2}:
            raise ValueError(f"maps of {sorted(counts)} tokens")
    except Exception as error:  # unsupported model classes fail in various ways
        reason = f"{type(error).__name__}: {error}".splitlines()[0][:200]
        raise ValueError(reason) from None
    return Facts(
        model=model,
        hub=config.hf_hub_id,
        dim=features["last"].shape[2],
        patch=side // rows,
        megabytes=round(4e-6 * sum(tensor.numel() for tensor in network.state_dict().values())),
        licence=config.license or "unknown",
        source=f"https://huggingface.co/{config.hf_hub_id}",
        resampling=cast(Resampling, config.interpolation),
        class_token="attention" in features,
        side=None if dynamic else side,
    )


def _build(model: str, file: Path, device: str) -> Extract:
    import torch
    from timm.layers.config import use_fused_attn

    from seiqa_features.extractors.vit.tokens import TokenWork, encoder

    if not use_fused_attn():
        raise UsageError(f"{model}: timm's fused attention is off; unset TIMM_FUSED_ATTN")
    network = timm_models.load(model, file).eval().requires_grad_(False).to(device)
    if device != "cpu":
        network.to(memory_format=torch.channels_last)
    return TokenWork(encoder(network, device))
