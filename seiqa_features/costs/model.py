"""The cost of extracting a recipe for a set of pairs, from counts and measured rates alone.

On a GPU a block takes the time of its floating-point operations or that of the bytes it moves,
whichever is longer, at the shares of the data sheet's rates that were measured (`machines.py`).
Operations and bytes are counted per pixel of a view (`counts.py`). On a CPU a block takes
`ExtractorSpec.cost` in proportion to the pixels of its view. Decoding and resizing take seconds per
megapixel, in worker threads beside the GPU. The slower of the two sides sets the pace.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from seiqa_features.costs.counts import COUNTS
from seiqa_features.costs.machines import (
    BANDWIDTH_SHARE,
    HALF_SHARE,
    SERIAL_DECODING,
    SINGLE_SHARE,
    Gpu,
    speedup,
)
from seiqa_features.extractors.specs import ExtractorSpec
from seiqa_features.pictures.views import View
from seiqa_features.table.recipe import Block, Recipe

MEGA, GIGA = 1e6, 1e9
DECODING = {".jpg": 0.011, ".jpeg": 0.011}
"""Seconds per megapixel and picture on one core to decode and hash, by file name."""

OTHER_DECODING = 0.039  # measured for PNG
SHRINKING, WRITING, COPYING = 0.007, 0.015, 0.002
"""Seconds per megapixel that a resized picture has before and after, and per megapixel copied."""

SENDING = 6e9
"""Bytes per second at which views are gathered, pinned and sent to a GPU, measured on an H100."""

TASK_PAIRS = 4  # a reference is decoded once for so many pairs at most
USUAL = (512, 384)  # of the pictures to which `ExtractorSpec.cost` refers
CORE_RATE = 8.5e10
"""Floating-point operations per second of one core, for extractors that nobody counted."""

ROW_BYTES = 60
"""Keys, seconds and format of a stored row, compressed."""


@dataclass(frozen=True)
class PairSize:
    """Width and height of a pair's reference, and the suffix of its degraded picture's file."""

    width: int
    height: int
    suffix: str


@dataclass(frozen=True)
class Cost:
    """Seconds of one pair in one block, by what they are spent on; on a GPU by what is slower."""

    cpu: float = 0.0
    arithmetic: float = 0.0
    memory: float = 0.0

    @property
    def seconds(self) -> float:
        """All of them together."""
        return self.cpu + self.gpu

    @property
    def gpu(self) -> float:
        """On the GPU."""
        return self.arithmetic + self.memory


@dataclass(frozen=True)
class Plan:
    """The cost of an extraction.

    Attributes
    ----------
    pairs, workers : int
        Number of pairs and of worker threads.
    megapixels : float
        Of the mean reference.
    decoding : float
        Seconds of one core per pair to decode and to resize.
    sending : float
        Seconds per pair to send views to the GPU.
    blocks : dict[str, Cost]
        Cost of one mean pair by block.
    weights, store : float
        Bytes of the pretrained files and of the features.
    """

    pairs: int
    workers: int
    megapixels: float
    decoding: float
    sending: float
    blocks: dict[str, Cost]
    weights: float
    store: float

    @property
    def cpu(self) -> float:
        """Seconds of one core per pair."""
        return self.decoding + sum(cost.cpu for cost in self.blocks.values())

    @property
    def gpu(self) -> float:
        """Seconds of the GPU per pair."""
        return self.sending + sum(cost.gpu for cost in self.blocks.values())

    @property
    def clock(self) -> float:
        """Seconds of all workers together per pair."""
        metrics = self.cpu - self.decoding
        return metrics / speedup(self.workers) + self.decoding / speedup(
            self.workers, SERIAL_DECODING
        )

    @property
    def rate(self) -> float:
        """Pairs per second."""
        return 1 / max(self.gpu, self.clock)

    @property
    def hours(self) -> float:
        """For all pairs."""
        return self.pairs / self.rate / 3600

    @property
    def limit(self) -> str:
        """What sets the pace."""
        if self.clock >= self.gpu:
            metrics = self.cpu - self.decoding
            part = "decoding and resizing" if self.decoding > metrics else "features"
            return f"CPU: {part}"
        parts = {
            "arithmetic": sum(cost.arithmetic for cost in self.blocks.values()),
            "memory bandwidth": sum(cost.memory for cost in self.blocks.values()),
            "sending pictures": self.sending,
        }
        return f"GPU: {max(parts, key=parts.__getitem__)}"


def plan(
    recipe: Recipe,
    sizes: Sequence[PairSize],
    *,
    pairs: int,
    gpu: Gpu | None,
    workers: int,
    half: bool = True,
    references: int | None = None,
    slowness: float = 1.0,
) -> Plan:
    """The cost of extracting `recipe` for `pairs` pairs of which `sizes` are a sample.

    Parameters
    ----------
    half : bool
        Whether networks run in half precision on the GPU if they can.
    references : int | None
        Number of different references [one for each pair].
    slowness : float
        How many times as long one core of this CPU takes as the one that `ExtractorSpec.cost` was
        measured on.
    """
    share = max((references or pairs) / pairs, 1 / TASK_PAIRS)
    costs = {
        block.name: _mean([_cost(block, size, gpu, half, slowness) for size in sizes])
        for block in recipe.blocks
    }
    views = {(block.view.name, block.spec.resampling): block.view for block in recipe.blocks}
    decoding = [
        _decoding(size) + sum(_resizing(view, size) for view in views.values()) for size in sizes
    ]
    there = {block.view for block in recipe.blocks if gpu and block.spec.runs_on_gpu}
    sent = [sum(_view_bytes(view, size) for view in there) for size in sizes]
    return Plan(
        pairs=pairs,
        workers=workers,
        megapixels=sum(size.width * size.height for size in sizes) / len(sizes) / MEGA,
        decoding=slowness * (1 + share) * sum(decoding) / len(decoding),
        sending=(1 + share) * sum(sent) / len(sent) / SENDING,
        blocks=costs,
        weights=MEGA * sum(weight.megabytes for weight in recipe.weights),
        store=float(pairs * sum(map(row_bytes, recipe.blocks))),
    )


def crops(view: View, size: tuple[int, int]) -> tuple[int, int]:
    """How many pictures a picture of (width, height) becomes in a view, and the pixels of each."""
    count, width, height = view.crops(size)
    return count, width * height


def row_bytes(block: Block) -> int:
    """Bytes of a stored row: float64 scalars and float32 embeddings hardly compress."""
    return ROW_BYTES + sum(4 * output.dim or 8 for output in block.outputs.values())


def _cost(block: Block, size: PairSize, gpu: Gpu | None, half: bool, slowness: float) -> Cost:
    spec = block.spec
    count, pixels = crops(block.view, (size.width, size.height))
    if gpu is None or not spec.runs_on_gpu:
        return Cost(cpu=slowness * spec.cost * count * pixels / _usual_pixels(spec))
    per_pixel, per_square, moved, moved_square = COUNTS.get(spec.name) or _guess(spec)
    halved = half and bool(spec.weights) and spec.precision != "float32"
    rate = gpu.half * HALF_SHARE if halved else gpu.single * SINGLE_SHARE
    moved_bytes = count * pixels * (moved + moved_square * pixels) * (0.5 if halved else 1)
    arithmetic = count * pixels * (per_pixel + per_square * pixels) / rate
    memory = moved_bytes / (gpu.bandwidth * BANDWIDTH_SHARE)
    return Cost(arithmetic=arithmetic) if arithmetic > memory else Cost(memory=memory)


def _usual_pixels(spec: ExtractorSpec) -> int:
    count, pixels = crops(View.parse(spec.usual_view), USUAL)
    return count * pixels


def _guess(spec: ExtractorSpec) -> tuple[float, float, float, float]:
    """Operations per pixel from the cost on a CPU."""
    return spec.cost * CORE_RATE / _usual_pixels(spec), 0.0, 0.0, 0.0


def _view_bytes(view: View, size: PairSize) -> int:
    count, pixels = crops(view, (size.width, size.height))
    return 3 * count * pixels


def _decoding(size: PairSize) -> float:
    return size.width * size.height / MEGA * DECODING.get(size.suffix.lower(), OTHER_DECODING)


def _resizing(view: View, size: PairSize) -> float:
    source = size.width * size.height / MEGA
    count, pixels = crops(view, (size.width, size.height))
    copied = COPYING * count * pixels / MEGA
    width, height = view.resized((size.width, size.height))
    if (width, height) == (size.width, size.height):
        return copied
    return SHRINKING * source + WRITING * width * height / MEGA + copied


def _mean(costs: Sequence[Cost]) -> Cost:
    return Cost(*(sum(values) / len(costs) for values in zip(*map(_parts, costs), strict=True)))


def _parts(cost: Cost) -> tuple[float, float, float]:
    return cost.cpu, cost.arithmetic, cost.memory
