"""Classical metrics on a real GPU: the CPU's values, and nothing in a batch waits.

What of this needs no GPU is tested in `test_pretend_cuda.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import cache

import numpy as np
import pytest
import torch

from seiqa_features.extractors.common.constants import computing_on
from seiqa_features.extractors.registry import all_extractors, get_extractor
from seiqa_features.extractors.specs import Extract, Resources

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here"),
]
NAMES = sorted(
    name
    for name, entry in all_extractors().items()
    if entry.spec.runs_on_gpu and not entry.spec.weights
)
TOLERANCE = {"float32": 2e-4, "float64": 2e-5}
"""Of a value, relative above 1."""

Values = Mapping[str, torch.Tensor]


@cache
def built(name: str, device: str) -> Extract:
    return get_extractor(name).build(Resources(device))


@pytest.fixture(autouse=True)
def _exact() -> Iterator[None]:
    with torch.backends.cudnn.flags(enabled=True, deterministic=True, allow_tf32=False):
        yield


@pytest.fixture
def batch(texture: Callable[..., np.ndarray]) -> dict[str, torch.Tensor]:
    """Two references and four degraded pictures, one of them equal to its reference."""
    size = 177, 193
    refs = [texture(seed, *size) for seed in (1, 2)]
    dists = [np.round(0.75 * refs[i % 2] + 0.25 * texture(8 + i, *size)) for i in range(3)]
    sides = {"ref": refs, "dist": [*dists, refs[1]]}
    stacked = {
        side: torch.from_numpy(np.stack(pictures).transpose(0, 3, 1, 2).astype(np.float32)) / 255
        for side, pictures in sides.items()
    }
    return {**stacked, "ref_index": torch.tensor([0, 1, 0, 1])}


def run(name: str, batch: Mapping[str, torch.Tensor], device: str) -> Values:
    with torch.inference_mode(), computing_on(device):
        return built(name, device)(**{key: value.to(device) for key, value in batch.items()})


@pytest.mark.parametrize("name", NAMES)
def test_a_batch_on_the_gpu_gives_what_the_cpu_gives(
    name: str, batch: dict[str, torch.Tensor]
) -> None:
    here, there = run(name, batch, "cpu"), run(name, batch, "cuda")
    assert here.keys() == there.keys()
    tolerance = TOLERANCE[get_extractor(name).spec.gpu or "float32"]
    for output, expected in here.items():
        assert there[output].device.type == "cuda", output
        assert there[output].dtype == expected.dtype, output
        found = there[output].cpu()
        assert torch.equal(found.isnan(), expected.isnan()), output
        far = ((found - expected).abs() / expected.abs().clamp(min=1)).nan_to_num()
        assert far.max() < tolerance, output


@pytest.mark.filterwarnings("ignore:Synchronization debug mode is a prototype:UserWarning")
@pytest.mark.parametrize("name", [name for name in NAMES if not get_extractor(name).spec.waits])
def test_nothing_in_a_batch_waits(name: str, batch: dict[str, torch.Tensor]) -> None:
    run(name, batch, "cuda")  # sends the constants
    there = {key: value.to("cuda") for key, value in batch.items()}
    torch.cuda.set_sync_debug_mode("error")
    try:
        with torch.inference_mode(), computing_on("cuda"):
            values = built(name, "cuda")(**there)
    finally:
        torch.cuda.set_sync_debug_mode("default")
    assert len(values) == len(get_extractor(name).spec.outputs)
