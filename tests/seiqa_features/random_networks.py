"""Networks with random weights, small ones of each family, in files that our loading code reads."""

from __future__ import annotations

from pathlib import Path

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


def register_tiny_clip(patch: pytest.MonkeyPatch) -> None:
    """Make open_clip list a tiny model as if it were its own."""
    from open_clip import factory, pretrained

    patch.setitem(factory._MODEL_CONFIGS, "seiqa-tiny", CLIP_CONFIG)
    tag = pretrained._pcfg(hf_hub="timm/tiny/", quick_gelu=True)
    patch.setitem(pretrained._PRETRAINED, "seiqa-tiny", {"openai": tag})


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
            files[weight.name] = _save(clip_state(model), folder / f"{model}.safetensors")
        else:
            files[weight.name] = iqa_weights.write(weight, folder)
    return Resources(weights=files, scratch=folder)


def timm_state(model: str) -> dict[str, torch.Tensor]:
    """Random numbers large enough that attention and cosines are far from even."""
    import timm

    torch.manual_seed(0)  # timm initialises some biases by chance
    generator = torch.Generator().manual_seed(0)
    state: dict[str, torch.Tensor] = timm.create_model(model).state_dict()
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
