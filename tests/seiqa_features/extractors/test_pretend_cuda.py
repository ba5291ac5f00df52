"""Every extractor on a pretended GPU: devices are never mixed, and nothing in a batch waits."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from seiqa_features.extractors.common.constants import computing_on
from seiqa_features.extractors.openclip.prompts import texts
from seiqa_features.extractors.registry import all_extractors, get_extractor
from seiqa_features.extractors.specs import Extract, ExtractorSpec, Output, Resources
from tests.seiqa_features.pretend_cuda import pretended_cuda
from tests.seiqa_features.random_networks import (
    TINY_CLIP,
    TINY_TOWERS,
    TINY_VIT,
    TOWERS,
    register_clip,
    register_tiny_clip,
    resources_for,
)

# As in test_registry.py, a tiny transformer of each family stands for the presets. The detector
# and DreamSim have no random weights; their networks are torchvision's and the package's.
STANDING_FOR = ("timm/", "open_clip/", "dreamsim/", "torchvision/fasterrcnn")
NAMES = [
    *sorted(
        name
        for name, entry in all_extractors().items()
        if entry.spec.runs_on_gpu
        and not any(weight.name.startswith(STANDING_FOR) for weight in entry.spec.weights)
    ),
    TINY_VIT,
    TINY_CLIP,
    *TINY_TOWERS,
]
SIZE = 177, 193
QUICK = {TINY_VIT, TINY_CLIP, *TINY_TOWERS, "lite0"}


@pytest.fixture(autouse=True)
def _tiny_clip(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    register_tiny_clip(monkeypatch)
    register_clip(monkeypatch, TOWERS)
    monkeypatch.setattr(  # they are computed when the extractor is built
        "seiqa_features.extractors.openclip.embeddings.text_embeddings",
        lambda facts, *_: np.ones((len(texts()), facts.dim), np.float32),
    )
    yield
    gc.collect()  # networks of hundreds of megabytes, in cycles with the modes


def is_quick(spec: ExtractorSpec) -> bool:
    return not spec.weights and not spec.waits


def slow(name: str) -> Any:
    return pytest.param(name, marks=pytest.mark.slow)


def shape_of(spec: ExtractorSpec) -> tuple[int, int]:
    if spec.sides:
        return spec.sides[0], spec.sides[0]
    if spec.side_multiple > 1:
        return 10 * spec.side_multiple, 10 * spec.side_multiple
    return SIZE


def run(work: Extract, size: tuple[int, int]) -> dict[str, torch.Tensor]:
    """A batch of three pairs with two references."""
    ref, dist = (torch.rand(count, 3, *size, device="cuda") for count in (2, 3))
    index = torch.zeros(3, dtype=torch.int64, device="cuda")
    with computing_on("cuda"):
        return dict(work(ref=ref, dist=dist, ref_index=index))


@pytest.mark.parametrize(
    "name",
    [name if name in QUICK or is_quick(get_extractor(name).spec) else slow(name) for name in NAMES],
)
@pytest.mark.filterwarnings("ignore:Accessing the data pointer of FakeTensor")
def test_devices_are_not_mixed_and_nothing_waits(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    entry = get_extractor(name)
    files = resources_for(name, tmp_path).weights
    with (
        pretended_cuda(monkeypatch, unknown_sizes=entry.spec.waits) as cuda,
        torch.inference_mode(),
    ):
        work = entry.build(Resources("cuda", files))
        run(work, shape_of(entry.spec))  # sends the constants
        cuda.crossings.clear()
        values = run(work, shape_of(entry.spec))
    assert set(values) == set(entry.spec.outputs)
    for output, value in values.items():
        assert value.device.type == "cuda", output
        assert len(value) == 3, output
    if not entry.spec.waits:
        assert cuda.crossings == []


def test_waiting_and_mixing_would_be_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    with pretended_cuda(monkeypatch) as cuda, torch.inference_mode():
        there = torch.ones(4, device="cuda")
        for waits in (
            lambda: there.sum().item(),
            lambda: bool(there.sum() > 1),
            lambda: there[there > 0],
            lambda: there + torch.ones(4),
        ):
            with pytest.raises(Exception, match=r"aten|device"):
                waits()
        assert cuda.crossings == ["aten.add.Tensor"]
        there + torch.ones(4).to("cuda")
        assert len(cuda.crossings) == 2


def test_an_extractor_says_why_it_waits_or_stays_on_the_cpu() -> None:
    for name, entry in all_extractors().items():
        spec = entry.spec
        special = spec.waits or spec.gpu in ("no", "float64")
        assert bool(spec.gpu_note) == special, name
        assert spec.runs_on_gpu or not spec.waits, name


def test_one_without_weights_runs_on_a_gpu_only_if_it_says_so() -> None:
    spec = ExtractorSpec("new", 1, {"value": Output()}, "RGB", ("torch",), "MIT", "ours", 0.1)
    assert not spec.runs_on_gpu
