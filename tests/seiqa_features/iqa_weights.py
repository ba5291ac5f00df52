"""Random weights for every pretrained IQA metric, in files as the hubs have them, small on disk.

Names, shapes and nesting are those of the real files, except that CLIP's network is a narrow one of
the same family. A large tensor is a window that slides over a short random vector, and only the
vector is saved. Also pyiqa's own metrics, to compare with.
"""

from __future__ import annotations

import math
import sys
import warnings
import zlib
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import packaging.version
import pytest
import torch
from torch import nn

from seiqa_features.extractors.deep import metrics as iqa
from seiqa_features.extractors.specs import Weight

Tensors = dict[str, torch.Tensor]

METRICS = {
    "lpips": "lpips",
    "lpips_vgg": "lpips-vgg",
    "stlpips": "stlpips",
    "dists": "dists",
    "deepdc": "deepdc",
    "pieapp": "pieapp",
    "topiq_fr": "topiq_fr",
    "topiq_fr_pipal": "topiq_fr-pipal",
    "afine_fr": "afine_fr",
    "musiq": "musiq",
    "clipiqa": "clipiqa",
}
"""Our name → pyiqa's."""


def library_metric(name: str, hub: Path, patch: pytest.MonkeyPatch) -> nn.Module:
    """pyiqa's metric of our name, as its own loader builds it from a cache laid out as torch.hub's.

    What the patch changes must last until the metric is there.
    """
    import pyiqa
    from pyiqa.utils import download_util

    patch.setattr(torch.hub, "_hub_dir", str(hub))
    patch.setattr(download_util, "DEFAULT_CACHE_DIR", str(hub / "pyiqa"))
    # CLIP-IQA's tokenizer imports it from a setuptools before 82.
    patch.setitem(sys.modules, "pkg_resources", SimpleNamespace(packaging=packaging))
    options: dict[str, object] = {}
    if name.startswith("topiq"):  # the backbone is in the checkpoint; else it asks a hub for one
        options = {"backbone_pretrain": False}
    if name == "afine_fr":  # it reads OpenAI's CLIP first, and puts its own numbers over it
        clip = hub / "clip.pt"
        _save_archive(_afine(iqa.AFINE)["finetuned_clip"], clip)
        options = {"clip_backbone": str(clip), "pretrained_model_path": str(place(iqa.AFINE, hub))}
    if name == "clipiqa":  # under its name only OpenAI's very file is read
        options = {"backbone": str(place(iqa.CLIP_RN50, hub))}
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "`torch.jit.load` is", FutureWarning)
        metric: nn.Module = pyiqa.create_metric(METRICS[name], device="cpu", **options)
    return metric


def write_all(folder: Path) -> dict[str, Path]:
    """Write every file into a cache laid out as torch.hub's; paths by `Weight.name`."""
    return {weight.name: write(weight, folder) for weight in CONTENTS}


def write(weight: Weight, folder: Path) -> Path:
    """Write one file to its place in such a cache."""
    path = place(weight, folder)
    path.parent.mkdir(parents=True, exist_ok=True)
    save = _save_archive if weight == iqa.CLIP_RN50 else torch.save
    save(CONTENTS[weight](weight), path)
    return path


def place(weight: Weight, folder: Path) -> Path:
    """Where its library looks for the file in a cache of torch.hub."""
    subfolder, _, url = weight.location.partition("|")
    return folder / subfolder / url.rsplit("/", 1)[-1]


def architecture(weight: Weight) -> nn.Module:
    """The network that the file fills, without memory behind it; full-size, but for CLIP's.

    Of A-FINE's the CLIP, whose text tower alone is a narrow one.
    """
    import torchvision
    from pyiqa.archs.afineclip_model import AFINECLIP
    from pyiqa.archs.clip_model import CLIP
    from pyiqa.archs.musiq_arch import MUSIQ
    from pyiqa.archs.pieapp_arch import PieAPP
    from pyiqa.archs.stlpips_arch import STLPIPS
    from pyiqa.archs.topiq_arch import CFANet

    with torch.device("meta"):
        if weight == iqa.AFINE:
            return AFINECLIP(
                embed_dim=32, image_resolution=224, vision_layers=12, vision_width=768,
                vision_patch_size=32, context_length=77, vocab_size=512, transformer_width=64,
                transformer_heads=1, transformer_layers=1,
            )  # fmt: skip
        if weight.name.startswith("torchvision"):
            return torchvision.models.get_model(weight.name.split("/")[1])
        if weight in (iqa.TOPIQ_KADID, iqa.TOPIQ_PIPAL):
            return CFANet(backbone_pretrain=False, pretrained=False)
        if weight == iqa.CLIP_RN50:
            return CLIP(
                embed_dim=32, image_resolution=64, vision_layers=(1, 1, 1, 1), vision_width=8,
                vision_patch_size=None, context_length=77, vocab_size=49408, transformer_width=64,
                transformer_heads=1, transformer_layers=1,
            )  # fmt: skip
        made = {iqa.STLPIPS: STLPIPS, iqa.PIEAPP: PieAPP, iqa.MUSIQ: MUSIQ}[weight]
        return made(pretrained=False)


def _state(weight: Weight) -> Tensors:
    """Random tensors for all of the network's that are not second names of others."""
    return {
        name: _random(f"{weight.name} {name}", like)
        for name, like in architecture(weight).state_dict().items()
        if not name.startswith("lins.")
    }


def _backbone(weight: Weight) -> Tensors:
    """torchvision's classifier is never used."""
    return {
        name: tensor if name.startswith("features") else torch.zeros(1).expand(tensor.shape)
        for name, tensor in _state(weight).items()
    }


def _lpips(weight: Weight) -> Tensors:
    widths = {iqa.LPIPS_ALEX: (64, 192, 384, 256, 256), iqa.LPIPS_VGG: (64, 128, 256, 512, 512)}
    return {
        f"lin{level}.model.1.weight": _noise((1, width, 1, 1), weight.name).abs()
        for level, width in enumerate(widths[weight])
    }


def _stlpips(weight: Weight) -> Tensors:
    return {name: t.abs() if name.startswith("lin") else t for name, t in _state(weight).items()}


def _dists(_: Weight) -> Tensors:
    return {name: _noise((1, 1475, 1, 1), name, 0.1).abs() for name in ("alpha", "beta")}


def _pieapp(weight: Weight) -> Tensors:
    state = _state(weight)
    state["fc2_score.weight"] *= 30  # it is divided by 100 and must still show
    state["fc2_weight.bias"] += 100.0  # the patches' weights add up to a divisor
    return state


def _clip(weight: Weight) -> Tensors:
    sizes = {"input_resolution": 64, "context_length": 77, "vocab_size": 49408}
    return {
        **_state(weight),
        "logit_scale": torch.tensor(math.log(100.0)),
        **{name: torch.tensor(size) for name, size in sizes.items()},
    }


def _topiq(weight: Weight) -> dict[str, Tensors]:
    return {"params": _state(weight)}


def _afine(weight: Weight) -> dict[str, Tensors]:
    from pyiqa.archs import afine_arch

    heads = {
        "natural": afine_arch.AFINEQhead,
        "fidelity": afine_arch.AFINEDhead,
        "natural_scale": partial(afine_arch.AFINENLM_NR_Fit, yita3=0.1, yita4=1.0),
        "fidelity_scale": partial(afine_arch.AFINENLM_FR_Fit_with_limit, yita3=0.5, yita4=0.15),
        "adapter": afine_arch.AFINELearnLambda,
    }
    torch.manual_seed(0)  # the heads' own beginnings are random enough
    states = {part: head().state_dict() for part, head in heads.items()}
    return {"finetuned_clip": _state(weight), **states}


CONTENTS: Mapping[Weight, Callable[[Weight], Tensors | dict[str, Tensors]]] = {
    iqa.ALEXNET: _backbone,
    iqa.VGG16: _backbone,
    iqa.VGG19: _backbone,
    iqa.LPIPS_ALEX: _lpips,
    iqa.LPIPS_VGG: _lpips,
    iqa.STLPIPS: _stlpips,
    iqa.DISTS: _dists,
    iqa.PIEAPP: _pieapp,
    iqa.TOPIQ_KADID: _topiq,
    iqa.TOPIQ_PIPAL: _topiq,
    iqa.AFINE: _afine,
    iqa.MUSIQ: _state,
    iqa.CLIP_RN50: _clip,
}
"""What makes the content of each file."""


def _random(name: str, like: torch.Tensor) -> torch.Tensor:
    """A tensor of a trained network's scale: activations neither vanish nor explode."""
    if not like.is_floating_point():
        return torch.zeros(like.shape, dtype=like.dtype)
    if name.endswith("filt"):  # ST-LPIPS's blur
        return torch.full(like.shape, 1 / 9)
    if like.dim() > 1:
        return _noise(like.shape, name, math.sqrt(2 * len(like) / like.numel()))
    if name.endswith(("running_var", "weight", "scale")):
        return torch.ones(like.shape)
    return _noise(like.shape, name, 0.05)


def _noise(shape: tuple[int, ...], name: str, scale: float = 1.0) -> torch.Tensor:
    """Normal values, seeded by a name; far apart in a large tensor some are the same."""
    strides = (53, 11, shape[-1], 1) if len(shape) == 4 else (0, 53, 1)[-len(shape) :]
    length = 1 + sum((size - 1) * stride for size, stride in zip(shape, strides, strict=True))
    seed = torch.Generator().manual_seed(zlib.crc32(name.encode()))
    return (scale * torch.randn(length, generator=seed)).as_strided(shape, strides)


class _Node(nn.Module):
    """What a dotted name's part before a dot stands for."""


def _save_archive(state: Tensors, path: Path) -> None:
    """Save as OpenAI saved CLIP: a TorchScript archive in half precision."""
    root = _Node()
    for name, tensor in state.items():
        node: nn.Module = root
        *parents, leaf = name.split(".")
        for parent in parents:
            if parent not in node._modules:
                node.add_module(parent, _Node())
            node = node.get_submodule(parent)
        node.register_buffer(leaf, tensor.half() if tensor.is_floating_point() else tensor)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "`torch.jit")  # its category differs by version
        torch.jit.save(torch.jit.script(root), str(path))
