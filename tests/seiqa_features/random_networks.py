"""Networks with random weights, small ones of each family, in files that our loading code reads."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from seiqa_features.extractors.registry import get_extractor
from seiqa_features.extractors.specs import Resources
from seiqa_features.weights.files import WeightFiles
from tests.seiqa_features import iqa_weights

TINY_VIT = "timm:test_vit.r160_in1k"
TINY_CLIP = "openclip:seiqa-tiny:openai"

CONTENT = frozenset({"text", "objects"})
"""Extractors that have tests of their own: these textures hold neither text nor objects."""

CLIP_SIDE = 64
CLIP_TEXT = {"context_length": 77, "vocab_size": 49408, "width": 32, "heads": 2, "layers": 2}
CLIP_VISION = {"image_size": 64, "layers": 4, "width": 64, "head_width": 32, "patch_size": 16}
CLIP_CONFIG = {"embed_dim": 32, "vision_cfg": CLIP_VISION, "text_cfg": CLIP_TEXT}


def _timm_tower(model: str, pool: str) -> dict[str, Any]:
    vision = {"image_size": 160, "timm_model_name": model, "timm_pool": pool}
    return {"embed_dim": 64, "custom_text": True, "vision_cfg": vision, "text_cfg": CLIP_TEXT}


TOWERS: dict[str, dict[str, Any]] = {
    "seiqa-resnet": {
        **CLIP_CONFIG,
        "vision_cfg": {"image_size": 160, "layers": [1, 1, 1, 1], "width": 16, "patch_size": None},
    },
    "seiqa-convnext": _timm_tower("test_convnext", "avg"),
    "seiqa-efficientnet": _timm_tower("test_efficientnet", "avg"),
    "seiqa-coca": {
        **CLIP_CONFIG,
        "custom_text": True,
        "vision_cfg": {**CLIP_VISION, "attentional_pool": True, "attn_pooler_heads": 2,
                       "output_tokens": True},
        "text_cfg": {**CLIP_TEXT, "embed_cls": True, "output_tokens": True},
        "multimodal_cfg": {"width": 32, "heads": 2, "layers": 1, "attn_pooler_heads": 2},
    },
}  # fmt: skip
"""Image towers that are not plain vision transformers. One of timm's has a final map of its own."""

TINY_TOWERS = tuple(
    # The other's random embedding is so large that its rounding would exceed a fixed tolerance.
    f"openclip:{model}:tag"
    for model in TOWERS
    if model != "seiqa-efficientnet"
)


def register_tiny_clip(patch: pytest.MonkeyPatch) -> None:
    """Make open_clip list a tiny model as if it were its own."""
    from open_clip import factory, pretrained

    patch.setitem(factory._MODEL_CONFIGS, "seiqa-tiny", CLIP_CONFIG)
    tag = pretrained._pcfg(hf_hub="timm/tiny/", quick_gelu=True)
    patch.setitem(pretrained._PRETRAINED, "seiqa-tiny", {"openai": tag})


def register_clip(patch: pytest.MonkeyPatch, configs: dict[str, dict[str, Any]]) -> None:
    """Make open_clip list models of these architectures, with mean and deviation .5."""
    from open_clip import factory, pretrained

    for name, config in configs.items():
        patch.setitem(factory._MODEL_CONFIGS, name, config)
        tag = pretrained._slpcfg(hf_hub="timm/tiny/")
        patch.setitem(pretrained._PRETRAINED, name, {"tag": tag})


def resources_for(name: str, folder: Path) -> Resources:
    """What the extractor is built with: a file of random numbers for each of its weights."""
    files = {}
    for weight in get_extractor(name).spec.weights:
        library, _, model = weight.name.partition("/")
        if weight.package is not None:
            files[weight.name] = WeightFiles(folder).verified(weight)
        elif library == "timm":
            files[weight.name] = _save(timm_state(model), folder / f"{model}.safetensors")
        elif library == "open_clip":
            model = model.split("/")[0]
            state = tower_state(model) if model in TOWERS else clip_state(model)
            files[weight.name] = _save(state, folder / f"{model}.safetensors")
        else:
            files[weight.name] = iqa_weights.write(weight, folder)
    return Resources(weights=files, scratch=folder)


def timm_state(model: str) -> dict[str, torch.Tensor]:
    """Random numbers large enough that attention and cosines are far from even."""
    import timm

    torch.manual_seed(0)  # timm initialises some biases by chance
    return _noisy(timm.create_model(model).state_dict())


def tower_state(model: str) -> dict[str, torch.Tensor]:
    """The same for a network of open_clip; no residual branch is switched off, as some are."""
    import open_clip

    torch.manual_seed(0)
    return _noisy(open_clip.create_model(model).state_dict())


def _noisy(state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    for key, tensor in state.items():
        noise = torch.randn(tensor.shape, generator=generator)
        if tensor.ndim > 1:
            state[key] = 2 * noise / tensor[0].numel() ** 0.5
        else:
            state[key] = tensor + 0.1 * noise
    return state


def clip_state(model: str, seed: int = 0) -> dict[str, torch.Tensor]:
    """Random numbers large enough that pictures and texts point in different directions."""
    import open_clip

    torch.manual_seed(seed)
    network = open_clip.create_model(model)
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            if name == "logit_scale":
                parameter.fill_(np.log(20))
            elif parameter.ndim > 1:
                parameter.normal_(std=2 * parameter.shape[-1] ** -0.5)
    state: dict[str, torch.Tensor] = network.state_dict()
    return state


def _save(state: dict[str, torch.Tensor], path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file({name: tensor.contiguous() for name, tensor in state.items()}, path)
    return path
