"""What a GPU makes of the features: classical metrics and transformers. Measures, asserts nothing.

    python benchmarks/bench_gpu.py [--device cuda] [--pairs 1024] [--out figures.json]

1. *Classical metrics*, each block of `best` that runs on a GPU, on 512×384 pairs: the largest
   difference from the CPU's value, pairs a second in batches, one pair at a time on the GPU, and in
   the CPU threads of the same machine, and the peak of memory.
2. *All of them together* through the runner, from files to the store.
3. *Transformers* of `best` with random weights: pairs a second, floating-point rate as a share of a
   large bfloat16 product on the same device, and the peak of memory.

Compare ratios: seconds depend on the machine and on what else it does.
"""
# ruff: noqa: T201

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.compute as pc
import torch
from pictures import write_pairs
from PIL import Image
from torch.utils.flop_counter import FlopCounterMode

sys.path.insert(0, str(Path(__file__).parents[1]))  # the random weights share code with the tests

from random_weights import write_random_weights

from pipelines.setting_sources import load_settings
from seiqa_features.datasets import load_pairs
from seiqa_features.extraction.gpu.batches import BATCH_PAIRS, Sender
from seiqa_features.extraction.jobs import Crops
from seiqa_features.extraction.runner import extract
from seiqa_features.extraction.runtime import Runtime
from seiqa_features.extraction.work import forward, is_out_of_memory
from seiqa_features.pictures.index import ImageIndex
from seiqa_features.table.recipe import Block, Recipe
from seiqa_features.table.shards import SECONDS
from seiqa_features.table.store import Store
from seiqa_features.table.table import assemble
from seiqa_features.weights.files import WeightFiles

TRANSFORMERS = ("clip_b16", "clip_l14", "dinov2_l14")
ROUNDS, ALONE = 3, 8
MATRIX = 8192
GIB = 2**30


def main() -> None:
    """Run the parts in a temporary folder."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--pairs", type=int, default=1024, help="of the GPU's whole run")
    parser.add_argument("--skip-transformers", action="store_true")
    parser.add_argument("--out", type=Path, help="file for the figures, JSON")
    options = parser.parse_args()
    features = load_settings(data="-", config="best").features
    figures: dict[str, Any] = {}
    with tempfile.TemporaryDirectory(prefix="seiqa-bench-") as name:
        folder = Path(name)
        manifest = write_pairs(folder / "pictures", references=options.pairs, per_reference=1)
        pairs, _ = load_pairs(manifest, ImageIndex(folder / "index"))
        recipe = Recipe.parse(features)
        classical = Recipe(
            tuple(b for b in recipe.blocks if b.spec.runs_on_gpu and not b.spec.weights)
        )
        figures["classical"] = metrics(folder, classical, pairs, options.device)
        if not options.skip_transformers:
            some = {name: features[name] for name in TRANSFORMERS}
            figures["transformers"] = transformers(folder, Recipe.parse(some), options.device)
    if options.out:
        options.out.write_text(json.dumps(figures, indent=1), encoding="utf-8")


def metrics(folder: Path, recipe: Recipe, pairs: pd.DataFrame, device: str) -> dict[str, Any]:
    """Parts 1 and 2."""
    runtimes = {name: Runtime(WeightFiles(folder), device=name) for name in ("cpu", device)}
    workers = load_settings(data="-").workers
    tables, rates = {}, {}
    few = pairs[:BATCH_PAIRS]
    for name, warm, timed in (("cpu", pairs[:workers], few), (device, few, pairs)):
        runtime = runtimes[name]
        extract(warm, recipe, Store(folder / f"{name}-warm"), runtime, workers=workers)
        store = Store(folder / f"{name}-timed")
        started = time.perf_counter()
        extract(timed, recipe, store, runtime, workers=workers)
        rates[name] = len(timed) / (time.perf_counter() - started)
        tables[name] = assemble(few, recipe, store)[0]
        if name == "cpu":
            alone = {b.name: pc.mean(store.read(b).column(SECONDS)).as_py() for b in recipe.blocks}
    print(f"\nClassical metrics, {len(pairs)} pairs of 512×384, one for each reference;"
          f" {workers} threads beside {_name(device)}, torch {torch.__version__}")  # fmt: skip
    print(f"  from files to the store, pairs/s: CPU {rates['cpu']:.1f}, GPU {rates[device]:.1f}")
    print("  pairs/s           largest difference   GPU batch  GPU one  CPU threads    GB")
    figures: dict[str, Any] = {"runner": rates, "workers": workers}
    for block in recipe.blocks:
        batch, one, peak = block_speed(block, few, runtimes[device])
        far, column = difference(tables["cpu"], tables[device], block)
        threads = workers / alone[block.name]
        figures[block.name] = {
            "difference": far, "of": column, "batch": batch, "one": one, "threads": threads,
            "bytes": peak,
        }  # fmt: skip
        print(f"    {block.name:18} {far:8.1e} {column:14} {batch:9.1f} {one:8.1f}"
              f" {threads:9.1f} {peak / GIB:9.2f}", flush=True)  # fmt: skip
    return figures


def difference(cpu: pd.DataFrame, gpu: pd.DataFrame, block: Block) -> tuple[float, str]:
    """Largest difference of a scalar, relative above 1 and absolute below, and its name."""
    scalars = [
        column
        for column in cpu
        if column.startswith(f"{block.name}__") and cpu[column].dtype == float
    ]
    far = (gpu[scalars] - cpu[scalars]).abs() / cpu[scalars].abs().clip(lower=1)
    missing = int((gpu[scalars].isna() != cpu[scalars].isna()).sum().sum())
    largest = far.max()
    name = f"{largest.idxmax()}".removeprefix(f"{block.name}__")
    return float(largest.max()), f"{name} ({missing} NaN)" if missing else name


def block_speed(block: Block, pairs: pd.DataFrame, runtime: Runtime) -> tuple[float, float, float]:
    """Pairs a second in batches and one at a time, sending included, and bytes at the peak."""
    work, device = runtime.work(block.spec.name), runtime.device
    refs, dists = prepared(block, pairs["ref_path"]), prepared(block, pairs["dist_path"])
    size = len(refs)

    def run(start: int, count: int) -> None:
        span = slice(start, start + count)
        forward(block, work, ref=refs[span], dist=dists[span], ref_index=range(count),
                send=Sender(device))  # fmt: skip

    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats()
    seconds = None
    while seconds is None:
        try:
            seconds = _median(partial(run, 0, size))
        except RuntimeError as error:
            if not is_out_of_memory(error):
                raise
            size //= 2
    peak = torch.cuda.max_memory_allocated()
    one = _median(lambda: [run(i, 1) for i in range(ALONE)])
    return size / seconds, ALONE / one, float(peak)


def prepared(block: Block, paths: Sequence[str]) -> list[Crops]:
    """The pictures in the block's view."""
    images = [Image.open(path).convert("RGB") for path in paths]
    return [block.view.prepare(image, image.size, block.spec.resampling) for image in images]


def transformers(folder: Path, recipe: Recipe, device: str) -> dict[str, Any]:
    """Part 3."""
    weight_files = write_random_weights(recipe, folder / "weights")
    runtime = Runtime(weight_files, device=device, scratch=folder / "scratch")
    bound, _ = runtime.bind(recipe)
    square = torch.randn(MATRIX, MATRIX, device=device, dtype=torch.bfloat16)
    product = _median(lambda: torch.mm(square, square), rounds=20)
    peak_rate = 2 * MATRIX**3 / product
    print(f"\nTransformers with random weights; a bfloat16 product of {MATRIX}³ runs at"
          f" {peak_rate / 1e12:.0f} TFLOP/s")  # fmt: skip
    print("                             pairs/s   TFLOP/s   share       GB")
    figures: dict[str, Any] = {"product": peak_rate}
    for block in bound.blocks:
        count = BATCH_PAIRS if block.view.kind != "grid" else BATCH_PAIRS // 4
        crops = block.view.per_side**2
        shape = (crops, 3, block.view.size, block.view.size)
        rng = np.random.default_rng(0)
        refs, dists = (
            [rng.integers(0, 256, shape, dtype=np.uint8) for _ in range(count)] for _ in range(2)
        )
        work = runtime.work(block.spec.name)
        send = Sender(runtime.device)

        run = partial(forward, block, work, ref=refs, dist=dists, ref_index=range(count), send=send)
        with FlopCounterMode(display=False) as counter:
            run()
        torch.cuda.reset_peak_memory_stats()
        seconds = _median(run)
        peak = torch.cuda.max_memory_allocated()
        rate = counter.get_total_flops() / seconds
        figures[block.name] = {
            "pairs": count / seconds, "rate": rate, "flops": counter.get_total_flops() / count,
            "bytes": peak,
        }  # fmt: skip
        print(f"    {block.name:22} {count / seconds:9.1f} {rate / 1e12:9.1f}"
              f" {rate / peak_rate:7.0%} {peak / GIB:9.2f}", flush=True)  # fmt: skip
    return figures


def _median(run: Callable[[], object], rounds: int = ROUNDS) -> float:
    """Median seconds of a call, the GPU's work included, after a warm-up."""
    seconds = []
    for _ in range(rounds + 1):
        torch.cuda.synchronize()
        started = time.perf_counter()
        run()
        torch.cuda.synchronize()
        seconds.append(time.perf_counter() - started)
    return median(seconds[1:])


def _name(device: str) -> str:
    return torch.cuda.get_device_name(device)


if __name__ == "__main__":
    main()
