"""Flip single bits in seiqa's files: in its store, its index of pictures, and run folders."""

from __future__ import annotations

import random
import shutil
from collections import Counter
from pathlib import Path

import pandas as pd
from killable import Bench

READERS = (
    ("report", ["report", "--run", "x"]),
    ("compare", ["compare", "x", "x", "--json"]),
    ("train", ["train", "b.csv", "--config", "quick.yaml", "--run", "x"]),
    ("submit", ["submit", "b.csv", "--config", "quick.yaml", "--run", "x"]),
    ("score", ["score", "r0.png", "d00.png", "--bundle", "x/bundle", "--json"]),
)
"""Whoever reads files of a run."""

RESULTS: dict[str, tuple[str, ...]] = {
    "pairs.parquet": ("report", "train", "submit"),
    "features.parquet": ("train", "submit"),
    "features.json": ("report", "train", "submit"),
    "metrics.json": ("report", "compare"),
    "predictions.csv": ("report", "compare"),
    "run.json": ("report", "compare", "submit"),
    "bundle/bundle.json": ("score", "submit"),
    "bundle/model.skops": ("score", "submit"),
}
"""Files of a run, and who reads them."""


def flip_bits(bench: Bench, flips: int, seed: int = 0) -> Counter[str]:
    """Flip one bit of the store at a time, and extract again: believed if the table differs.

    Nine in ten are in shards, the others in the index of pictures.
    """
    figures = Counter(dict.fromkeys(("flips", "noticed", "believed", "failed"), 0))
    bench.copy("b", cache="no such cache")
    bench.succeed(bench.command("features", "b", run="x"))
    store, sound = bench.folder / "cache", bench.folder / "sound"
    shutil.rmtree(sound, ignore_errors=True)
    shutil.copytree(store, sound)
    shards = sorted(str(part.relative_to(store)) for part in store.rglob("part-*.parquet"))
    draw = random.Random(seed)
    expected = table_by_pixels(bench.folder / "b")
    for number in range(flips):
        bench.copy("b", cache="sound")
        flip(store / ("images.sqlite" if number % 10 == 9 else draw.choice(shards)), draw)
        code, err = bench.call(bench.command("features", "b", run="x"))
        figures["flips"] += 1
        figures["noticed"] += "damaged" in err
        figures["believed"] += not table_by_pixels(bench.folder / "x").equals(expected)
        figures["failed"] += code != 0
    return figures


def flip_results(bench: Bench, flips: int, seed: int = 0) -> Counter[str]:
    """Flip one bit of a run's results at a time, and read them.

    Believed if a reader succeeds and says or writes something else than without the flip; scores
    written by `submit` and the bundle written by `train` are compared. `report` and `compare` have
    to refuse, or to write what they do of the sound run.
    """
    figures = Counter(dict.fromkeys(("flips", "refused", "believed", "tracebacks"), 0))
    draw, commands = random.Random(seed), dict(READERS)
    bench.copy("b")
    expected = {name: outcome(bench, commands[name]) for name in commands}
    for number in range(flips):
        file = list(RESULTS)[number % len(RESULTS)]
        bench.copy("b")
        flip(bench.folder / "x" / file, draw)
        reader = draw.choice(RESULTS[file])
        code, said, err = outcome(bench, commands[reader])
        figures["flips"] += 1
        figures["refused"] += code != 0
        figures["tracebacks"] += "Traceback" in err or "unexpected" in err
        figures["believed"] += code == 0 and said != expected[reader][1]
    return figures


def outcome(bench: Bench, command: list[str]) -> tuple[int, bytes, str]:
    """Exit code of seiqa, what it wrote to run x or said there, and standard error."""
    code, err = bench.call(command)
    run, verb = bench.folder / "x", command[0]
    written = {"submit": "scores.csv", "train": "bundle/model.skops", "report": "report.html"}
    if verb in written and code == 0:
        return code, (run / written[verb]).read_bytes(), err
    return code, (bench.root / "stdout").read_bytes(), err


def flip(file: Path, draw: random.Random) -> None:
    """Flip one bit of a file."""
    content = bytearray(file.read_bytes())
    bit = draw.randrange(8 * len(content))
    content[bit // 8] ^= 1 << bit % 8
    file.write_bytes(content)


def table_by_pixels(run: Path) -> pd.DataFrame:
    """Labels, groups and scalar features of a run, in the order of the pixel keys."""
    from pipelines.runs.folder import FEATURES, PAIRS
    from seiqa_features.commits import current
    from seiqa_features.table.table import read_table

    pairs = pd.read_parquet(current(run / PAIRS))
    table = read_table(current(run / FEATURES)).select_dtypes("float64")
    joined = pairs.join(table, on="pair_id").set_index(["ref_key", "dist_key"]).sort_index()
    return joined[["mos", "group_id", *table.columns]]
