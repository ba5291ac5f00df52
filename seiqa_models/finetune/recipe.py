"""RedpanQA's recipe, its scale, and what a fine-tuning needs of memory and time."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from seiqa_features.errors import UsageError
from seiqa_features.extractors.multimodal.models import (
    Model,
    require_bfloat16,
    require_memory,
)
from seiqa_models.core.arrays import FloatVector

TOKENS = 600
"""Of a pair of pictures of 512×384 pixels and the task."""

_OVERHEAD = 2.5e9
"""Bytes for the CUDA context, one layer's activations and the allocator's slack."""

_EFFICIENCY = 0.4
"""Share of the speed of large matrix products that whole models reach."""

_SECONDS_PER_LAYER = 0.010
"""For starting a layer's kernels, five passes of one pair; measured on an H200, where this
outweighs the arithmetic (benchmarks/bench_finetune.py). A pass that only reads takes a fifth."""


class Recipe(BaseModel):
    """The constants of the LoViF 2026 SeIQA winner (arXiv 2604.11207), unless changed.

    Attributes
    ----------
    base : str
        Name of the base model; see `seiqa_features.extractors.multimodal.models.model_of`.
    view : str
        View in which the pictures are shown.
    rank, alpha : int
        Of LoRA.
    learning_rate, weight_decay : float
        AdamW's; the rate rises during the first `warmup` of the steps, then falls to 0 along a half
        cosine. The original's schedule after the warm-up and its weight decay are not published.
    warmup : float
        Share of the steps.
    epochs, batch : int
        Passes over the pairs, and pairs per step.
    scale : {"min_max", "line"}
        How a member's numbers are mapped to the label: its training predictions from lowest to
        highest to the label range, as in the original, or by least squares.
    four_bit : bool
        Whether the base model's weights are kept in 4 bits, which needs a GPU.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    base: str = "qwen3_vl_4b"
    view: str = "max512"
    rank: int = Field(64, ge=1)
    alpha: int = Field(128, ge=1)
    learning_rate: float = Field(1e-4, gt=0)
    weight_decay: float = Field(0.0, ge=0)
    warmup: float = Field(0.05, ge=0, lt=1)
    epochs: int = Field(2, ge=1)
    batch: int = Field(16, ge=2)
    scale: Literal["min_max", "line"] = "min_max"
    four_bit: bool = False


def line_to_label(
    numbers: FloatVector, label: FloatVector, label_range: tuple[float, float], scale: str
) -> tuple[float, float]:
    """Slope and intercept from a member's numbers for its training rows to the label.

    Parameters
    ----------
    numbers, label : float64 [n]
    label_range : (float, float)
        Lowest and highest label.
    scale : {"min_max", "line"}
        See `Recipe.scale`.
    """
    spread = float(np.ptp(numbers))
    if spread == 0:
        return 0.0, float(label.mean())
    if scale == "min_max":
        slope = (label_range[1] - label_range[0]) / spread
        return slope, label_range[0] - slope * float(numbers.min())
    slope = float(np.cov(numbers, label, bias=True)[0, 1] / numbers.var())
    return slope, float(label.mean() - slope * numbers.mean())


@dataclass(frozen=True)
class Needs:
    """What a fine-tuning is expected to need.

    Attributes
    ----------
    gigabytes : float
        Memory of the device.
    hours : float
        For all folds.
    trained : int
        Number of trained parameters.
    """

    gigabytes: float
    hours: float
    trained: int


def needs_of(
    recipe: Recipe, config: Any, *, pairs: int, folds: int, operations_per_second: float
) -> Needs:
    """Memory and time from the architecture, without loading weights.

    A step reads each pair three times forwards (once for the batch's predictions, once with
    gradients, once because only the layers' borders are kept) and once backwards, which counts as
    two.

    Parameters
    ----------
    config : Any
        The model's configuration in transformers.
    pairs : int
        Labelled pairs.
    operations_per_second : float
        Of large matrix products on the device.
    """
    import torch
    from torch import nn

    from seiqa_features.extractors.multimodal.models import require_class

    with torch.device("meta"):
        network = require_class()(config).model
    layers = [module for module in network.modules() if isinstance(module, nn.Linear)]
    base = sum(parameter.numel() for parameter in network.parameters())
    linear = sum(layer.weight.numel() for layer in layers)
    adapters = recipe.rank * sum(layer.in_features + layer.out_features for layer in layers)
    text = config.text_config
    borders = 2 * TOKENS * text.hidden_size * text.num_hidden_layers
    held = 2 * (base - linear) + (0.55 if recipe.four_bit else 2) * linear
    memory = held + 16 * adapters + borders + _OVERHEAD  # weight, gradient and two of AdamW
    arithmetic = 2 * base * TOKENS / (_EFFICIENCY * operations_per_second)  # one pair, forwards
    starting = (text.num_hidden_layers + config.vision_config.depth) * _SECONDS_PER_LAYER / 5
    training = recipe.epochs * pairs * (folds - 1)
    reading = (recipe.epochs + folds) * pairs
    hours = (5 * training + reading) * (arithmetic + starting) / 3600
    return Needs(memory / 1e9, hours, adapters)


def require_device(recipe: Recipe, model: Model, device: str, needs: Needs) -> None:
    """Refuse a device on which the fine-tuning cannot run, before anything is loaded.

    Raises
    ------
    UsageError
        4-bit weights without a GPU.
    DeviceError
        The GPU lacks bfloat16, or has too little free memory; the message says what would fit.
    """
    if device == "cpu":
        if recipe.four_bit:
            raise UsageError("finetune.four_bit needs a GPU: leave it out, or use --device cuda")
        return
    require_bfloat16(device)
    require_memory(
        f"fine-tuning {recipe.base}",
        model,
        device,
        needs.gigabytes,
        option="finetune.base: {}",
        other=[] if recipe.four_bit else ["finetune.four_bit: true"],
    )


def speed_of(device: str) -> float:
    """Operations per second of a large matrix product on the device, measured in a moment."""
    import torch

    side = 512 if device == "cpu" else 4096
    kind = torch.float32 if device == "cpu" else torch.bfloat16
    matrix = torch.ones(side, side, dtype=kind, device=device)
    seconds = []
    for _ in range(4):
        started = time.perf_counter()
        product = matrix @ matrix
        float(product[0, 0])  # waits for the GPU
        seconds.append(time.perf_counter() - started)
    return 2 * side**3 / min(seconds)
