"""Count what every extractor computes and moves on a GPU, without one: for `costs/counts.py`.

    python benchmarks/count_costs.py [EXTRACTOR …]

Each extractor runs on a pretended GPU or on PyTorch's meta device, where tensors have shapes but
no content. Floating-point operations are those of matrix products, convolutions and attention
(`torch.utils.flop_counter`); bytes are those that every operation reads and writes. Both are
counted on two sizes, for a part that grows with the pixels of a view and one that grows with their
square.
"""
# ruff: noqa: T201

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import FlopCounterMode

sys.path.insert(0, str(Path(__file__).parents[1]))  # pretended GPU and random weights of the tests

from seiqa_features.costs.counts import COUNTS
from seiqa_features.extractors.common.constants import computing_on
from seiqa_features.extractors.registry import all_extractors, get_extractor
from seiqa_features.extractors.specs import Extract, ExtractorSpec, Resources
from tests.seiqa_features.pretend_cuda import pretended_cuda
from tests.seiqa_features.random_networks import resources_for

PAIRS = 16  # what is done once for a batch should hardly count
SIDES = (256, 384)
TRANSFORMERS = ("timm/vit", "open_clip/")
NARROW = ("clipiqa",)  # the tests' stand-in for its network is narrower than the network
TARGET = Path(__file__).parents[1] / "seiqa_features" / "costs" / "counts.py"


class Moved(TorchDispatchMode):
    """Adds up the bytes that operations read and write."""

    def __init__(self) -> None:
        super().__init__()
        self.bytes = 0

    def __torch_dispatch__(
        self,
        func: Any,
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        result = func(*args, **(kwargs or {}))
        if not func.is_view:
            leaves = tree_leaves((args, kwargs or {}, result))
            self.bytes += sum(size_of(leaf) for leaf in leaves if isinstance(leaf, torch.Tensor))
        return result


def size_of(tensor: torch.Tensor) -> int:
    """Bytes; 0 if they depend on content."""
    known = all(isinstance(size, int) for size in tensor.shape)
    return int(tensor.numel() * tensor.element_size()) if known else 0


def main() -> None:
    """Count, and write the table; of the extractors named, or of all."""
    names = sys.argv[1:] or [
        n for n, e in all_extractors().items() if e.spec.runs_on_gpu and n not in NARROW
    ]
    found = dict(COUNTS)
    for name in sorted(names):
        try:
            found[name] = count(name)
        except Exception as error:  # its size depends on content, or nobody has its weights
            print(f"{name}: {type(error).__name__} {str(error)[:100]}", flush=True)
            continue
        print(name, found[name], flush=True)
        TARGET.write_text(table(found), encoding="utf-8")  # those counted, if it is interrupted


def count(name: str) -> tuple[float, float, float, float]:
    """Operations and bytes of a pair: per pixel and per squared pixel of the view, each."""
    spec = get_extractor(name).spec
    sides = spec.sides[:1] or tuple(
        side // spec.side_multiple * spec.side_multiple for side in SIDES
    )
    patch = pytest.MonkeyPatch()
    with running(name, spec, patch) as run:
        counts = [run(side) for side in sides]
    patch.undo()
    pixels = [side**2 for side in sides]
    flops, moved = (fit(pixels, [each[i] for each in counts]) for i in (0, 1))
    return (*flops, *moved)


def fit(pixels: Sequence[int], counts: Sequence[float]) -> tuple[float, float]:
    """The coefficients of x and x² that go through one or two counts."""
    if len(pixels) == 1:
        return counts[0] / pixels[0], 0.0
    one, two = (value / size for value, size in zip(counts, pixels, strict=True))
    square = max(0.0, (two - one) / (pixels[1] - pixels[0]))
    return one - square * pixels[0], square


@contextmanager
def running(
    name: str, spec: ExtractorSpec, patch: pytest.MonkeyPatch
) -> Iterator[Callable[[int], tuple[float, float]]]:
    """A function that counts one call with pictures of a side."""
    if any(weight.name.startswith(TRANSFORMERS) for weight in spec.weights):
        without_weights(patch)
        files = {weight.name: Path() for weight in spec.weights}
        with torch.device("meta"), torch.inference_mode():
            work = get_extractor(name).build(Resources("meta", files))
            yield lambda side: counted(work, side, "meta")
        return
    with tempfile.TemporaryDirectory() as folder:
        files = resources_for(name, Path(folder)).weights if spec.weights else {}
        with pretended_cuda(patch, unknown_sizes=spec.waits), torch.inference_mode():
            work = get_extractor(name).build(Resources("cuda", files))
            yield lambda side: counted(work, side, "cuda")


def without_weights(patch: pytest.MonkeyPatch) -> None:
    """Transformers get their architecture only."""
    import open_clip

    from seiqa_features.extractors.common import timm_models
    from seiqa_features.extractors.openclip import embeddings
    from seiqa_features.extractors.openclip.prompts import texts

    patch.setattr(timm_models, "load", lambda model, _: timm_models.create(model))
    patch.setattr(
        embeddings,
        "load",
        lambda facts, _: open_clip.create_model(facts.model, device="meta").eval(),
    )
    patch.setattr(torch.Tensor, "item", lambda _: 100.0)  # the scale of CLIP's logits
    patch.setattr(torch, "autocast", lambda *_, **__: nullcontext())  # unknown on meta
    patch.setattr(
        embeddings, "text_embeddings",
        lambda facts, *_: np.ones((len(texts()), facts.dim), np.float32),
    )  # fmt: skip


def counted(work: Extract, side: int, device: str) -> tuple[float, float]:
    """Operations and bytes per pair, for pairs that each have a reference of their own."""
    ref, dist = (torch.rand(PAIRS, 3, side, side, device=device) for _ in range(2))
    index = torch.arange(PAIRS, device=device)
    with computing_on(device):
        work(ref=ref, dist=dist, ref_index=index)
        with FlopCounterMode(display=False) as flops:
            work(ref=ref, dist=dist, ref_index=index)
        with Moved() as moved:
            work(ref=ref, dist=dist, ref_index=index)
    return flops.get_total_flops() / PAIRS, moved.bytes / PAIRS


def table(found: Mapping[str, Sequence[float]]) -> str:
    """The module with the counts."""
    rows = "\n".join(
        f'    "{name}": ({", ".join(f"{value:.4g}" for value in counts)}),'
        for name, counts in sorted(found.items())
    )
    return f'''"""Counts per pair on a GPU, written by `benchmarks/count_costs.py`."""

Counts = tuple[float, float, float, float]
"""Floating-point operations per pixel of a view and per squared pixel, bytes likewise."""

COUNTS: dict[str, Counts] = {{
{rows}
}}
'''


if __name__ == "__main__":
    main()
