"""OpenCLIP: networks trained on captioned pictures, which capture the meaning of a picture.

A picture is compared as a whole (its embedding, and from that its similarity to texts) and by
position at several depths: by the tokens of a vision transformer (`tokens.compare`) or the maps of
a convolutional image tower (`stages.compare`). CLIP and PE-Core are presets;
`openclip:<model>:<tag>` is any other model that open_clip lists. The view corresponds to how the
weights' own preprocessing handles the aspect ratio: c224 for CLIP (shortest side, then centre
crop), s224 for models that squeeze, such as PE-Core.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from seiqa_features.errors import UsageError
from seiqa_features.extractors.common.outputs import (
    drift_outputs,
    matching_outputs,
    stage_outputs,
    token_outputs,
)
from seiqa_features.extractors.openclip.facts import PRESETS, Facts, facts_of
from seiqa_features.extractors.openclip.prompts import Matrix, remembered, texts
from seiqa_features.extractors.registry import register, resolver
from seiqa_features.extractors.specs import (
    Better,
    Extract,
    Extractor,
    ExtractorSpec,
    Output,
    Resources,
)

if TYPE_CHECKING:
    import torch

VERSION = 1  # increase with any change of the prompts or the vocabulary
PREFIX = "openclip"
TEXTS_AT_ONCE = 64


def _anchor_outputs(name: str, better: Better) -> dict[str, Output]:
    """The outputs of `concepts.anchor_values` for each picture, and their difference."""
    of_dist = Output(better=better, differentiable=True)
    return {
        f"{name}_ref": Output(),
        f"{name}_dist": of_dist,
        f"{name}_drift": replace(of_dist, identity=0.0),
    }


TEXT_OUTPUTS = {
    **_anchor_outputs("good", "higher"),
    **_anchor_outputs("bad", "lower"),
    **_anchor_outputs("quality", "higher"),
    **drift_outputs("concept"),
}

PATCH_OUTPUTS = {**token_outputs(), **matching_outputs("mid2_")}


def _extractor(name: str, facts: Facts) -> Extractor:
    spec = ExtractorSpec(
        name=name,
        version=VERSION,
        outputs={
            "image_ref": Output(facts.dim, role="ref"),
            "image_dist": Output(facts.dim, role="dist", differentiable=True),
            **(TEXT_OUTPUTS if facts.reads else {}),
            **(stage_outputs(facts.stages) if facts.stages else PATCH_OUTPUTS),
        },
        colour="RGB, normalised with the weights' own mean and deviation",
        libraries=facts.libraries,
        licence="MIT",
        source=f"{facts.source}, by open_clip; concept drift: ours",
        cost=facts.cost,
        weights=(facts.weight,),
        resampling=facts.resampling,
        sides=(facts.side,),
    )
    return Extractor(spec, partial(build, facts))


@resolver(PREFIX)
def resolve(name: str) -> Extractor:
    """The extractor of any model and tag that open_clip lists.

    Raises
    ------
    UsageError
        It lists none of that name, or the text tower's architecture is a separate download.
    """
    import open_clip

    wanted = name.removeprefix(f"{PREFIX}:")
    known = open_clip.list_pretrained(as_str=True)
    if wanted not in known:
        near = difflib.get_close_matches(wanted, known, n=1, cutoff=0)[0]
        raise UsageError(f"extractor {name!r} does not exist; did you mean {PREFIX}:{near}?")
    return _extractor(name, facts_of(*wanted.split(":")))


def build(facts: Facts, resources: Resources) -> Extract:
    """The extractor function.

    Embeddings are as returned by `encode_image`, not normalised, because their length is also
    informative. Cosines, probabilities and derived values are float64 whatever the precision.
    """
    import torch
    from open_clip import get_model_preprocess_cfg
    from torch.nn import functional as F

    from seiqa_features.extractors.common.networks import Features, encode_both
    from seiqa_features.extractors.common.stages import compare as compare_stages
    from seiqa_features.extractors.common.tokens import compare as compare_tokens
    from seiqa_features.extractors.openclip import patches, stages
    from seiqa_features.extractors.openclip.concepts import text_values

    network = load(facts, resources.weights[facts.weight.name])
    scale = network.logit_scale.exp().item()
    network = network.to(resources.device)
    if resources.device != "cpu":
        network = network.to(memory_format=torch.channels_last)
    own = get_model_preprocess_cfg(network)
    mean, std = (
        torch.tensor(own[k], device=resources.device).view(1, 3, 1, 1) for k in ("mean", "std")
    )
    directions = None
    if facts.reads:
        embeddings = torch.from_numpy(text_embeddings(facts, network, resources)).to(
            resources.device
        )
        directions = F.normalize(embeddings.double(), dim=1)

    if facts.stages:
        read, compare = stages.reader(network), partial(compare_stages, stages=facts.stages)
    else:
        read, compare = patches.reader(network), partial(compare_tokens, matched=patches.MATCHED)

    def encode(images: torch.Tensor) -> Features:
        features = read((images - mean) / std)
        if directions is not None:
            features["cosines"] = F.normalize(features["image"].double(), dim=1) @ directions.T
        return features

    def extract(
        *, ref: torch.Tensor, dist: torch.Tensor, ref_index: torch.Tensor
    ) -> dict[str, torch.Tensor]:
        refs, dists = encode_both(encode, ref=ref, dist=dist)
        values = {
            "image_ref": refs["image"][ref_index],
            "image_dist": dists["image"],
            **compare(ref=refs, dist=dists, ref_index=ref_index),
        }
        if directions is not None:
            cosines = refs["cosines"][ref_index]
            values |= text_values(ref=cosines, dist=dists["cosines"], scale=scale)
        return values

    return extract


def load(facts: Facts, path: Path) -> Any:
    """The network with weights from a file, in the form that its tag requires.

    Activation and preprocessing depend on the tag. A local file has no tag, and even with the tag
    open_clip builds the openai models without the QuickGELU of their weights and only warns.

    Raises
    ------
    ValueError
        The file is for the same model with another picture size.
    Exception
        Whatever open_clip raises for a damaged file or one of another architecture.
    """
    import open_clip
    from open_clip.factory import load_state_dict

    tag = open_clip.get_pretrained_cfg(facts.model, facts.tag)
    network = open_clip.create_model(
        facts.model,
        str(path),
        force_quick_gelu=tag.get("quick_gelu", False),
        force_preprocess_cfg=tag,
    )
    _require_same_shapes(network, load_state_dict(str(path)))
    return network.eval().requires_grad_(False)


def _require_same_shapes(network: torch.nn.Module, stored: Mapping[str, torch.Tensor]) -> None:
    """Refuse position embeddings of another size, which open_clip would interpolate."""
    for name, tensor in network.state_dict().items():
        if tensor.dim() > 1 and name in stored and stored[name].shape != tensor.shape:
            raise ValueError(
                f"{name} has shape {tuple(stored[name].shape)}, expected {tuple(tensor.shape)}"
            )


def text_embeddings(facts: Facts, network: Any, resources: Resources) -> Matrix:
    """`encode_text` of all texts, float32 [texts, dim]; computed once per weights file.

    Raises
    ------
    StoreError
        The cache folder cannot be written.
    """
    import open_clip
    import torch

    def compute() -> Matrix:
        tokens = open_clip.get_tokenizer(facts.model)(texts()).to(resources.device)
        with torch.inference_mode():
            parts = [network.encode_text(part) for part in tokens.split(TEXTS_AT_ONCE)]
        return np.asarray(torch.cat(parts).cpu().numpy())

    path = resources.weights[facts.weight.name].resolve()
    stat = path.stat()
    key = {
        "model": [facts.model, facts.tag],
        "weights": [str(path), stat.st_size, stat.st_mtime_ns],
        "texts": texts(),
        "device": resources.device.partition(":")[0],  # CPU and GPU round differently
        "libraries": {name: version(name) for name in facts.libraries},
    }
    return remembered(compute, key=key, folder=resources.scratch)


for _name, _facts in PRESETS.items():
    register(_extractor(_name, _facts))
