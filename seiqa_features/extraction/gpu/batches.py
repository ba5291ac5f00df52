"""Blocks of many pairs at once on a GPU, in batches as large as the device memory allows.

Networks and classical metrics alike. For each block the first two pairs are run as a trial batch
whose memory use is measured; the free memory then determines the batch size. If memory still runs
out, the same pairs are run again in halves: no pair is lost. Pictures are sent once for all blocks
of a view.
"""

from __future__ import annotations

from collections.abc import Sequence
from operator import is_
from typing import TYPE_CHECKING

from seiqa_features.errors import DeviceError
from seiqa_features.extraction.jobs import Crops, Prepared, Result
from seiqa_features.extraction.runtime import Runtime
from seiqa_features.extraction.work import is_out_of_memory, pixels, run_block
from seiqa_features.pictures.views import Resampling
from seiqa_features.table.recipe import Block

if TYPE_CHECKING:
    import torch

Look = tuple[str, Resampling, tuple[int, ...]]
"""View, filter and shape."""

BATCH_PAIRS = 128
"""Number of pairs collected before they are passed to the GPU; starting a kernel takes as long for
one pair."""

BATCH_BYTES = 2**30
"""Size of their pictures that is enough for a batch, too, because large ones would fill memory."""

PROBE_PAIRS = 2
KEPT = 4  # references and degraded pictures of a trial batch and of the rest stay on the device
KEPT_FREE = 0.2
"""Share of the free memory left unused, because allocators leave gaps."""


class GpuBatches:
    """Runs prepared tasks on the GPU. Not thread-safe: one thread at a time."""

    def __init__(self, runtime: Runtime) -> None:
        self.runtime = runtime
        self._limits: dict[tuple[Block, tuple[int, ...]], int] = {}

    def run(self, results: Sequence[Result]) -> Result:
        """One result that combines the rows and failures of the tasks and of the GPU.

        Raises
        ------
        DeviceError
            A single pair does not fit in the device's memory.
        """
        merged = Result()
        waiting: dict[Look, dict[Block, list[Prepared]]] = {}
        for result in results:
            merged.failures.update(result.failures)
            for block, rows in result.rows.items():
                merged.rows.setdefault(block, []).extend(rows)
            for block, prepared in result.prepared.items():
                for pair in prepared:
                    look = block.view.name, block.spec.resampling, pair.dist.shape
                    waiting.setdefault(look, {}).setdefault(block, []).append(pair)
        for _, blocks in sorted(waiting.items(), key=lambda item: item[0]):
            send = Sender(self.runtime.device)
            for block, alike in blocks.items():
                self._run_alike(block, alike, merged, send)
        return merged

    def _run_alike(self, block: Block, batch: list[Prepared], result: Result, send: Sender) -> None:
        """Run pairs of one shape in batches that fit."""
        key = (block, batch[0].dist.shape)
        while batch:
            limit = self._limits.get(key, PROBE_PAIRS)
            now, rest = batch[:limit], batch[limit:]
            before = _allocated(self.runtime.device)
            try:
                run_block(block, now, self.runtime, result, send)
            except RuntimeError as error:
                if not is_out_of_memory(error):
                    raise
                if len(now) == 1:
                    raise DeviceError(
                        f"{block.name}: one pair does not fit in the memory of"
                        f" {self.runtime.device}; free some, raise --gpu-memory or use --device cpu"
                    ) from None
                self._limits[key] = len(now) // 2
                _give_back(self.runtime.device)
                continue
            if key not in self._limits:
                need = (_peak(self.runtime.device) - before) / len(now)
                self._limits[key] = batch_limit(need, _free(self.runtime))
            batch = rest


class Sender:
    """Sends pictures to a device, and remembers the last ones there."""

    def __init__(self, device: str) -> None:
        self.device = device
        self._sent: list[tuple[Sequence[Crops], torch.Tensor]] = []

    def __call__(self, pictures: Sequence[Crops]) -> torch.Tensor:
        """The pictures on the device, uint8 [n · K, 3, H, W]."""
        for known, there in self._sent:
            if len(known) == len(pictures) and all(map(is_, known, pictures)):
                return there
        there = pixels(pictures, pinned=self.device != "cpu").to(self.device, non_blocking=True)
        self._sent = [*self._sent, (pictures, there)][-KEPT:]
        return there


def batch_limit(need: float, free: float) -> int:
    """Pairs per batch, 1 to `BATCH_PAIRS`, from the bytes needed per pair and the free bytes."""
    fitting = (1 - KEPT_FREE) * free / max(need, 1.0)
    return max(1, int(min(BATCH_PAIRS, fitting)))


def _allocated(device: str) -> float:
    """Bytes in use; also resets the peak."""
    if device == "cpu":
        return 0.0
    import torch

    torch.cuda.reset_peak_memory_stats(device)
    return float(torch.cuda.memory_allocated(device))


def _peak(device: str) -> float:
    if device == "cpu":
        return 0.0
    import torch

    return float(torch.cuda.max_memory_allocated(device))


def _free(runtime: Runtime) -> float:
    """Bytes this process may still use, including unused memory held by its allocator."""
    if runtime.device == "cpu":
        return float("inf")
    import torch

    free = torch.cuda.mem_get_info(runtime.device)[0]
    held = torch.cuda.memory_reserved(runtime.device)
    used = torch.cuda.memory_allocated(runtime.device)
    return min(float(free + held), runtime.memory_ceiling) - used


def _give_back(device: str) -> None:
    if device != "cpu":
        import torch

        torch.cuda.empty_cache()
