"""The pretrained features the way a script computes them: one image at a time, model after model.

As the challenge's runner-up does it (arXiv 2604.11207): every network is called for each picture
and each scale, the libraries' own transforms prepare the picture, nothing is batched or shared. It
gives the columns that say whether both ways did the same work.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from plain_loop import PlainLoop, Values
from torch.nn import functional as F

from seiqa_features.extraction.runtime import Runtime
from seiqa_features.extractors.registry import get_extractor
from seiqa_features.extractors.specs import Resources
from seiqa_features.pictures.decoding import load_rgb
from seiqa_features.table.recipe import Block, Recipe

Call = Callable[[Image.Image, Image.Image], dict[str, float]]
"""(reference, degraded image) → column → value."""


class FaithfulLoop:
    """One image at a time. Networks are loaded when the loop is made, as our runner's are."""

    def __init__(self, recipe: Recipe, runtime: Runtime) -> None:
        pretrained = [block for block in recipe.blocks if block.spec.weights]
        self.calls = [_call(block, runtime) for block in pretrained]
        classical = recipe.without({block.spec.name for block in pretrained})
        self.classical = PlainLoop(classical) if classical.blocks else None

    def run(self, pairs: Sequence[tuple[Path, Path]]) -> list[Values]:
        """Values of (reference, degraded) picture files."""
        rows = self.classical.run(pairs) if self.classical else [{} for _ in pairs]
        with torch.inference_mode():
            for row, (ref_path, dist_path) in zip(rows, pairs, strict=True):
                ref, dist = load_rgb(ref_path), load_rgb(dist_path)
                for call in self.calls:
                    row.update(call(ref, dist))
        return rows


def _call(block: Block, runtime: Runtime) -> Call:
    name = block.spec.name
    library = block.spec.weights[0].name.split("/")[0]
    files = {w.name: runtime.weight_files.verified(w) for w in block.spec.weights}
    if library == "open_clip":
        return _clip(block, files, runtime.device)
    if library == "timm":
        return _vit(block, files, runtime.device)
    # The metrics are pyiqa's own calls; ours is built from them, so one pair of it is one call.
    work = get_extractor(name).build(Resources(runtime.device, files))

    def metric(ref: Image.Image, dist: Image.Image) -> dict[str, float]:
        images = [_pixels(block, image, ref.size, runtime.device) for image in (ref, dist)]
        index = torch.zeros(1, dtype=torch.int64, device=runtime.device)
        values = work(ref=images[0], dist=images[1], ref_index=index)
        return {f"{block.name}__{key}": float(value) for key, value in values.items()}

    return metric


def _clip(block: Block, files: Mapping[str, Path], device: str) -> Call:
    import open_clip

    _, model, tag = next(iter(files)).split("/")
    quick = open_clip.get_pretrained_cfg(model, tag).get("quick_gelu", False)
    network = open_clip.create_model(
        model, str(files[f"open_clip/{model}/{tag}"]), force_quick_gelu=quick
    )
    network = network.to(device).eval()
    own = open_clip.get_pretrained_cfg(model, tag)
    mean, std = (torch.tensor(own[key], device=device).view(1, 3, 1, 1) for key in ("mean", "std"))

    def compare(ref: Image.Image, dist: Image.Image) -> dict[str, float]:
        r, d = (
            network.encode_image((_pixels(block, image, ref.size, device) - mean) / std)
            for image in (ref, dist)
        )
        return {f"{block.name}__image_cosine": float(F.cosine_similarity(r, d))}

    return compare


def _vit(block: Block, files: Mapping[str, Path], device: str) -> Call:
    import timm

    (name, path), *_ = files.items()
    network: Any = timm.create_model(
        name.removeprefix("timm/"),
        pretrained=True,
        pretrained_cfg_overlay={"file": str(path), "custom_load": False},
        num_classes=0,
        dynamic_img_size=True,
    )
    network = network.to(device).eval()
    own = network.pretrained_cfg
    mean, std = (torch.tensor(own[key], device=device).view(1, 3, 1, 1) for key in ("mean", "std"))

    def tokens(image: Image.Image, size: tuple[int, int]) -> tuple[torch.Tensor, torch.Tensor]:
        found = network.forward_features((_pixels(block, image, size, device) - mean) / std)[0]
        return found[0], found[network.num_prefix_tokens :]

    def compare(ref: Image.Image, dist: Image.Image) -> dict[str, float]:
        (r_cls, r), (d_cls, d) = tokens(ref, ref.size), tokens(dist, ref.size)
        patches = F.cosine_similarity(r, d, dim=1)
        return {
            f"{block.name}__cls_cosine": float(F.cosine_similarity(r_cls, d_cls, dim=0)),
            f"{block.name}__patch_mean": float(patches.mean()),
            f"{block.name}__patch_min": float(patches.min()),
        }

    return compare


def _pixels(block: Block, image: Image.Image, size: tuple[int, int], device: str) -> torch.Tensor:
    view = block.view.prepare(image, size, block.spec.resampling)
    return torch.from_numpy(np.ascontiguousarray(view)).to(device).float() / 255
