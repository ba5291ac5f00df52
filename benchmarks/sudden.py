"""Stop or kill seiqa at moments that nobody chose: what it loses, and whether it notices."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
import yaml
from killable import ROOT, SCORED, WRITE, Bench, Command
from PIL import Image

SIGNALS = (signal.SIGTERM, signal.SIGHUP, signal.SIGINT, signal.SIGKILL)
SCENES, LEVELS = 8, 3
LARGE = {"iw_ssim": ["max512"], "cw_ssim": ["max512"], "vif": ["max512"], "colour": ["max512"]}
RESULTS: dict[str, tuple[str, ...]] = {
    "features": ("features.parquet", "pairs.parquet"),
    "score": (SCORED,),
    "train": ("bundle/model.skops", "bundle/bundle.json", "predictions.csv"),
}
"""What a verb writes; the same bytes however often it was killed before."""

_BUNDLE = ("bundle.json", "model.skops", "card.md")


def make_large(folder: Path, scenes: int, name: str) -> None:
    """A manifest of larger pictures, each pair of other pixels."""
    rows = []
    for number in range(scenes):
        with Image.open(folder / f"r{number % 4}.png") as scene:
            scene.resize((512, 384 + number)).save(folder / f"large-r{number}.png")
        for level in range(LEVELS):
            path = folder / f"large-d{number}{level}.png"
            with Image.open(folder / f"d{number % 4}{level}.png") as degraded:
                degraded.resize((512, 384 + number)).save(path)
            rows.append((f"large-r{number}.png", path.name, 5 - level + 0.01 * number))
    pd.DataFrame(rows, columns=["ref", "dist", "mos"]).to_csv(folder / name, index=False)


def stop_early(bench: Bench, stops: int) -> Iterator[str]:
    """Stop extractions of larger pictures after some seconds of work: what is kept of it."""
    if not stops:
        return
    make_large(bench.folder, 20, "many.csv")
    cache, draw = bench.folder / "early", random.Random(0)
    for number in range(stops):
        shutil.rmtree(cache, ignore_errors=True)
        child = subprocess.Popen(
            [
                *(sys.executable, "-m", "pipelines.cli", "features", "many.csv"),
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


def kill_at_random(bench: Bench, rounds: int, seed: int = 0) -> Counter[str]:
    """Kill extraction, scoring, training and the writing of bundles, in turn, at random moments.

    A killed extraction or scoring goes on with the store that it left. What it writes in the end,
    and what a training writes that was killed before, is compared with an undisturbed run's:
    `different` counts files. After a kill in training or in the writing of bundles, the bundle is
    to be the old one or the new one, and to load.
    """
    figures = Counter(dict.fromkeys(("kills", "finished", "different", "tracebacks", "torn"), 0))
    draw = random.Random(seed)
    commands = _undisturbed(bench)
    turns: dict[str, Callable[[], None]] = {
        verb: _continued(bench, verb, command, draw, figures)
        for verb, (command, _) in commands.items()
        if verb != "train"
    }
    turns["train"] = lambda: _kill_training(bench, *commands["train"], draw, figures)
    turns[WRITE] = lambda: _kill_writing(bench, draw, figures)
    for number in range(rounds):
        list(turns.values())[number % len(turns)]()
    return figures


def _undisturbed(bench: Bench) -> dict[str, tuple[Command, float]]:
    """The commands by verb and how long they take; what they write goes to `whole`."""
    folder = bench.folder
    make_large(folder, SCENES, "large.csv")
    config = {**yaml.safe_load((folder / "quick.yaml").read_text()), "features": LARGE}
    (folder / "large.yaml").write_text(yaml.safe_dump(config))
    (folder / "other.yaml").write_text(yaml.safe_dump({**config, "learners": ["svr"]}))
    named = ["large.csv", "--config", "large.yaml", "--run", "x"]
    commands = {
        "features": ["features", *named, "--cache", "c-features"],
        "train": ["train", *named],
        "score": ["score", "large.csv", "--bundle", "whole/bundle", "--out", f"x/{SCORED}",
                  "--cache", "c-score"],
    }  # fmt: skip
    shutil.rmtree(folder / "x", ignore_errors=True)
    taken = {}
    for verb, command in commands.items():
        start = time.perf_counter()
        bench.succeed(command)
        taken[verb] = command, time.perf_counter() - start
        shutil.copytree(folder / "x", folder / "whole", dirs_exist_ok=True)
        if verb == "features":
            bench.succeed(["train", "large.csv", "--config", "other.yaml", "--run", "x"])
            shutil.copytree(folder / "x", folder / "other")
    for cache in ("c-features", "c-score"):
        shutil.rmtree(folder / cache)
    return taken


def _continued(
    bench: Bench, verb: str, command: Command, draw: random.Random, figures: Counter[str]
) -> Callable[[], None]:
    """One kill of a step that keeps its work, with whatever the kills before have left."""

    def turn() -> None:
        (bench.folder / "x").mkdir(exist_ok=True)
        code, err = bench.call(command, seconds=draw.uniform(0, 15))
        figures["tracebacks"] += "Traceback" in err
        if code == -signal.SIGKILL:
            figures["kills"] += 1
            return
        figures["finished"] += 1
        figures["different"] += code != 0 or _differ(bench, RESULTS[verb])
        shutil.rmtree(bench.folder / f"c-{verb}")
        shutil.rmtree(bench.folder / "x")

    return turn


def _kill_training(
    bench: Bench, command: Command, usual: float, draw: random.Random, figures: Counter[str]
) -> None:
    """Kill a training over that of another learner; then let it end."""
    aside = bench.folder / "x-aside"  # what is going on in other turns
    if (bench.folder / "x").exists():
        (bench.folder / "x").rename(aside)
    shutil.copytree(bench.folder / "other", bench.folder / "x")
    code, err = bench.call(command, seconds=draw.uniform(0, 1.2 * usual))
    figures["kills"] += code == -signal.SIGKILL
    figures["torn"] += not _is_one_of(bench, "x/bundle", ("other/bundle", "whole/bundle"))
    figures["tracebacks"] += "Traceback" in err
    code, err = bench.call(command)
    figures["tracebacks"] += "Traceback" in err
    figures["finished"] += 1
    figures["different"] += code != 0 or _differ(bench, RESULTS["train"])
    shutil.rmtree(bench.folder / "x")
    if aside.exists():
        aside.rename(bench.folder / "x")


def _kill_writing(bench: Bench, draw: random.Random, figures: Counter[str]) -> None:
    """Kill a process that writes two bundles to one place in turn."""
    target = bench.folder / "written"
    bundles = "other/bundle", "whole/bundle"
    if not target.exists():
        shutil.copytree(bench.folder / bundles[0], target)
    code, err = bench.call([WRITE, "written", *bundles], seconds=draw.uniform(0.3, 3))
    figures["kills"] += code == -signal.SIGKILL
    figures["tracebacks"] += "Traceback" in err
    figures["torn"] += not _is_one_of(bench, "written", bundles)


def _differ(bench: Bench, names: tuple[str, ...]) -> bool:
    one, other = bench.folder / "x", bench.folder / "whole"
    return any((one / name).read_bytes() != (other / name).read_bytes() for name in names)


def _is_one_of(bench: Bench, found: str, bundles: tuple[str, ...]) -> bool:
    """Whether a bundle, read as readers do, is one of these, and loads."""
    from seiqa_features.commits import current
    from seiqa_models.bundle import load_bundle

    def content(bundle: str) -> list[bytes]:
        return [current(bench.folder / bundle / name).read_bytes() for name in _BUNDLE]

    load_bundle(bench.folder / found)
    return content(found) in [content(bundle) for bundle in bundles]
