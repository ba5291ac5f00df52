"""A tiny extractor with a weights file, to run what is about weights and devices without a network.

Its file holds one number. It also says on which batches it was called.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from seiqa_features.extraction.runtime import Runtime
from seiqa_features.extractors import registry
from seiqa_features.extractors.specs import (
    Extract,
    Extractor,
    ExtractorSpec,
    Output,
    Resources,
    Weight,
)
from seiqa_features.table.recipe import Recipe
from seiqa_features.weights.files import WeightFiles, file_stem

WEIGHT = Weight("test/factor", "checkpoints|https://example.org/factor.pth", 7, "MIT")
Fails = Callable[[int], Exception | None]
"""Batch size → what goes wrong on it."""


def register(patch: pytest.MonkeyPatch, fails: Fails = lambda _: None) -> list[int]:
    """Register the extractor; the sizes of the batches it sees go into the list returned."""
    batches: list[int] = []

    def build(resources: Resources) -> Extract:
        factor = torch.load(resources.weights[WEIGHT.name], weights_only=True)["factor"]

        def extract(
            *, ref: torch.Tensor, dist: torch.Tensor, ref_index: torch.Tensor
        ) -> dict[str, torch.Tensor]:
            batches.append(len(dist))
            if error := fails(len(dist)):
                raise error
            difference = (
                dist.double().mean(dim=(1, 2, 3)) - ref.double().mean(dim=(1, 2, 3))[ref_index]
            )
            return {"shift": factor * difference}

        return extract

    spec = ExtractorSpec(
        "pretend", 1, {"shift": Output(identity=0.0)}, "RGB", ("torch",), "MIT", "ours", 0.1,
        weights=(WEIGHT,),
    )  # fmt: skip
    patch.setitem(registry._EXTRACTORS, "pretend", Extractor(spec, build))
    return batches


def weights_in(folder: Path, factor: float = 2.0) -> WeightFiles:
    """A weight_files that holds the weights."""
    folder.mkdir(parents=True, exist_ok=True)
    torch.save({"factor": factor}, folder / f"{file_stem(WEIGHT)}.pth")
    return WeightFiles(folder)


def bound(runtime: Runtime, view: str = "s32") -> Recipe:
    """The extractor on a view, and one that needs no weights."""
    recipe, unavailable = runtime.bind(Recipe.parse({"pretend": [view], "gms": ["max512"]}))
    if unavailable:
        raise ValueError(unavailable)
    return recipe
