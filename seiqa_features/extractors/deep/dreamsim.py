"""DreamSim: perceptual similarity of two pictures at a glance, from three vision transformers.

The networks are from the package `dreamsim`, which comes with the extra of that name. By default
the package also downloads DINO code from the head of a repository and runs it. Here DINO's
transformer is the copy in the package itself, with the published weights as distributed by timm,
and only the listed files are downloaded.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any
from zipfile import ZipFile

from seiqa_features.extractors.deep.loading import only_these_files
from seiqa_features.extractors.registry import register
from seiqa_features.extractors.specs import (
    DISTANCE,
    Extra,
    Extract,
    Extractor,
    ExtractorSpec,
    Resources,
    Weight,
)
from seiqa_features.locks import forkable_lock

if TYPE_CHECKING:
    import torch

PACKAGE = Extra("dreamsim", ("dreamsim", "peft"))

ENSEMBLE = Weight(
    "dreamsim/ensemble",
    "dreamsim|https://github.com/ssundaram21/dreamsim/releases/download/v0.2.0-checkpoints/"
    "dreamsim_ensemble_checkpoint.zip",
    1000,  # estimated from its three networks: the archive size is not published
    "MIT",
    extra=PACKAGE,
)
DINO = Weight(
    "timm/vit_base_patch16_224.dino",
    "hf:timm/vit_base_patch16_224.dino/model.safetensors",
    343,
    "apache-2.0",
)

SPEC = ExtractorSpec(
    name="dreamsim",
    version=1,
    outputs={"value": replace(DISTANCE, metric="dreamsim")},
    colour="RGB, normalised by each network's own mean and deviation",
    libraries=("torch", "dreamsim", "peft"),
    licence="MIT",
    source="Fu et al., DreamSim (ensemble of DINO, CLIP and OpenCLIP B/16), NeurIPS 2023",
    cost=2.0,
    weights=(ENSEMBLE, DINO),
    sides=(224,),
    precision="float32",
)


def build(resources: Resources) -> Extract:
    """The extractor function: 1 − cosine of the two embeddings, float64 [B], 0..2."""
    from seiqa_features.extractors.common.networks import encode_both
    from seiqa_features.extractors.common.tokens import cosine, unit

    network = load(resources)
    computing = forkable_lock()  # the package stores intermediate results in the network

    def encode(images: torch.Tensor) -> dict[str, torch.Tensor]:
        with computing:
            return {"embedding": unit(network.embed(images))}

    def extract(
        *, ref: torch.Tensor, dist: torch.Tensor, ref_index: torch.Tensor
    ) -> dict[str, torch.Tensor]:
        refs, dists = encode_both(encode, ref=ref, dist=dist)
        return {"value": 1 - cosine(refs["embedding"][ref_index], dists["embedding"])}

    return extract


def load(resources: Resources) -> Any:
    """The ensemble with the weights from the files, in evaluation mode.

    Raises
    ------
    Exception
        Whatever the libraries raise for a damaged file or one of another architecture.
    """
    from dreamsim.config import dreamsim_args
    from dreamsim.model import PerceptualModel
    from peft import PeftModel

    config = dreamsim_args["model_config"]["ensemble"]
    device = resources.device
    with (
        only_these_files([], resources),
        _own_dino(resources.weights[DINO.name]),
        TemporaryDirectory() as folder,
        warnings.catch_warnings(),
    ):
        warnings.filterwarnings("ignore", ".*weight_norm", FutureWarning)
        with ZipFile(resources.weights[ENSEMBLE.name]) as archive:
            archive.extractall(folder)
        network = PerceptualModel(**config, device=device, load_dir=folder, normalize_embeds=True)
        tuned = PeftModel.from_pretrained(network, str(Path(folder, "ensemble_lora")))
    return tuned.to(device).eval().requires_grad_(False)


@contextmanager
def _own_dino(file: Path) -> Iterator[None]:
    """Make the package build DINO from its own code and the file instead of torch.hub."""
    import torch
    from dreamsim.feature_extraction import vision_transformer
    from safetensors.torch import load_file

    def dino(*_: object) -> Any:
        network = vision_transformer.vit_base(patch_size=16)
        network.load_state_dict(load_file(file))
        return network

    of_the_hub = torch.hub.load
    torch.hub.load = dino  # type: ignore[assignment]
    try:
        yield
    finally:
        torch.hub.load = of_the_hub


register(Extractor(SPEC, build))
