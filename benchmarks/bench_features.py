"""How fast the pretrained features are, against one image at a time. Measures, asserts nothing.

    python benchmarks/bench_features.py [--device cpu|cuda] [--precision mixed] [--config runner_up]

Both ways use the same networks with random weights, on the same pictures, device and run, in turns
after a warm-up: `FaithfulLoop` calls each network per image and scale as the runner-up does, and
seiqa's runner extracts the same blocks from an empty store. Without --config it takes small
networks, which a CPU can run; the runner-up's complete set is `--device cuda --config runner_up`.

1. *Throughput*: pairs a second of both, the ratio, and the largest difference of what both compute.
2. *Latency*: one new pair at a time with everything loaded.
3. *GPU only*: floating-point rate inside the transformers as a share of what a large matrix product
   reaches on the same device in the same run.

Compare ratios: seconds depend on the machine and on what else it does.
"""
# ruff: noqa: T201

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

import pandas as pd
import torch
from faithful_loop import FaithfulLoop
from pictures import write_pairs
from torch.utils.flop_counter import FlopCounterMode

sys.path.insert(0, str(Path(__file__).parents[1]))  # the random weights share code with the tests

from random_weights import write_random_weights

from pipelines.setting_sources import load_settings
from seiqa_features.datasets import load_pairs
from seiqa_features.extraction.runner import extract
from seiqa_features.extraction.runtime import Runtime
from seiqa_features.pictures.index import ImageIndex
from seiqa_features.table.recipe import Block, Recipe
from seiqa_features.table.store import Store
from seiqa_features.table.table import assemble

SMALL = {
    "timm:vit_tiny_patch16_224.augreg_in21k_ft_in1k": ["s224"],
    "dinov2_s14": ["s224", "s336"],
    "openclip:ViT-B-32:openai": ["c224"],
    "lpips": ["s256"],
}
LATENCY_PAIRS = 10
MATRIX = 8192
RATE_IMAGES = 128
REPEATS = 20


def main() -> None:
    """Run the parts in a temporary folder."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--precision", nargs="+", default=["float32", "mixed"], help="of seiqa")
    parser.add_argument("--config", help="configuration [small networks]")
    parser.add_argument("--pairs", type=int, default=24, help="for the runner")
    parser.add_argument("--loop-pairs", type=int, default=6, help="of these, for the loop")
    parser.add_argument("--per-reference", type=int, nargs="+", default=[1, 6])
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    features = load_settings(data="-", config=options.config).features if options.config else SMALL
    with tempfile.TemporaryDirectory(prefix="seiqa-bench-") as name:
        folder = Path(name)
        weight_files = write_random_weights(Recipe.parse(features), folder / "weights")
        for precision in options.precision:
            runtime = Runtime(
                weight_files, device=options.device, precision=precision, scratch=folder / "scratch"
            )
            recipe, _ = runtime.bind(Recipe.parse(features))
            print(f"\n{runtime.device}, seiqa in {precision}, the loop in float32, torch"
                  f" {torch.__version__}, {torch.get_num_threads()} threads")  # fmt: skip
            for per_reference in options.per_reference:
                throughput(folder / f"{precision}{per_reference}", recipe, runtime,
                           per_reference, options)  # fmt: skip
            latency(folder / precision, recipe, runtime)
            if runtime.device != "cpu":
                for block in recipe.blocks:
                    if block.spec.weights and block.spec.weights[0].name.startswith("timm/"):
                        rate(block, runtime)


def throughput(
    folder: Path,
    recipe: Recipe,
    runtime: Runtime,
    per_reference: int,
    options: argparse.Namespace,
) -> None:
    """Runner against loop, in turns: pairs a second, ratio, and whether the values agree."""
    manifest = write_pairs(
        folder / "pictures",
        references=options.pairs // per_reference,
        per_reference=per_reference,
    )
    pairs, _ = load_pairs(manifest, ImageIndex(folder / "index"))
    loop = FaithfulLoop(recipe, runtime)
    files = [
        (Path(ref), Path(dist))
        for ref, dist in zip(pairs["ref_path"], pairs["dist_path"], strict=True)
    ][: options.loop_pairs]
    loop.run(files[:1])
    _extract(pairs[:2], recipe, runtime, folder / "warm")
    plain, ours = [], []
    for number in range(options.rounds):
        started = time.perf_counter()
        rows = loop.run(files)
        _wait(runtime.device)
        plain.append((time.perf_counter() - started) / len(files))
        started = time.perf_counter()
        table = _extract(pairs, recipe, runtime, folder / f"round{number}")
        ours.append((time.perf_counter() - started) / len(pairs))

    print(f"\nThroughput: {len(pairs)} pairs of 512×384, {per_reference} per reference,"
          f" {len(recipe.blocks)} blocks, median of {options.rounds} rounds")  # fmt: skip
    print(f"  loop    {median(plain):8.4f} s a pair  {1 / median(plain):8.2f} pairs/s")
    print(f"  seiqa   {median(ours):8.4f} s a pair  {1 / median(ours):8.2f} pairs/s")
    ratios = [slow / fast for slow, fast in zip(plain, ours, strict=True)]
    print(f"  ratio   {median(ratios):8.2f}   ({min(ratios):.2f} to {max(ratios):.2f})")
    expected = pd.DataFrame(rows, index=table.index[: len(rows)])
    difference = (table.loc[expected.index, expected.columns] - expected).abs().max()
    print(f"  largest difference of what both compute: {difference.max():.1e}"
          f" ({difference.idxmax()})")  # fmt: skip


def latency(folder: Path, recipe: Recipe, runtime: Runtime) -> None:
    """Seconds from file names to features of a single new pair, networks loaded."""
    manifest = write_pairs(folder / "single", references=LATENCY_PAIRS, per_reference=1)
    pairs, _ = load_pairs(manifest, ImageIndex(folder / "index"))
    seconds = []
    for i in range(len(pairs)):
        started = time.perf_counter()
        _extract(pairs[i : i + 1], recipe, runtime, folder / f"single{i}")
        seconds.append(time.perf_counter() - started)
    print(f"\nLatency of one pair: {1000 * median(seconds):.0f} ms, median of {len(seconds)}")


def rate(block: Block, runtime: Runtime) -> None:
    """Floating-point operations a second in one transformer, and as a share of a product's."""
    work, side = runtime.work(block.spec.name), block.view.size
    device = torch.device(runtime.device)
    images = torch.rand(RATE_IMAGES // 2, 3, side, side, device=device)
    index = torch.arange(len(images), device=device)

    def run() -> None:
        with torch.inference_mode(), torch.autocast("cuda", getattr(torch, block.dtype)):
            work(ref=images, dist=images, ref_index=index)

    with FlopCounterMode(display=False) as counter:
        run()
    flops = counter.get_total_flops() / _seconds(run, device)
    square = torch.randn(MATRIX, MATRIX, device=device, dtype=torch.bfloat16)
    peak = 2 * MATRIX**3 / _seconds(lambda: torch.mm(square, square), device)
    print(f"  {block.name:28} {flops / 1e12:7.1f} TFLOP/s, {flops / peak:.0%} of the"
          f" {peak / 1e12:.0f} of a bf16 product")  # fmt: skip


def _seconds(run: object, device: torch.device) -> float:
    """Median time of a call on the GPU, after a warm-up."""
    times = []
    for _ in range(REPEATS):
        begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        begin.record()
        run()  # type: ignore[operator]
        end.record()
        torch.cuda.synchronize(device)
        times.append(begin.elapsed_time(end) / 1000)
    return median(times[REPEATS // 4 :])


def _extract(pairs: pd.DataFrame, recipe: Recipe, runtime: Runtime, folder: Path) -> pd.DataFrame:
    store = Store(folder)
    extract(pairs, recipe, store, runtime, workers=_workers())
    return assemble(pairs, recipe, store)[0]


def _workers() -> int:
    return load_settings(data="-").workers


def _wait(device: str) -> None:
    if device != "cpu":
        torch.cuda.synchronize(device)


if __name__ == "__main__":
    main()
