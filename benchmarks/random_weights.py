"""Weights files of full-size networks with random numbers in them: speed needs no training.

They go through the same loading code as real ones, so a benchmark needs no network. Only CLIP-IQA's
network is a small one.
"""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors.torch import save_file

from seiqa_features.extractors.specs import Weight
from seiqa_features.table.recipe import Recipe
from seiqa_features.weights.files import WeightFiles, file_stem
from tests.seiqa_features import iqa_weights


def write_random_weights(recipe: Recipe, folder: Path) -> WeightFiles:
    """A weight_files that holds a file for each of the recipe's weights."""
    folder.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(0)
    for weight in recipe.weights:
        library, _, rest = weight.name.partition("/")
        if library == "timm":
            _save(weight, folder, _timm_state(rest))
        elif library == "open_clip":
            _save(weight, folder, _clip_state(rest.split("/")[0]))
        else:
            path = iqa_weights.write(weight, folder)
            path.replace(folder / f"{file_stem(weight)}{path.suffix}")
    return WeightFiles(folder)


def _save(weight: Weight, folder: Path, state: dict[str, torch.Tensor]) -> None:
    tensors = {name: tensor.contiguous() for name, tensor in state.items()}
    save_file(tensors, folder / f"{file_stem(weight)}.safetensors")


def _timm_state(model: str) -> dict[str, torch.Tensor]:
    import timm

    state: dict[str, torch.Tensor] = timm.create_model(model, num_classes=0).state_dict()
    return state


def _clip_state(model: str) -> dict[str, torch.Tensor]:
    import open_clip

    state: dict[str, torch.Tensor] = open_clip.create_model(model).state_dict()
    return state
