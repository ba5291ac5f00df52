"""One task of the runner: decode its pictures once, prepare the views, run every CPU block on them.

For blocks that run on a GPU, only the views are prepared here; `gpu/batches.py` batches them over
tasks. `forward` runs one block: pixels to the device, extractor, values back, pooling of crops.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import groupby
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from seiqa_features.errors import DataError, ExtractorError
from seiqa_features.extraction.jobs import Crops, Job, Prepared, Result
from seiqa_features.extraction.runtime import Runtime
from seiqa_features.extractors.specs import Extract
from seiqa_features.pictures.views import Resampling
from seiqa_features.table.keys import KEYS
from seiqa_features.table.pooling import pool
from seiqa_features.table.recipe import Block
from seiqa_features.table.shards import SECONDS

if TYPE_CHECKING:
    import torch

# Raised by metric libraries for pictures they cannot process; anything else is a bug of ours.
BREAKAGES = (RuntimeError, ValueError, IndexError, ArithmeticError, AssertionError)
Pictures = dict[str, Image.Image]  # distorted images of a task by pair_id

TILES = 8
"""A picture of more tiles is processed by itself, so many at a time, which bounds the memory."""

Send = Callable[[Sequence[Crops]], "torch.Tensor"]
"""Puts n pictures of one shape on a device: uint8 [n · K, 3, H, W]."""


def compute(task: Sequence[Job], runtime: Runtime) -> Result:
    """Decode a task's pictures once and run every block on them, or prepare it for the GPU."""
    result = Result()
    started = time.perf_counter()
    ref, dists = _decode(task, result)
    jobs = [job for job in task if job.pair_id in dists]
    if ref is None or not jobs:
        return result
    sides = {b.view.moving_side(ref.size) for b in jobs[0].blocks if b.view.aligned}
    moved_back: dict[int, Pictures] = {
        side: {job.pair_id: job.realigned(ref, dists[job.pair_id], side) for job in jobs}
        for side in sides
    }
    decoding = (time.perf_counter() - started) / (len(jobs) * len(jobs[0].blocks))
    for (_, resampling), group in groupby(sorted(jobs[0].blocks, key=look_of), key=look_of):
        blocks = list(group)
        started = time.perf_counter()
        view = blocks[0].view
        shown = moved_back[view.moving_side(ref.size)] if view.aligned else dists
        ref_view = view.prepare(ref, ref.size, resampling)
        views = [view.prepare(shown[job.pair_id], ref.size, resampling) for job in jobs]
        seconds = decoding + (time.perf_counter() - started) / (len(jobs) * len(blocks))
        prepared = [
            Prepared(job, ref_view, dist, seconds) for job, dist in zip(jobs, views, strict=True)
        ]
        for block in blocks:
            if runtime.on_gpu(block.spec):
                result.prepared[block] = prepared
            else:
                run_block(block, prepared, runtime, result)
    return result


def pixels(pictures: Sequence[Crops], *, pinned: bool = False) -> torch.Tensor:
    """The pictures on the CPU, uint8 [n · K, 3, H, W]; `pinned`, where a GPU can read them."""
    import torch

    shape = (sum(map(len, pictures)), *pictures[0].shape[1:])
    together = torch.empty(shape, dtype=torch.uint8, pin_memory=pinned)
    np.concatenate(pictures, out=together.numpy())
    return together


def run_block(
    block: Block, batch: Sequence[Prepared], runtime: Runtime, result: Result, send: Send = pixels
) -> None:
    """Run one block; if it fails on several pairs together, find out which of them fail."""
    started = time.perf_counter()
    refs = {pair.job.key[0]: pair.ref for pair in batch}
    places = {key: place for place, key in enumerate(refs)}
    try:
        values = forward(
            block,
            runtime.work(block.spec.name),
            ref=list(refs.values()),
            dist=[pair.dist for pair in batch],
            ref_index=[places[pair.job.key[0]] for pair in batch],
            send=send,
        )
    except BREAKAGES as error:
        if is_out_of_memory(error):
            raise
        if len(batch) > 1:
            for pair in batch:
                run_block(block, [pair], runtime, result, send)
        else:
            reason = f"{type(error).__name__}: {error}".splitlines()[0]
            pair_id = batch[0].job.pair_id
            result.failures[pair_id] = f"pair {pair_id}: {block.name}: {reason}"
        return
    columns = zip(*(column.tolist() for column in values.values()), strict=True)
    seconds = (time.perf_counter() - started) / len(batch)
    result.rows.setdefault(block, []).extend(
        {
            **dict(zip(KEYS, pair.job.key, strict=True)),
            **dict(zip(values, row, strict=True)),
            SECONDS: pair.seconds + seconds,
        }
        for pair, row in zip(batch, columns, strict=True)
    )


def forward(
    block: Block,
    work: Extract,
    *,
    ref: Sequence[Crops],
    dist: Sequence[Crops],
    ref_index: Sequence[int],
    send: Send = pixels,
) -> Mapping[str, NDArray[np.floating]]:
    """Values of a batch of pairs whose views all have the same shape.

    Parameters
    ----------
    ref : Sequence[Crops]
        The batch's unique references.
    dist : Sequence[Crops]
        The B degraded pictures.
    ref_index : Sequence[int]
        Index of the reference of each degraded picture.
    send : Send
        Puts the pictures on the device of the extractor.

    Returns
    -------
    Mapping[str, NDArray[np.floating]]
        Output name → float64 [B] or float32 [B, d].

    Raises
    ------
    ExtractorError
        The extractor returns something else.
    """
    import torch

    from seiqa_features.extractors.common.constants import computing_on
    from seiqa_features.extractors.common.precision import computing_in

    count, height = len(dist[0]), min(dist[0].shape[2:])
    if height < block.spec.min_side:
        return {
            name: np.full((len(dist), output.dim) if output.dim else len(dist), np.nan)
            for name, output in block.outputs.items()
        }
    parts = []
    for refs, dists, index in _shares(block, ref, dist, ref_index):
        each = len(dists[0])
        crop_index = torch.tensor([r * each + k for r in index for k in range(each)])
        with torch.inference_mode():
            one, other = send(refs), send(dists)
            device = str(other.device)
            with computing_in(block.dtype, device), computing_on(device):
                values = work(ref=_unit(one), dist=_unit(other), ref_index=crop_index.to(device))
            _require_outputs(block, values, len(other))
            parts.append({name: values[name].cpu().numpy() for name in block.spec.outputs})
    found = {name: np.concatenate([part[name] for part in parts]) for name in block.spec.outputs}
    if not block.view.cropped:
        return found
    pairs = range(0, len(dist) * count, count)
    pooled = [
        pool({name: v[i : i + count] for name, v in found.items()}, block.spec.outputs)
        for i in pairs
    ]
    return {name: np.stack([row[name] for row in pooled]) for name in block.outputs}


def _require_outputs(block: Block, values: Any, pairs: int) -> None:
    """Refuse what an extractor returned unless it is what its spec says."""
    import torch

    who = f"extractor {block.spec.name} returns"
    if not isinstance(values, Mapping):
        raise ExtractorError(f"{who} {type(values).__name__}, expected a mapping from output names")
    for name, output in block.spec.outputs.items():
        value, expected = values.get(name), [pairs, output.dim] if output.dim else [pairs]
        shape = list(value.shape) if isinstance(value, torch.Tensor) else None
        if shape != expected:
            found = type(value).__name__ if shape is None else f"Tensor{shape}"
            raise ExtractorError(f"{who} {found} as its output {name}, expected Tensor{expected}")


def _shares(
    block: Block, ref: Sequence[Crops], dist: Sequence[Crops], ref_index: Sequence[int]
) -> Iterator[tuple[Sequence[Crops], Sequence[Crops], Sequence[int]]]:
    """What the extractor gets at a time: the batch, or `TILES` tiles of one pair that has more."""
    if block.view.kind != "tiles" or len(dist[0]) <= TILES:
        yield ref, dist, ref_index
        return
    for pair, number in zip(dist, ref_index, strict=True):
        for start in range(0, len(pair), TILES):
            share = slice(start, start + TILES)
            yield [ref[number][share]], [pair[share]], [0]


def _unit(pixels: torch.Tensor) -> torch.Tensor:
    """float32 in 0..1, the same to the bit on every device."""
    import torch

    # By a number, a GPU would multiply with its rounded reciprocal.
    return pixels.float().div_(torch.full((), 255.0, device=pixels.device))


def is_out_of_memory(error: Exception) -> bool:
    """Whether the error means that a device had too little memory for a batch."""
    import torch

    return isinstance(error, torch.OutOfMemoryError)


def look_of(block: Block) -> tuple[str, Resampling]:
    """What decides how pictures are prepared for a block: its view and the filter for resizing."""
    return block.view.name, block.spec.resampling


def _decode(task: Sequence[Job], result: Result) -> tuple[Image.Image | None, Pictures]:
    """The reference and degraded images of a task; undecodable ones are recorded as failed."""
    dists: Pictures = {}
    try:
        ref = task[0].ref()
    except DataError as error:
        result.failures.update({job.pair_id: f"pair {job.pair_id}: {error}" for job in task})
        return None, dists
    for job in task:
        try:
            dists[job.pair_id] = job.dist()
        except DataError as error:
            result.failures[job.pair_id] = f"pair {job.pair_id}: {error}"
    return ref, dists
