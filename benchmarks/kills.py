"""Kill seiqa at every write and rename, and flip bits in its store: nothing false may come of it.

    python benchmarks/kills.py [--every N] [--flips N] [--stops N]

Prints, for `features`, `train` and `submit` on a small run: at how many points the step was killed,
how many different states of the files that left, and in how many of these a table was joined
wrongly, files of two runs were taken for one, a traceback appeared or the step did not succeed
afterwards. Then how many flipped bits in shards were believed, and what was left of an extraction
that was told to stop or killed in its first seconds. All but the number of points and states, of
bits and of rows kept are to be 0. Kills are injected by `strace` before each system call that
changes files; without strace, before the changes that Python's audit events tell of.
"""

from __future__ import annotations

# ruff: noqa: T201
import argparse
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
from killable import ROOT, Bench, Command
from PIL import Image

VERBS = ("features", "train", "submit")
WRONG = (
    "misjoins", "tracebacks", "mixed", "other results", "failed afterwards", "left lying",
)  # fmt: skip
SIGNALS = (signal.SIGTERM, signal.SIGHUP, signal.SIGINT, signal.SIGKILL)
_NAMES = re.compile(r"(?<=\.seiqa-)[0-9a-f]{8}-[0-9]+-[0-9a-f]{8}|(?<=part-)[0-9a-f]{32}")

State = tuple[tuple[str, int], ...]


def kill_everywhere(bench: Bench, verb: str, every: int = 1) -> Counter[str]:
    """Kill a step of run b on a copy of run a (features) or b, and look at what is left.

    What `features` computes it has to compute anew each time. States in which the same files are
    the old ones, and the others have one length, are looked at once.
    """
    figures = Counter(dict.fromkeys(("points", "kills", "states", *WRONG), 0))
    command = bench.command(verb, "b", run="x")
    old = "a" if verb == "features" else "b"
    stored = "no such cache" if verb == "features" else None
    bench.copy(old, cache=stored)
    points = bench.points(command)
    figures["points"] = len(points)
    seen: set[State] = set()
    for point in islice(points, None, None, every):
        bench.copy(old, cache=stored)
        code, _ = bench.call(command, point)
        figures["kills"] += code == -signal.SIGKILL
        left = state(bench, old)
        if left not in seen:
            seen.add(left)
            look(bench, verb, command, figures)
    figures["states"] = len(seen)
    return figures


def state(bench: Bench, old: str) -> State:
    """By file of run x and of the store: -1 if it is as in the old run, else its length."""
    found = []
    for folder in (bench.folder / "x", bench.folder / "cache"):
        for path in folder.rglob("*"):
            name = _NAMES.sub("…", str(path.relative_to(bench.folder)))
            before = bench.folder / old / path.relative_to(folder)
            length = path.stat().st_size if path.is_file() else 0
            if ".tmp" in name:
                length = min(length, 1)
            elif path.is_file() and before.is_file() and path.read_bytes() == before.read_bytes():
                length = -1
            found.append((name, length))
    return tuple(sorted(found))


def look(bench: Bench, verb: str, command: Command, figures: Counter[str]) -> None:
    """Count what is wrong with run x after a kill."""
    figures["misjoins"] += not joined_right(bench)
    for reader in ("report", "submit", "train"):
        code, err = bench.call(bench.command(reader, "b", run="x"))
        figures["tracebacks"] += "Traceback" in err
        figures["mixed"] += verb != "features" and code != 0  # old or new, it is of run b
        if reader == "train" and code == 0:
            figures["other results"] += final(bench, "x") != final(bench, "b")
    code, err = bench.call(command)
    figures["tracebacks"] += "Traceback" in err
    figures["failed afterwards"] += code != 0
    figures["left lying"] += any((bench.folder / "x").rglob(".seiqa-*"))


def final(bench: Bench, run: str) -> float:
    """The honest estimate of a run."""
    metrics = json.loads((bench.folder / run / "metrics.json").read_text())
    return float(metrics["honest"]["final"])


def joined_right(bench: Bench) -> bool:
    """Whether every pair has the features of its pixels and the label of its manifest."""
    found = table_by_pixels(bench.folder / "x")
    return any(found.equals(table_by_pixels(bench.folder / name)) for name in ("a", "b"))


def table_by_pixels(run: Path) -> pd.DataFrame:
    """Labels and scalar features of a run, in the order of the pixel keys."""
    from pipelines.runs.folder import FEATURES, PAIRS
    from seiqa_features.commits import current
    from seiqa_features.table.table import read_table

    pairs = pd.read_parquet(current(run / PAIRS))
    table = read_table(current(run / FEATURES)).select_dtypes("float64")
    joined = pairs.join(table, on="pair_id").set_index(["ref_key", "dist_key"]).sort_index()
    return joined[["mos", *table.columns]]


def flip_bits(bench: Bench, flips: int) -> Counter[str]:
    """Flip one bit of one shard at a time, and extract again: believed if the table differs."""
    figures = Counter(dict.fromkeys(("flips", "noticed", "believed", "failed"), 0))
    bench.copy("b", cache="no such cache")
    bench.succeed(bench.command("features", "b", run="x"))
    shards = sorted((bench.folder / "cache").rglob("part-*.parquet"))
    sound = {shard: shard.read_bytes() for shard in shards}
    draw = random.Random(0)
    expected = table_by_pixels(bench.folder / "b")
    for _ in range(flips):
        shard = draw.choice(shards)
        content = bytearray(sound[shard])
        bit = draw.randrange(8 * len(content))
        content[bit // 8] ^= 1 << bit % 8
        shard.write_bytes(content)
        bench.copy("b")
        code, err = bench.call(bench.command("features", "b", run="x"))
        figures["flips"] += 1
        figures["noticed"] += "damaged shard" in err
        figures["believed"] += not table_by_pixels(bench.folder / "x").equals(expected)
        figures["failed"] += code != 0
        for extra in shard.parent.glob("part-*"):
            extra.unlink()
        shard.write_bytes(sound[shard])
    return figures


def stop_early(bench: Bench, stops: int) -> Iterator[str]:
    """Stop extractions of larger pictures after some seconds of work: what is kept of it."""
    rows = []
    for number in range(20):
        with Image.open(bench.folder / f"r{number % 4}.png") as scene:
            scene.resize((512, 384)).save(bench.folder / f"large-r{number}.png")
        for level in range(3):
            with Image.open(bench.folder / f"d{number % 4}{level}.png") as degraded:
                degraded.resize((512 + number, 384)).save(
                    bench.folder / f"large-d{number}{level}.png"
                )
            rows.append((f"large-r{number}.png", f"large-d{number}{level}.png"))
    pd.DataFrame(rows, columns=["ref", "dist"]).to_csv(bench.folder / "large.csv", index=False)
    cache, draw = bench.folder / "early", random.Random(0)
    for number in range(stops):
        shutil.rmtree(cache, ignore_errors=True)
        child = subprocess.Popen(
            [
                *(sys.executable, "-m", "pipelines.cli", "features", "large.csv"),
                *("--config", "classical", "--run", "early-run", "--cache", "early"),
            ],
            cwd=bench.folder, env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        while not (cache / "images.sqlite").exists():
            time.sleep(0.01)
        told, worked = SIGNALS[number % len(SIGNALS)], draw.uniform(4, 12)
        time.sleep(worked)
        child.send_signal(told)
        start = time.perf_counter()
        code = child.wait()
        ending = time.perf_counter() - start
        parts = [pq.read_metadata(part).num_rows for part in cache.rglob("part-*.parquet")]
        yield (
            f"{told.name} after {worked:4.1f} s of work: ended within {ending:.2f} s (code {code}),"
            f" {min(parts, default=0)} pairs whole, {sum(parts)} rows of blocks kept"
        )


def main() -> None:
    """Kill at every point, and print what was left each time."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--every", type=int, default=1, help="of the points, which to kill at")
    options.add_argument("--flips", type=int, default=400)
    options.add_argument("--stops", type=int, default=8)
    chosen = options.parse_args()
    with tempfile.TemporaryDirectory(prefix="seiqa-kills-") as folder:
        bench = Bench(Path(folder))
        for verb in VERBS:
            start = time.perf_counter()
            figures = kill_everywhere(bench, verb, chosen.every)
            print(verb, dict(figures), f"{time.perf_counter() - start:.0f} s", flush=True)
        print("shards", dict(flip_bits(bench, chosen.flips)), flush=True)
        for line in stop_early(bench, chosen.stops):
            print(line, flush=True)


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    main()
