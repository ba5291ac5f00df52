"""How fast the classical configuration is, and what memory it takes. Measures, asserts nothing.

    python benchmarks/bench_classical.py [--pairs 2000] [--rounds 3]

1. *Speed*: `seiqa features` from an empty store (reading, checking and hashing the files included)
   against `plain_loop.py`, the same metrics called one pair at a time. Both are warmed up, then run
   in turns on the same pictures, so that a busy machine disturbs both alike. Once with 6 degraded
   versions of each reference, as in data sets of distortions, and once with 1, as in SeIQA.
2. *Memory*: resident memory above a bare interpreter's while `--pairs` different pairs run.
3. *Start-up*: the same command again, everything cached, against a bare interpreter, and
   `seiqa --help`.

Compare ratios: seconds depend on the machine and on what else it does (a busy one slows the loop
more: its threads wait for each other). With 2000 pairs all of it takes about 40 minutes on 2
cores and 1 GB of temporary files; `--pairs 200` is a quick look.
"""
# ruff: noqa: T201

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

import pandas as pd
import pyarrow.compute as pc
import torch
from pictures import write_pairs
from plain_loop import PlainLoop, Values

from pipelines import steps
from pipelines.runs.folder import FEATURES
from pipelines.setting_sources import load_settings
from seiqa_features.table.recipe import Recipe
from seiqa_features.table.shards import SECONDS
from seiqa_features.table.store import Store
from seiqa_features.table.table import read_table

CONFIG = "classical"
START_ROUNDS = 5
MIB = 2**20


def main() -> None:
    """Run all three parts in a temporary folder."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pairs", type=int, default=2000, help="of the memory part, at least 4")
    parser.add_argument("--rounds", type=int, default=3, help="of the speed part")
    options = parser.parse_args()
    if options.pairs < 4 or options.rounds < 1:
        parser.error("expected --pairs of at least 4 and --rounds of at least 1")
    print(f"{os.cpu_count()} cores, torch {torch.__version__}, {torch.get_num_threads()} threads")
    with tempfile.TemporaryDirectory(prefix="seiqa-bench-") as name:
        folder = Path(name)
        speed(folder / "speed6", references=4, per_reference=6, rounds=options.rounds)
        speed(folder / "speed1", references=12, per_reference=1, rounds=options.rounds)
        manifest = memory(folder / "memory", pairs=options.pairs)
        start_up(manifest)


@dataclass
class Contest:
    """The two ways on the same pairs: seconds of each round, and what they computed last."""

    loop: PlainLoop
    plain: list[float] = field(default_factory=list)
    ours: list[float] = field(default_factory=list)
    plain_values: list[Values] = field(default_factory=list)
    our_values: pd.DataFrame = field(default_factory=pd.DataFrame)
    plain_by_extractor: list[dict[str, float]] = field(default_factory=list)
    ours_by_extractor: list[dict[str, float]] = field(default_factory=list)

    def play(self, manifest: Path, folder: Path) -> None:
        """One round; `folder` must be empty."""
        rows = pd.read_csv(manifest)
        files = [
            (manifest.parent / ref, manifest.parent / dist)
            for ref, dist in zip(rows["ref"], rows["dist"], strict=True)
        ]
        started = time.perf_counter()
        self.plain_values = self.loop.run(files)
        self.plain.append((time.perf_counter() - started) / len(files))
        self.plain_by_extractor.append(self.loop.seconds)

        settings = load_settings(
            data=manifest, config=CONFIG, run=folder / "run", cache=folder / "cache"
        )
        started = time.perf_counter()
        steps.features(settings)
        self.ours.append((time.perf_counter() - started) / len(files))
        self.our_values = read_table(settings.run / FEATURES)
        self.ours_by_extractor.append(
            _seconds_by_extractor(self.loop.recipe, Store(settings.cache))
        )


def speed(folder: Path, *, references: int, per_reference: int, rounds: int) -> None:
    """Runner against plain loop: seconds a pair, ratio, and whether the values agree."""
    recipe = Recipe.parse(load_settings(data=folder, config=CONFIG).features)
    warm_up = Contest(PlainLoop(recipe))
    warm_up.play(write_pairs(folder / "one", references=1, per_reference=1), folder / "first")
    contest = Contest(PlainLoop(recipe))
    manifest = write_pairs(folder / "pictures", references=references, per_reference=per_reference)
    for number in range(rounds):
        contest.play(manifest, folder / f"round{number}")

    print(f"\nSpeed: {references} references × {per_reference}, 512×384, median of {rounds} rounds")
    print(f"  plain loop    {median(contest.plain):7.3f} s a pair")
    print(f"  seiqa         {median(contest.ours):7.3f} s a pair")
    ratios = [plain / ours for plain, ours in zip(contest.plain, contest.ours, strict=True)]
    print(f"  ratio         {median(ratios):7.2f}   ({min(ratios):.2f} to {max(ratios):.2f})")
    _print_by_extractor(contest)


def _print_by_extractor(contest: Contest) -> None:
    plain = pd.DataFrame(contest.plain_values, index=contest.our_values.index)
    difference = (contest.our_values[plain.columns] - plain).abs().max()
    print("  seconds a pair in the calls (seiqa: in one of its workers), largest difference")
    loop = pd.DataFrame(contest.plain_by_extractor).median()
    ours = pd.DataFrame(contest.ours_by_extractor).median()
    for name in ours.index:
        largest = difference[plain.columns.str.startswith(f"{name}__")].max()
        print(f"    {name:10} {loop[name]:7.4f} {ours[name]:7.4f}   {largest:.1e}")


def _seconds_by_extractor(recipe: Recipe, store: Store) -> dict[str, float]:
    seconds: dict[str, float] = {}
    for block in recipe.blocks:
        spent = pc.mean(store.read(block).column(SECONDS)).as_py()
        seconds[block.spec.name] = seconds.get(block.spec.name, 0.0) + spent
    return seconds


def memory(folder: Path, *, pairs: int) -> Path:
    """Peak resident memory by quarters of the pairs, in a process of its own."""
    manifest = write_pairs(folder / "pictures", references=pairs // 4, per_reference=4)
    script = Path(__file__).with_name("memory.py")
    output = subprocess.run(
        [sys.executable, script, manifest, folder], check=True, stdout=subprocess.PIPE
    ).stdout
    print(f"\nMemory: {pairs // 4 * 4} pairs, peak above a bare interpreter")
    for quarter, peak in enumerate(json.loads(output), 1):
        print(f"  quarter {quarter}     {peak / MIB:7.0f} MiB")
    return manifest


def start_up(manifest: Path) -> None:
    """Seconds of a fully cached run and of the help, beside a bare interpreter's."""
    seiqa = str(Path(sys.executable).with_name("seiqa"))
    folder = manifest.parent.parent
    cached = ["features", manifest, "--run", folder / "run", "--cache", folder / "cache"]
    commands: dict[str, list[str]] = {
        "python -c pass": [sys.executable, "-c", "pass"],
        "seiqa --help": [seiqa, "--help"],
        "seiqa features, cached": [seiqa, *map(str, cached), "--config", CONFIG],
    }
    seconds: dict[str, list[float]] = {name: [] for name in commands}
    for _ in range(START_ROUNDS):
        for name, command in commands.items():
            started = time.perf_counter()
            subprocess.run(command, check=True, capture_output=True)
            seconds[name].append(time.perf_counter() - started)
    print(f"\nStart-up: median of {START_ROUNDS}")
    for name, values in seconds.items():
        print(f"  {name:24} {median(values):6.2f} s")


if __name__ == "__main__":
    main()
