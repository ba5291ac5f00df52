"""One task of the runner: decode its pictures once, prepare the views, run every block on them."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from seiqa_features.errors import DataError
from seiqa_features.images import load_rgb, pixel_key
from seiqa_features.recipe import Block
from seiqa_features.specs import Extract
from seiqa_features.store import KEYS, SECONDS, PairKey
from seiqa_features.views import View, to_array

if TYPE_CHECKING:
    import torch

# What a metric's library raises on a picture it cannot work with; anything else is our mistake.
BREAKAGES = (RuntimeError, ValueError, IndexError, ArithmeticError, AssertionError)
Rows = dict[Block, list[dict[str, object]]]
Pictures = dict[str, Image.Image]  # distorted images of a task by pair_id


@dataclass(frozen=True)
class Job:
    """One pair of pictures and the blocks it still needs."""

    key: PairKey
    pair_id: str
    ref: Path
    dist: Path
    blocks: tuple[Block, ...]


@dataclass
class Result:
    """What a task brought: rows by block, and one line per pair that failed."""

    rows: Rows = field(default_factory=dict)
    failures: dict[str, str] = field(default_factory=dict)


def compute(task: Sequence[Job], work: Mapping[str, Extract]) -> Result:
    """Decode a task's pictures once and run every block on them."""
    result = Result()
    started = time.perf_counter()
    ref, dists = _decode(task, result)
    jobs = [job for job in task if job.pair_id in dists]
    if ref is None or not jobs:
        return result
    decoding = (time.perf_counter() - started) / (len(jobs) * len(jobs[0].blocks))
    for view, blocks in groupby(sorted(jobs[0].blocks, key=_view_name), key=lambda b: b.view):
        views = _prepare(view, ref, [dists[job.pair_id] for job in jobs])
        for block in blocks:
            _add_rows(result, block, work[block.spec.name], *views, jobs, decoding)
    return result


def _add_rows(
    result: Result,
    block: Block,
    work: Extract,
    ref: torch.Tensor,
    dist: torch.Tensor,
    jobs: Sequence[Job],
    decoding: float,
) -> None:
    """Run one block; where it breaks on several pairs together, find out on which of them."""
    started = time.perf_counter()
    try:
        values = _apply(block, work, ref, dist)
    except BREAKAGES as error:
        if len(jobs) > 1:
            for i, job in enumerate(jobs):
                _add_rows(result, block, work, ref, dist[i : i + 1], [job], decoding)
        else:
            reason = f"{type(error).__name__}: {error}".splitlines()[0]
            pair_id = jobs[0].pair_id
            result.failures[pair_id] = f"pair {pair_id}: {block.name}: {reason}"
        return
    seconds = decoding + (time.perf_counter() - started) / len(jobs)
    result.rows.setdefault(block, []).extend(
        {
            **dict(zip(KEYS, job.key, strict=True)),
            **{name: column[i].tolist() for name, column in values.items()},
            SECONDS: seconds,
        }
        for i, job in enumerate(jobs)
    )


def _view_name(block: Block) -> str:
    return block.view.name


def _decode(task: Sequence[Job], result: Result) -> tuple[Image.Image | None, Pictures]:
    """The task's reference and degraded images; what cannot be had is noted as failed."""
    dists: Pictures = {}
    try:
        ref = _load_expected(task[0].ref, task[0].key[0])
    except DataError as error:
        result.failures.update({job.pair_id: f"pair {job.pair_id}: {error}" for job in task})
        return None, dists
    for job in task:
        try:
            dists[job.pair_id] = _load_expected(job.dist, job.key[1])
        except DataError as error:
            result.failures[job.pair_id] = f"pair {job.pair_id}: {error}"
    return ref, dists


def _load_expected(path: Path, key: str) -> Image.Image:
    """Decode, and make sure that the row's key still tells the truth."""
    image = load_rgb(path)
    if pixel_key(image) != key:
        raise DataError([f"{path}: changed while this run was going on; run again"])
    return image


def _prepare(
    view: View, ref: Image.Image, dists: Sequence[Image.Image]
) -> tuple[torch.Tensor, torch.Tensor]:
    import torch

    size = view.target(ref.size)
    batch = np.stack([to_array(dist, size) for dist in dists])
    return torch.from_numpy(to_array(ref, size)[None]), torch.from_numpy(batch)


def _apply(
    block: Block, work: Extract, ref: torch.Tensor, dist: torch.Tensor
) -> dict[str, np.ndarray]:
    import torch

    if min(dist.shape[2:]) < block.spec.min_side:
        return {
            name: np.full((len(dist), output.dim) if output.dim else len(dist), np.nan)
            for name, output in block.spec.outputs.items()
        }
    with torch.inference_mode():
        index = torch.zeros(len(dist), dtype=torch.int64)
        values = work(ref=ref, dist=dist, ref_index=index)
    return {name: values[name].numpy() for name in block.spec.outputs}
