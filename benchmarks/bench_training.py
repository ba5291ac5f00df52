"""Training at size: seconds of every part of a fit of the pool, and what a nested estimate needs.

    python benchmarks/bench_training.py 2500 10000 [--learners gp ranker …]

A nested estimate with 5 folds is 36 fits of the pool: in each of 5 outer folds 5 inner ones on 64 %
of the rows and one on 80 %, and for the final model 5 on 80 % and one on all. The parts are
measured on 80 % of the rows and on one core. Rows are made up; no score means anything.
"""
# ruff: noqa: T201

from __future__ import annotations

import argparse
import resource
import time
from collections.abc import Callable
from typing import TypeVar

from made_up import made_up_table

from pipelines.settings import load_settings
from seiqa_models.core.checks import check_training_table
from seiqa_models.stack.pool import fit_pool

COLUMNS, PER_GROUP = 60, 25
FITS = 36
_T = TypeVar("_T")


def main() -> None:
    """Measure tables of the numbers of rows that are given."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("rows", type=int, nargs="+")
    options.add_argument("--learners", nargs="+", help="[those of the configuration best]")
    asked = options.parse_args()
    learners = asked.learners or load_settings(config="best", run="runs/none").learners
    for rows in asked.rows:
        measure(rows, learners)


def measure(rows: int, learners: list[str]) -> None:
    """Print the seconds of each member, and of the sum."""
    X, y, groups = made_up_table(rows, scalars=COLUMNS, sizes=(), per_group=PER_GROUP)
    known = groups < 0.8 * (groups[-1] + 1)
    table, _ = check_training_table(X[known], y[known], groups[known]).in_canonical_order()
    held_out = X[~known]
    total = shared = 0.0
    for name in ["single", *learners]:  # the first shows what all of them share
        fit, (pool, _) = timed(lambda name=name: fit_pool(table, [name], 0))
        predict, _ = timed(lambda pool=pool: pool.predict(held_out))
        shared = shared or fit
        own = shared if total == 0 else max(0.0, fit - shared)
        total += own + predict
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
        print(f"{rows:>7} {name:>16} {own:8.1f} s fit {predict:8.1f} s predict {peak:6.2f} GB",
              flush=True)  # fmt: skip
    print(
        f"{rows:>7} rows: {total:.0f} s a fit, {FITS * total / 60:.0f} min for {FITS}", flush=True
    )


def timed(call: Callable[[], _T]) -> tuple[float, _T]:
    """CPU seconds of this process, and the result: others may use the machine."""
    start = time.process_time()
    result = call()
    return time.process_time() - start, result


if __name__ == "__main__":
    main()
