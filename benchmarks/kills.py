"""Kill seiqa at every write and rename, and flip bits in its store: nothing false may come of it.

    python benchmarks/kills.py [--every N] [--flips N] [--kills N]

Prints, for `features`, `train` and `submit` on a small run: at how many points the step was killed,
and how often a table was joined wrongly, files of two runs were taken for one, a traceback appeared
or the step did not succeed afterwards. Then how many flipped bits in shards were believed, and what
was left of an extraction that was killed in its first seconds. All but the first and the last
figure are to be 0. Kills are injected by `strace` at each system call that changes files, where it
is installed, and by Python's audit events in any case.
"""

from __future__ import annotations

# ruff: noqa: T201
import argparse
import contextlib
import io
import json
import logging
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import redirect_stderr, redirect_stdout
from itertools import count
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
import yaml
from PIL import Image, ImageFilter

ROOT = Path(__file__).parents[1]
SYSCALLS = "rename,renameat2,unlink,mkdir,rmdir,link,fsync,ftruncate"
WRITES = "write,pwrite64"
SCENES, LEVELS = 5, 4
WRONG = (
    "misjoins", "tracebacks", "mixed", "other results", "failed afterwards", "left lying",
)  # fmt: skip
Command = list[str]


def make_data(folder: Path) -> None:
    """Two manifests without pair_id on the same pictures: other rows under the same names."""
    rows = []
    for number in range(SCENES):
        drawn = random.Random(number)
        coarse = Image.frombytes("RGB", (8, 6), drawn.randbytes(144))
        scene = coarse.resize((96, 72), Image.Resampling.BICUBIC)
        scene.save(folder / f"r{number}.png")
        for level in range(LEVELS):
            blurred = scene.filter(ImageFilter.GaussianBlur(1.5 * level))
            blurred.save(folder / f"d{number}{level}.png")
            mos = None if number == SCENES - 1 else 5 - level
            rows.append((f"r{number}.png", f"d{number}{level}.png", mos))
    table = pd.DataFrame(rows, columns=["ref", "dist", "mos"])
    table.to_csv(folder / "a.csv", index=False)
    table.iloc[::-1].assign(mos=5.5 - table["mos"]).to_csv(folder / "b.csv", index=False)
    config = {
        "features": {"gms": ["max128"], "colour": ["max128"]},
        "learners": ["ridge"],
        "folds": 3,
        "workers": 1,
    }
    (folder / "quick.yaml").write_text(yaml.safe_dump(config))


class Bench:
    """A folder with finished runs `a` and `b`, and what is tried on copies of them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        make_data(folder)
        for name in ("a", "b"):
            self.succeed(self.command("run", name, run=name))

    def command(self, verb: str, data: str, *, run: str) -> Command:
        """Arguments of seiqa."""
        return [verb, f"{data}.csv", "--config", "quick.yaml", "--run", run, *self.cache(verb)]

    def cache(self, verb: str) -> Command:
        """The option that names the feature store, for verbs that have it."""
        return ["--cache", "cache"] if verb in ("features", "run") else []

    def killed(self, started: Command, command: Command) -> bool:
        """Run seiqa in another process, and see whether it was killed."""
        done = subprocess.run(
            [*started, *command],
            cwd=self.folder, env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False,
        )  # fmt: skip
        return done.returncode != 0

    def call(self, command: Command) -> tuple[int, str]:
        """Exit code and standard error of seiqa in this process."""
        from pipelines.cli import main as seiqa

        said = io.StringIO()
        logging.getLogger().handlers = [logging.StreamHandler(said)]
        with contextlib.chdir(self.folder), redirect_stderr(said), redirect_stdout(io.StringIO()):
            try:
                seiqa(command)
            except SystemExit as ended:
                code = int(ended.code or 0)
            except Exception:
                traceback.print_exc(file=said)
                code = 1
        return code, said.getvalue()

    def succeed(self, command: Command) -> None:
        """Run seiqa, which has to succeed."""
        code, err = self.call(command)
        if code:
            raise RuntimeError(f"{' '.join(command)}: {err}")

    def copy(self, run: str) -> Path:
        """A fresh copy of a run, called x."""
        shutil.rmtree(self.folder / "x", ignore_errors=True)
        return Path(shutil.copytree(self.folder / run, self.folder / "x"))

    def ways_to_kill(self, every: int) -> dict[str, Callable[[int], Command]]:
        """By name: what starts seiqa so that it is killed at the n-th point."""
        ways = {
            "audit events": lambda n: [
                sys.executable, "-m", "tests.killing", str(n), str(self.folder),
            ]
        }  # fmt: skip
        if shutil.which("strace"):
            for name, calls, step in (("system calls", SYSCALLS, 1), ("writes", WRITES, every)):
                ways[name] = lambda n, calls=calls, step=step: [
                    *("strace", "-f", "-qq", "--seccomp-bpf", "-o", os.devnull),
                    *("-e", f"trace={calls}"),
                    *("-e", f"inject={calls}:signal=SIGKILL:when={1 + (n - 1) * step}"),
                    *(sys.executable, "-m", "pipelines.cli"),
                ]
        return ways


def kill_everywhere(bench: Bench, verb: str, every: int) -> Counter[str]:
    """Kill a step of run b on a copy of run a (features) or b, and look at what is left."""
    figures = Counter(dict.fromkeys(("kills", *WRONG), 0))
    command = bench.command(verb, "b", run="x")
    for way in bench.ways_to_kill(every).values():
        for nth in count(1):
            bench.copy("a" if verb == "features" else "b")
            if not bench.killed(way(nth), command):
                break
            figures["kills"] += 1
            look(bench, verb, command, figures)
    return figures


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
    figures: Counter[str] = Counter()
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


def kill_early(bench: Bench, kills: int) -> Iterator[tuple[float, int]]:
    """Kill extractions of larger pictures: seconds that they had for it, and rows in the store."""
    rows = []
    for number in range(20):
        with Image.open(bench.folder / f"r{number % SCENES}.png") as scene:
            scene.resize((512, 384)).save(bench.folder / f"large-r{number}.png")
        for level in (1, 2):
            with Image.open(bench.folder / f"d{number % SCENES}{level}.png") as degraded:
                degraded.resize((512, 384)).save(bench.folder / f"large-d{number}{level}.png")
            rows.append((f"large-r{number}.png", f"large-d{number}{level}.png"))
    pd.DataFrame(rows, columns=["ref", "dist"]).to_csv(bench.folder / "large.csv", index=False)
    cache, draw = bench.folder / "early", random.Random(0)
    for _ in range(kills):
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
        seconds = draw.uniform(1, 20)
        time.sleep(seconds)
        child.send_signal(signal.SIGKILL)
        child.wait()
        parts = cache.rglob("part-*.parquet")
        yield seconds, sum(pq.read_metadata(part).num_rows for part in parts)


def main() -> None:
    """Kill at every few writes, and print what was left each time."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--every", type=int, default=10, help="of the writes, which to kill at")
    options.add_argument("--flips", type=int, default=400)
    options.add_argument("--kills", type=int, default=20)
    chosen = options.parse_args()
    with tempfile.TemporaryDirectory(prefix="seiqa-kills-") as folder:
        bench = Bench(Path(folder))
        for verb in ("features", "train", "submit"):
            print(verb, dict(kill_everywhere(bench, verb, chosen.every)), flush=True)
        print("shards", dict(flip_bits(bench, chosen.flips)), flush=True)
        for seconds, rows in kill_early(bench, chosen.kills):
            print(f"killed after {seconds:.1f} s: {rows} rows kept", flush=True)


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    main()
