"""How far the plan is from what was measured on this machine's CPU. Measures, asserts nothing.

    python benchmarks/bench_plan.py [--config classical] [--pairs 24] [--workers 1]

Seconds of one core are the processor's time for the extraction, which other programs do not change
much; pairs a second are by the clock and mean something on an idle machine only. The store's bytes
are compared too.
"""
# ruff: noqa: T201

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

from pictures import write_pairs

from pipelines.setting_sources import load_settings
from seiqa_features.costs.model import plan
from seiqa_features.costs.survey import measured_core, sizes_of
from seiqa_features.datasets import find_pairs, load_pairs
from seiqa_features.extraction.runner import extract
from seiqa_features.extraction.runtime import Runtime
from seiqa_features.pictures.index import ImageIndex
from seiqa_features.table.recipe import Recipe
from seiqa_features.table.store import Store
from seiqa_features.weights.files import WeightFiles


def main() -> None:
    """Plan, extract, compare."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--config", default="classical")
    parser.add_argument("--pairs", type=int, default=24)
    parser.add_argument("--workers", type=int, default=1)
    options = parser.parse_args()
    recipe = Recipe.parse(load_settings(data="-", config=options.config).features)
    with tempfile.TemporaryDirectory(prefix="seiqa-bench-") as name:
        folder = Path(name)
        manifest = write_pairs(folder / "pictures", references=options.pairs, per_reference=1)
        pairs, _ = load_pairs(manifest, ImageIndex(folder / "index"))
        core = measured_core(block.spec for block in recipe.blocks)
        planned = plan(
            recipe, sizes_of(find_pairs(manifest).pairs), pairs=len(pairs), gpu=None,
            workers=options.workers, core=core,
        )  # fmt: skip
        runtime, store = Runtime(WeightFiles(folder)), Store(folder / "store")
        extract(pairs[:2], recipe, Store(folder / "warm"), runtime, workers=options.workers)
        started, cpu = time.perf_counter(), time.process_time()
        extract(pairs, recipe, store, runtime, workers=options.workers)
        rate = len(pairs) / (time.perf_counter() - started)
        seconds = (time.process_time() - cpu) / len(pairs)
        stored = sum(file.stat().st_size for file in store.root.rglob("*.parquet"))
    print(f"{len(pairs)} pairs of 512×384, {len(recipe.blocks)} blocks, {options.workers} workers;"
          f" a core takes {core.slowness:.2f} times as long as the one of the specs")  # fmt: skip
    for what, expected, found in (
        ("core seconds a pair", planned.cpu, seconds),
        ("pairs/s", planned.rate, rate),
        ("bytes a pair in the store", planned.store / len(pairs), stored / len(pairs)),
    ):
        print(f"  {what:26} planned {expected:10.4g}   measured {found:10.4g}"
              f"   planned / measured {expected / found:.2f}")  # fmt: skip


if __name__ == "__main__":
    main()
