"""The cost of extracting a recipe for a set of pairs.

What each block takes on CPU or GPU is estimated by `pairs.py`. Decoding and resizing take seconds
per megapixel, in worker threads, or processes beside the GPU. The slower of the two sides sets the
pace; what a run takes to start is not counted.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from seiqa_features.costs.machines import SERIAL_DECODING, Gpu, speedup
from seiqa_features.costs.pairs import (
    MEGA,
    Core,
    Cost,
    PairSize,
    cost_of,
    decoding_seconds,
    mean_cost,
    resizing_seconds,
    row_bytes,
    view_bytes,
)
from seiqa_features.table.recipe import Recipe

SENDING = 6e9
"""Bytes per second at which views are gathered, pinned and sent to a GPU, measured on an H100."""

HANDLING = 2e-5
"""Seconds per pair and block in which a GPU waits for Python to start kernels and collect values.
Measured on an H100, in batches of 128 pairs, while other processes decode."""

PROCESSES = 8
"""At most so many prepare pictures for a GPU."""

TASK_PAIRS = 4  # a reference is decoded once for so many pairs at most


@dataclass(frozen=True)
class Plan:
    """The cost of an extraction.

    Attributes
    ----------
    pairs, workers : int
        Number of pairs and of workers.
    megapixels : float
        Of the mean reference.
    decoding : float
        Seconds of one core per pair to decode and to resize.
    sending : float
        Seconds per pair to send views to the GPU.
    handling : float
        Seconds per pair that the GPU waits for Python.
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
    handling: float
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
        return self.sending + self.handling + sum(cost.gpu for cost in self.blocks.values())

    @property
    def clock(self) -> float:
        """Seconds of all workers together per pair."""
        if self.gpu:
            return self.cpu / min(self.workers, PROCESSES)
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
            "waiting for Python": self.handling,
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
    core: Core | None = None,
) -> Plan:
    """The cost of extracting `recipe` for `pairs` pairs of which `sizes` are a sample.

    Parameters
    ----------
    half : bool
        Whether networks run in half precision on the GPU if they can.
    references : int | None
        Number of different references [one for each pair].
    core : Core | None
        One core of this CPU [the one that `ExtractorSpec.cost` was measured on].
    """
    core = core or Core()
    share = max((references or pairs) / pairs, 1 / TASK_PAIRS)
    costs = {
        block.name: mean_cost([cost_of(block, size, gpu, half, core) for size in sizes])
        for block in recipe.blocks
    }
    views = {(block.view.name, block.spec.resampling): block.view for block in recipe.blocks}
    decoding = [
        decoding_seconds(size) + sum(resizing_seconds(view, size) for view in views.values())
        for size in sizes
    ]
    on_gpu = [block for block in recipe.blocks if gpu and block.spec.runs_on_gpu]
    there = {block.view for block in on_gpu}
    sent = [sum(view_bytes(view, size) for view in there) for size in sizes]
    return Plan(
        pairs=pairs,
        workers=workers,
        megapixels=sum(size.width * size.height for size in sizes) / len(sizes) / MEGA,
        decoding=core.slowness * (1 + share) * sum(decoding) / len(decoding),
        sending=(1 + share) * sum(sent) / len(sent) / SENDING,
        handling=HANDLING * len(on_gpu),
        blocks=costs,
        weights=MEGA * sum(weight.megabytes for weight in recipe.weights),
        store=float(pairs * sum(map(row_bytes, recipe.blocks))),
    )
