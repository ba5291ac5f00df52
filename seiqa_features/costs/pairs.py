"""Cost of one pair in one block, from counts and measured rates alone.

On a GPU a block takes the time of its floating-point operations or that of the bytes it moves,
whichever is longer, at the shares of the data sheet's rates that were measured (`machines.py`).
Operations and bytes are counted per pixel of a view (`counts.py`). On a CPU a block takes
`ExtractorSpec.cost`, or what was measured on it, in proportion to the pixels of its view.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from seiqa_features.costs.counts import COUNTS
from seiqa_features.costs.machines import BANDWIDTH_SHARE, HALF_SHARE, SINGLE_SHARE, Gpu
from seiqa_features.extractors.specs import ExtractorSpec
from seiqa_features.pictures.views import View
from seiqa_features.table.recipe import Block

MEGA = 1e6
DECODING = {".jpg": 0.011, ".jpeg": 0.011}
"""Seconds per megapixel and picture on one core to decode and hash, by file name."""

OTHER_DECODING = 0.039  # measured for PNG
SHRINKING, WRITING, COPYING = 0.007, 0.015, 0.002
"""Seconds per megapixel that a resized picture has before and after, and per megapixel copied."""

USUAL = (512, 384)  # of the pictures to which `ExtractorSpec.cost` refers
CORE_RATE = 8.5e10
"""Floating-point operations per second of one core, for extractors without counts."""

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
class Core:
    """One core of a CPU.

    Attributes
    ----------
    seconds : Mapping[str, float]
        What extractors, by name, were measured to take for a pair in their usual view.
    slowness : float
        How many times as long everything else takes as on the core that `ExtractorSpec.cost` and
        the constants of this module were measured on.
    """

    seconds: Mapping[str, float] = field(default_factory=dict)
    slowness: float = 1.0

    def cost(self, spec: ExtractorSpec) -> float:
        """Seconds of one pair in the extractor's usual view."""
        return self.seconds.get(spec.name, self.slowness * spec.cost)


def crops(view: View, size: tuple[int, int]) -> tuple[int, int]:
    """How many pictures a picture of (width, height) becomes in a view, and the pixels of each."""
    count, width, height = view.crops(size)
    return count, width * height


def row_bytes(block: Block) -> int:
    """Bytes of a stored row: float64 scalars and float32 embeddings hardly compress."""
    return ROW_BYTES + sum(4 * output.dim or 8 for output in block.outputs.values())


def cost_of(block: Block, size: PairSize, gpu: Gpu | None, half: bool, core: Core) -> Cost:
    """Cost of one pair of this size in a block; the parameters are those of `plan`."""
    spec = block.spec
    count, pixels = crops(block.view, (size.width, size.height))
    if gpu is None or not spec.runs_on_gpu:
        return Cost(cpu=core.cost(spec) * count * pixels / _usual_pixels(spec))
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


def view_bytes(view: View, size: PairSize) -> int:
    """Bytes of a picture in a view, as it is sent to a GPU."""
    count, pixels = crops(view, (size.width, size.height))
    return 3 * count * pixels


def decoding_seconds(size: PairSize) -> float:
    """Seconds of one core to decode and to hash a picture."""
    return size.width * size.height / MEGA * DECODING.get(size.suffix.lower(), OTHER_DECODING)


def resizing_seconds(view: View, size: PairSize) -> float:
    """Seconds of one core to bring a picture to a view."""
    source = size.width * size.height / MEGA
    count, pixels = crops(view, (size.width, size.height))
    copied = COPYING * count * pixels / MEGA
    width, height = view.resized((size.width, size.height))
    if (width, height) == (size.width, size.height):
        return copied
    return SHRINKING * source + WRITING * width * height / MEGA + copied


def mean_cost(costs: Sequence[Cost]) -> Cost:
    """The mean of each part."""
    return Cost(*(sum(values) / len(costs) for values in zip(*map(_parts, costs), strict=True)))


def _parts(cost: Cost) -> tuple[float, float, float]:
    return cost.cpu, cost.arithmetic, cost.memory
