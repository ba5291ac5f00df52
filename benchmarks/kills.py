"""Kill seiqa at every write and rename, and damage its files: nothing false may come of it.

    python benchmarks/kills.py [--verbs VERB,…] [--every N] [--from N] [--flips N] [--stops N]
        [--rounds N] [--seed N]

Prints, for each verb on a small run: at how many points the step was killed, how many different
states of the files that left, and in how many of these a table was joined wrongly, files of two
runs were taken for one, rows were lost, a traceback appeared or the step did not succeed
afterwards. Then how many flipped bits in the store and in run folders were believed
(`damage.py`), what was left of an extraction that was told to stop or killed in its first seconds,
and what came of kills at random moments (`sudden.py`). All but the number of points and states, of
kills, of bits and of rows kept are to be 0. Kills are injected by `strace` before each system call
that changes files; without strace, before the changes that Python's audit events tell of.
"""

from __future__ import annotations

# ruff: noqa: T201
import argparse
import json
import re
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from itertools import islice
from pathlib import Path

import pandas as pd
from damage import flip_bits, flip_results, table_by_pixels
from killable import ROOT, SCORED, Bench, Command
from sudden import kill_at_random, stop_early

from seiqa_features.table.recipe import fingerprint_of

RUN_VERBS = ("features", "train", "submit")
STORE_VERBS = ("compact", "prune")
VERBS = (*RUN_VERBS, "score", *STORE_VERBS)
WRONG = (
    "misjoins", "tracebacks", "mixed", "other results", "lost", "failed afterwards", "left lying",
)  # fmt: skip
_NAMES = re.compile(r"(?<=\.seiqa-)[0-9a-f]{8}-[0-9]+-[0-9a-f]{8}|(?<=part-)[0-9a-f]{32}")

State = tuple[tuple[str, int], ...]


def kill_everywhere(bench: Bench, verb: str, every: int = 1, first: int = 0) -> Counter[str]:
    """Kill a step on copies of what it starts from, and look at what is left.

    `features` starts from run a, and has to compute everything anew; `train` and `submit` from run
    b; `score` from an earlier file of scores. States in which the same files are the old ones, and
    the others have one length, are looked at once.
    """
    figures = Counter(dict.fromkeys(("points", "kills", "states", *WRONG), 0))
    command = bench.command(verb, "b", run="x")
    if verb in STORE_VERBS:
        make_crowded_store(bench)
    prepare(bench, verb)
    points = bench.points(command)
    figures["points"] = len(points)
    expected = (bench.folder / "x" / SCORED).read_bytes() if verb == "score" else b""
    seen: set[State] = set()
    for point in islice(points, first, None, every):
        prepare(bench, verb)
        code, _ = bench.call(command, point)
        figures["kills"] += code == -signal.SIGKILL
        left = state(bench, "a" if verb == "features" else "b")
        if left in seen:
            continue
        seen.add(left)
        if verb in RUN_VERBS:
            look_at_run(bench, verb, figures)
        elif verb == "score":
            look_at_scores(bench, command, expected, figures)
        else:
            look_at_store(bench, figures)
        code, err = bench.call(command)
        figures["tracebacks"] += "Traceback" in err
        figures["failed afterwards"] += code != 0
        if verb == "score":
            figures["other results"] += (bench.folder / "x" / SCORED).read_bytes() != expected
        figures["left lying"] += any((bench.folder / "x").rglob(".seiqa-*"))
        figures["left lying"] += any((bench.folder / "cache").rglob(".seiqa-*"))
    figures["states"] = len(seen)
    return figures


def prepare(bench: Bench, verb: str) -> None:
    """Put back what a verb starts from."""
    store = {"features": "no such store", "score": "no such store", "submit": None, "train": None}
    bench.copy("a" if verb == "features" else "b", cache=store.get(verb, "crowded"))
    if verb == "score":
        (bench.folder / "x" / SCORED).write_text("earlier\n")


def make_crowded_store(bench: Bench) -> None:
    """A store called crowded: several shards per block, one damaged, and rows of another version.

    The damaged one holds nothing that others do not.
    """
    crowded = bench.folder / "crowded"
    shutil.rmtree(crowded, ignore_errors=True)
    shutil.rmtree(bench.folder / "cache", ignore_errors=True)
    table = pd.read_csv(bench.folder / "b.csv")
    for number in range(3):
        table.iloc[: 5 * (number + 1)].to_csv(bench.folder / "some.csv", index=False)
        bench.succeed(bench.command("features", "some", run="some"))
    (bench.folder / "cache").rename(crowded)
    for block in [manifest.parent for manifest in crowded.glob("*/*/manifest.json")]:
        part = next(iter(block.glob("part-*.parquet")))
        shutil.copy(part, part.with_name(f"{part.name}.damaged"))
        ingredients = {**json.loads((block / "manifest.json").read_text()), "version": -1}
        old = shutil.copytree(block, block.with_name(f"{fingerprint_of(ingredients)}-3"))
        (old / "manifest.json").write_text(json.dumps(ingredients))


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


def look_at_run(bench: Bench, verb: str, figures: Counter[str]) -> None:
    """Count what is wrong with run x after a kill."""
    figures["misjoins"] += not joined_right(bench)
    for reader in ("report", "submit", "train"):
        code, err = bench.call(bench.command(reader, "b", run="x"))
        figures["tracebacks"] += "Traceback" in err
        figures["mixed"] += verb != "features" and code != 0  # old or new, it is of run b
        if reader == "train" and code == 0:
            figures["other results"] += final(bench, "x") != final(bench, "b")


def look_at_scores(bench: Bench, command: Command, expected: bytes, figures: Counter[str]) -> None:
    """Count what is wrong with a file of scores after a kill."""
    found = (bench.folder / command[command.index("--out") + 1]).read_bytes()
    figures["mixed"] += found not in (b"earlier\n", expected)


def look_at_store(bench: Bench, figures: Counter[str]) -> None:
    """Count what a store has lost by a kill, with whoever uses it next."""
    store = bench.folder / "cache"
    kept = shutil.copytree(store, bench.folder / "kept")
    code, err = bench.call(bench.command("features", "b", run="x"))
    figures["tracebacks"] += "Traceback" in err
    figures["failed afterwards"] += code != 0
    figures["misjoins"] += not joined_right(bench)
    figures["lost"] += "extracting pairs" in err  # nothing had to be computed
    shutil.rmtree(store)
    kept.rename(store)


def final(bench: Bench, run: str) -> float:
    """The honest estimate of a run."""
    metrics = json.loads((bench.folder / run / "metrics.json").read_text())
    return float(metrics["honest"]["final"])


def joined_right(bench: Bench) -> bool:
    """Whether every pair has the features of its pixels and the label of its manifest."""
    found = table_by_pixels(bench.folder / "x")
    return any(found.equals(table_by_pixels(bench.folder / name)) for name in ("a", "b"))


def main() -> None:
    """Kill at every point, and print what was left each time."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--verbs", default=",".join(VERBS))
    options.add_argument("--every", type=int, default=1, help="of the points, which to kill at")
    options.add_argument("--from", type=int, default=0, dest="first", help="the first of them")
    options.add_argument("--flips", type=int, default=400)
    options.add_argument("--stops", type=int, default=8)
    options.add_argument("--rounds", type=int, default=100, help="kills at random moments")
    options.add_argument("--seed", type=int, default=0, help="of flips and random moments")
    chosen = options.parse_args()
    with tempfile.TemporaryDirectory(prefix="seiqa-kills-") as folder:
        bench = Bench(Path(folder))
        for verb in filter(None, chosen.verbs.split(",")):
            start = time.perf_counter()
            figures = kill_everywhere(bench, verb, chosen.every, chosen.first)
            print(verb, dict(figures), f"{time.perf_counter() - start:.0f} s", flush=True)
        if chosen.flips:
            print("shards", dict(flip_bits(bench, chosen.flips, chosen.seed)), flush=True)
            print("results", dict(flip_results(bench, chosen.flips, chosen.seed)), flush=True)
        for line in stop_early(bench, chosen.stops):
            print(line, flush=True)
        if chosen.rounds:
            found = kill_at_random(bench, chosen.rounds, chosen.seed)
            print("random moments", dict(found), flush=True)


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    main()
