"""Runs of seiqa that can be killed at any call that changes files, each in a process of its own.

Processes are forked from one that has imported everything and done nothing yet, so that a run costs
what it does and not what it imports.
"""

from __future__ import annotations

import itertools
import logging
import multiprocessing
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import yaml
from PIL import Image, ImageFilter

ROOT = Path(__file__).parents[1]
SCENES, LEVELS = 4, 3
SCORED = "scored.csv"  # what `score` writes, in the run folder
Command = list[str]
Point = tuple[str, int]
"""A system call, or EVENT, and its number among those of a process, from 1."""

EVENT = "audit event"  # of Python's, where there is no strace
CHANGING = (
    "write", "pwrite64", "rename", "renameat", "renameat2", "unlink", "unlinkat", "mkdir", "rmdir",
    "link", "linkat", "fsync", "fdatasync", "ftruncate",
)  # fmt: skip
_CALL = re.compile(r"(\d+) +(\w+)\((.*)")
_WRITTEN = re.compile(r"\d+<([^>]*)>")
WRITE = "write bundles"  # no verb of seiqa's: see `_write_bundles`
_IMPORTED = (
    "pipelines.cli", "pipelines.steps", "pipelines.commands.run", "pipelines.report.render",
    "pipelines.runs.model", "pipelines.runs.scoring", "pipelines.runs.submission",
    "seiqa_features.extraction.runner", "seiqa_models.evaluation.evaluate", "matplotlib.pyplot",
    "skops.io", "sklearn.linear_model",
)  # fmt: skip
_context = multiprocessing.get_context("forkserver")
_context.set_forkserver_preload(list(_IMPORTED))


def make_data(folder: Path) -> None:
    """Two manifests without pair_id on the same pictures: other rows under the same names."""
    rows = []
    for number in range(SCENES + 1):
        drawn = random.Random(number)
        coarse = Image.frombytes("RGB", (8, 6), drawn.randbytes(144))
        scene = coarse.resize((96, 72), Image.Resampling.BICUBIC)
        scene.save(folder / f"r{number}.png")
        for level in range(LEVELS):
            blurred = scene.filter(ImageFilter.GaussianBlur(1 + level))
            blurred.save(folder / f"d{number}{level}.png")
            mos = None if number == SCENES else 5 - level + 0.01 * number
            rows.append((f"r{number}.png", f"d{number}{level}.png", mos))
    table = pd.DataFrame(rows, columns=["ref", "dist", "mos"])
    table.to_csv(folder / "a.csv", index=False)
    table.iloc[::-1].assign(mos=5.5 - table["mos"]).to_csv(folder / "b.csv", index=False)
    config = {
        "features": {"gms": ["max128"], "colour": ["max128"]},
        "learners": ["ridge"],
        "folds": 3,
        "workers": 1,
        "sense": False,
    }
    (folder / "quick.yaml").write_text(yaml.safe_dump(config))


class Bench:
    """A folder with finished runs `a` and `b`, and what is tried on copies of them, called `x`.

    What processes say lies beside it, in `root`.
    """

    def __init__(self, root: Path) -> None:
        os.environ["PYTHONPATH"] = str(ROOT)  # of the process that is forked from
        self.root, self.folder = root, root / "work"
        self.folder.mkdir()
        make_data(self.folder)
        for name in ("a", "b"):
            self.succeed(self.command("run", name, run=name))

    def command(self, verb: str, data: str, *, run: str) -> Command:
        """Arguments of seiqa."""
        cache = ["--cache", "cache"]
        if verb in ("compact", "prune"):
            return ["cache", verb, *cache]
        if verb == "score":
            return [verb, f"{data}.csv", "--bundle", "b/bundle", "--out", f"{run}/{SCORED}", *cache]
        used = cache if verb in ("features", "run") else []
        return [verb, f"{data}.csv", "--config", "quick.yaml", "--run", run, *used]

    def call(
        self, command: Command, fault: Point | None = None, *, seconds: float | None = None
    ) -> tuple[int, str]:
        """Exit code (negative: of the signal) and standard error of seiqa.

        It is struck at a point, or killed after so many seconds.
        """
        child = _context.Process(target=_run, args=(self.root, command, fault))
        child.start()
        child.join(seconds)
        child.kill()
        child.join()
        code = child.exitcode
        child.close()
        said = (self.root / "stderr").read_text(errors="replace")
        return (1 if code is None else code), said

    def succeed(self, command: Command) -> None:
        """Run seiqa, which has to succeed."""
        code, err = self.call(command)
        if code:
            raise RuntimeError(f"{' '.join(command)}: {err}")

    def points(self, command: Command) -> list[Point]:
        """Every call by which a run changes files below the folder, in their order."""
        code, err = self.call(command, ("trace", 0))
        if code:
            raise RuntimeError(err)
        if not shutil.which("strace"):
            return [(EVENT, n) for n in range(1, int((self.root / "trace").read_text()) + 1)]
        return list(_points((self.root / "trace").read_text(errors="replace"), self.folder))

    def copy(self, run: str, *, cache: str | None = None) -> Path:
        """A fresh copy of a run, called x, and of a store that is kept under that name."""
        shutil.rmtree(self.folder / "x", ignore_errors=True)
        if cache is not None:
            shutil.rmtree(self.folder / "cache", ignore_errors=True)
            if (self.folder / cache).exists():
                shutil.copytree(self.folder / cache, self.folder / "cache")
        return Path(shutil.copytree(self.folder / run, self.folder / "x"))


def _points(trace: str, folder: Path) -> Iterator[Point]:
    """The calls of a strace that change files below the folder.

    Numbers count a thread's calls of one name, as strace's own `when` does.
    """
    counts: Counter[tuple[str, str]] = Counter()
    seen: set[Point] = set()
    for line in trace.splitlines():
        call = _CALL.match(line)
        if call is None:
            continue
        thread, name, arguments = call.groups()
        counts[thread, name] += 1
        file = _WRITTEN.match(arguments)
        point = name, counts[thread, name]
        if (file is None or file[1].startswith(str(folder))) and point not in seen:
            seen.add(point)
            yield point


def _run(root: Path, command: Command, fault: Point | None) -> None:
    """In a process of its own: seiqa's command line, watched or struck."""
    os.chdir(root / "work")
    os.dup2(os.open(root / "stderr", os.O_WRONLY | os.O_CREAT | os.O_TRUNC), 2)
    os.dup2(os.open(root / "stdout", os.O_WRONLY | os.O_CREAT | os.O_TRUNC), 1)
    logging.getLogger().handlers.clear()
    sys.stderr = os.fdopen(2, "w", buffering=1, closefd=False)
    sys.stdout = os.fdopen(1, "w", closefd=False)
    from pipelines.cli import main as seiqa

    sys.argv = ["seiqa", *command]
    if command[0] == WRITE:
        _write_bundles(*command[1:])
    elif fault is None:
        seiqa(command)
    elif shutil.which("strace"):
        _attach_strace(root / "trace", fault)
        seiqa(command)
    else:
        _count_events(root, command, fault)


def _write_bundles(target: str, *bundles: str) -> None:
    """Write bundles to one place in turn, until the process is killed."""
    from seiqa_models.bundle import load_bundle, save_bundle

    loaded = [load_bundle(bundle) for bundle in bundles]
    for bundle in itertools.cycle(loaded):
        save_bundle(target, bundle.regressor, recipe=bundle.recipe, card=bundle.card)


def _attach_strace(trace: Path, fault: Point) -> None:
    name, nth = fault
    calls = ",".join(CHANGING) if name == "trace" else name
    options = ["-f", "-qq", "-y", "-o", str(trace), "-e", f"trace={calls}"]
    if name != "trace":
        options += ["-e", f"inject={name}:signal=SIGKILL:when={nth}"]
    subprocess.Popen(
        ["strace", *options, "-p", str(os.getpid())],
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    while "TracerPid:\t0\n" in Path("/proc/self/status").read_text():
        time.sleep(0.01)
    time.sleep(0.05)  # until it has all threads


def _count_events(root: Path, command: Command, fault: Point) -> None:
    """Without strace: the changes that Python tells of; libraries in C open files unseen."""
    from pipelines.cli import main as seiqa
    from tests.killing import Faults, faults

    name, nth = fault
    kill = Faults(
        root / "work",
        sys.maxsize if name == "trace" else nth,
        lambda *_: os.kill(os.getpid(), signal.SIGKILL),
    )
    try:
        with faults(kill):
            seiqa(command)
    finally:
        if name == "trace":
            (root / "trace").write_text(str(kill.count))
