"""What the model half costs, against the runner-up's recipe as it runs. Measures, asserts nothing.

    python benchmarks/bench_models.py [--rows 510] [--outer 2] [--rounds 1]
    python benchmarks/bench_models.py --large

1. *Contest*: the nested estimate and the fit on all rows, on the same table and the same outer
   folds, in turns: `seiqa_models.evaluate` with the default stack, and `faithful_stack.py` fitted
   once per outer training part and once on all rows. Both get one process per core with one thread
   each: better than the runner-up's libraries' own threads, which wait for each other.
2. *Where the time goes*: CPU seconds of each part of the same work, taken inside the fits; ours
   once more in this process, with clocks put around its calls.
3. *Growth*: ours with 2, 4 and 8 outer folds. With k folds the fits see k times the table's rows in
   all, so twice the folds are twice the rows to be fitted.
4. *--large* does only this: `SeiqaRegressor.fit` on a table of KADID-10k's size with 20 dense
   blocks; minutes, and peak memory of the process and its workers together, what they share
   counted once.

The tables are made up, for timing only: no score of theirs means anything, none is printed. Compare
ratios, and on a busy machine those of CPU seconds. The runner-up takes about 2 CPU minutes a fit,
so a round with 2 outer folds takes 3 minutes on 2 idle cores; each more outer fold adds one fit.
"""
# ruff: noqa: T201

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from statistics import median
from typing import Any
from unittest import mock

import numpy as np
import pandas as pd
import psutil
from faithful_stack import FaithfulStack
from joblib import Parallel, delayed
from joblib.externals.loky import get_reusable_executor
from made_up import Table, made_up_table

from seiqa_models.core.splits import Fold, make_folds
from seiqa_models.evaluation.evaluate import evaluate
from seiqa_models.fusions.bounded import BoundedFusion
from seiqa_models.learners.registry import LEARNERS
from seiqa_models.learners.runner_up import Factory
from seiqa_models.stack.calibration import MonotoneCalibration
from seiqa_models.stack.intervals import ConformalInterval
from seiqa_models.stack.preparation import Preparation
from seiqa_models.stack.regressor import SeiqaRegressor

SIZES = (1024,) * 4 + (768,) * 2 + (512,) * 2
LARGE_ROWS, LARGE_SCALARS, LARGE_SIZES, LARGE_GROUP = 10_000, 21, (256,) * 20, 125
GROWTH = (2, 4, 8)
CORES = os.cpu_count() or 1
INTERVAL = 0.05  # seconds between samples of memory


def main() -> None:
    """Run the parts that were asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=510)
    parser.add_argument("--outer", type=int, default=2, help="outer folds of the contest")
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--large", action="store_true", help="only memory and time at KADID's size")
    options = parser.parse_args()
    if options.large:
        large()
    else:
        table = made_up_table(options.rows, scalars=60, sizes=SIZES)
        print(f"{CORES} cores; {options.rows} made-up rows, 60 scalars, {len(SIZES)} dense blocks")
        contest(table, outer=options.outer, rounds=options.rounds)
        growth(table)


class Runner:
    """Both ways to do the same work on one table."""

    def __init__(self, table: Table, outer: int) -> None:
        self.table = table
        self.outer = outer
        self.their_parts: dict[str, float] = {}

    def ours(self, n_jobs: int = CORES) -> None:
        """Evaluate and fit on all rows."""
        X, y, groups = self.table
        evaluate(SeiqaRegressor(), X, y, groups, n_splits=self.outer, n_jobs=n_jobs)
        get_reusable_executor().shutdown()  # each turn starts its own workers, and ends their clock

    def theirs(self) -> None:
        """The recipe on each training part, its predictions of the rest, and on all rows."""
        rows = np.arange(len(self.table[1]))
        folds = make_folds(self.table[2], n_splits=self.outer, seed=0)
        tasks = [delayed(_their_fit)(self.table, fold) for fold in [*folds, (rows, rows[:0])]]
        parts = pd.DataFrame(Parallel(n_jobs=CORES)(tasks)).sum()
        get_reusable_executor().shutdown()
        self.their_parts = {str(name): float(seconds) for name, seconds in parts.items()}


def _their_fit(table: Table, fold: Fold) -> dict[str, float]:
    """CPU seconds of the parts of one fit and its predictions."""
    X, y, _ = table
    train, test = fold
    recipe = FaithfulStack().fit(X.iloc[train], y[train])
    if len(test):
        recipe.predict(X.iloc[test])
    return recipe.seconds


def contest(table: Table, *, outer: int, rounds: int) -> None:
    """Both ways in turns: seconds, ratio, and the parts of both."""
    warm_up = Runner(made_up_table(40, scalars=3, sizes=(8,)), outer=2)
    warm_up.ours()
    warm_up.theirs()
    runner = Runner(table, outer)
    spent = [(_spent(runner.theirs), _spent(runner.ours)) for _ in range(rounds)]
    print(f"\nNested estimate with {outer} outer folds + final fit, median of {rounds} rounds")
    for column, clock in enumerate(("wall", "CPU")):
        theirs = [turn[0][column] for turn in spent]
        ours = [turn[1][column] for turn in spent]
        ratios = [slow / fast for slow, fast in zip(theirs, ours, strict=True)]
        print(
            f"  {clock:4}  runner-up {median(theirs):7.1f} s   seiqa {median(ours):7.1f} s"
            f"   ratio {median(ratios):5.1f} ({min(ratios):.1f} to {max(ratios):.1f})"
        )
    print_parts("runner-up, in its processes, last round", runner.their_parts)
    with timed_parts() as parts:
        started = time.process_time()
        runner.ours(n_jobs=1)
        rest = time.process_time() - started - sum(parts.values())
    print_parts("seiqa, in one process", {**parts, "splits, figures and the rest": rest})


def print_parts(who: str, parts: dict[str, float]) -> None:
    """CPU seconds and shares, largest first."""
    total = sum(parts.values())
    print(f"\n  CPU seconds inside, {who}: {total:.1f}")
    for name, seconds in sorted(parts.items(), key=lambda part: -part[1]):
        print(f"    {name:30} {seconds:8.2f}   {seconds / total:5.1%}")


@contextmanager
def timed_parts() -> Iterator[dict[str, float]]:
    """Part → CPU seconds of the fits of our stack in this process, while the context is open."""
    seconds: defaultdict[str, float] = defaultdict(float)

    def timed(part: str, call: Callable[..., Any]) -> Callable[..., Any]:
        def timed_call(*args: Any, **kwargs: Any) -> Any:
            started = time.process_time()
            result = call(*args, **kwargs)
            seconds[part] += time.process_time() - started
            return result

        return timed_call

    def timed_factory(name: str) -> Factory:
        make = LEARNERS[name]

        def factory(random_state: int, n_jobs: int) -> Any:
            made = make(random_state, n_jobs)
            made.fit, made.predict = timed(name, made.fit), timed("predicting", made.predict)
            return made

        return factory

    methods = [
        (Preparation, "fit_transform", "meta-features, scaling"),
        (Preparation, "transform", "predicting"),
        (BoundedFusion, "fit", "fusion"),
        (MonotoneCalibration, "fit", "calibration"),
        (ConformalInterval, "fit", "intervals"),
    ]
    with ExitStack() as patches:
        factories = {name: timed_factory(name) for name in LEARNERS}
        patches.enter_context(mock.patch.dict(LEARNERS, factories))
        for owner, method, part in methods:
            call = timed(part, getattr(owner, method))
            patches.enter_context(mock.patch.object(owner, method, call))
        yield seconds


def growth(table: Table) -> None:
    """Our cost with more and more outer folds, and per row that is fitted."""
    print(f"\nOuter folds: seconds of ours, and CPU milliseconds a fitted row ({CORES} processes)")
    for outer in GROWTH:
        wall, cpu = _spent(Runner(table, outer).ours)
        print(f"  {outer} folds   wall {wall:7.1f}   CPU {cpu:7.1f}"
              f"   a row {1000 * cpu / (outer * len(table[0])):6.2f}")  # fmt: skip


def _spent(work: Callable[[], None]) -> tuple[float, float]:
    """Wall and CPU seconds, of finished child processes too."""
    wall, cpu = time.perf_counter(), sum(os.times()[:4])
    work()
    return time.perf_counter() - wall, sum(os.times()[:4]) - cpu


def large() -> None:
    """Minutes and peak memory of one fit, in a process of its own that reads the table."""
    X, y, groups = made_up_table(
        LARGE_ROWS, scalars=LARGE_SCALARS, sizes=LARGE_SIZES, per_group=LARGE_GROUP
    )
    with tempfile.TemporaryDirectory(prefix="seiqa-bench-") as folder:
        file = Path(folder) / "table.parquet"
        X.assign(mos=y, group_id=groups).to_parquet(file)
        del X
        started = time.perf_counter()
        script = Path(__file__).with_name("large_fit.py")
        child = subprocess.Popen([sys.executable, script, file, str(CORES)])
        peak = _peak(psutil.Process(child.pid), child.poll)
    if child.returncode:
        sys.exit(child.returncode)
    print(f"{LARGE_ROWS} made-up rows, {LARGE_SCALARS} scalars, {len(LARGE_SIZES)} dense blocks of"
          f" {LARGE_SIZES[0]}; fit with {CORES} processes")  # fmt: skip
    print(f"  {(time.perf_counter() - started) / 60:.1f} minutes, peak {peak / 2**30:.2f} GiB")


def _peak(process: psutil.Process, finished: Callable[[], int | None]) -> int:
    """Largest number of bytes that the process and its children held, sampled until it ends."""
    peak = 0
    while finished() is None:
        peak = max(peak, _held(process))
        time.sleep(INTERVAL)
    return peak


def _held(process: psutil.Process) -> int:
    """Bytes of memory, each page that several processes share divided among them."""
    try:
        parts = [process, *process.children(recursive=True)]
        return sum(part.memory_full_info().pss for part in parts)
    except (psutil.NoSuchProcess, psutil.AccessDenied):  # one has just ended
        return 0


if __name__ == "__main__":
    main()
