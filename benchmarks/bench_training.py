"""Training at size: seconds of every part of a fit of the pool, and what a nested estimate needs.

    python benchmarks/bench_training.py 2500 10000 [--learners gp ranker …] [--nested PROCESSES]

A nested estimate with 5 folds is 36 fits of the pool: in each of 5 outer folds 5 inner ones on 64 %
of the rows and one on 80 %, and for the final model 5 on 80 % and one on all. With more than 50 000
rows to train on, two inner folds on half of the rows are enough, which makes 18 fits. All rows are
predicted six times. The parts are measured on 80 % of the rows and on one core. What a fit takes
with fewer rows is reckoned in proportion to them, which is too little for members that learn from a
sample. With --nested, the estimate itself runs, by so many processes, and its minutes and memory
are printed. Rows are made up; no score means anything.
"""
# ruff: noqa: T201

from __future__ import annotations

import argparse
import resource
import time
from collections.abc import Callable
from typing import TypeVar

from joblib.externals.loky import get_reusable_executor
from made_up import made_up_table

from pipelines.setting_sources import load_settings
from seiqa_models.core.checks import check_training_table
from seiqa_models.evaluation.evaluate import evaluate
from seiqa_models.stack.pool.cross_fitting import inner_splits
from seiqa_models.stack.pool.fitting import fit_pool
from seiqa_models.stack.regressor import SeiqaRegressor

COLUMNS, PER_GROUP = 60, 25
OUTER = 5
_T = TypeVar("_T")


def main() -> None:
    """Measure tables of the numbers of rows that are given."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("rows", type=int, nargs="+")
    options.add_argument("--learners", nargs="+", help="[those of the configuration best]")
    options.add_argument("--nested", type=int, metavar="PROCESSES", help="run the estimate itself")
    asked = options.parse_args()
    learners = asked.learners or load_settings(config="best", run="runs/none").learners
    for rows in asked.rows:
        if asked.nested:
            run(rows, learners, asked.nested)
        else:
            measure(rows, learners)


def run(rows: int, learners: list[str], processes: int) -> None:
    """Print minutes of the nested estimate, and the memory of its largest process."""
    X, y, groups = made_up_table(rows, scalars=COLUMNS, sizes=(), per_group=PER_GROUP)
    started = time.perf_counter()
    found = evaluate(SeiqaRegressor(learners), X, y, groups, n_jobs=processes, on_fold=report)
    minutes = (time.perf_counter() - started) / 60
    get_reusable_executor().shutdown()  # so that the memory of its processes is known
    kinds = resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN
    own, others = (resource.getrusage(kind).ru_maxrss / 1e6 for kind in kinds)
    print(f"{rows:>7} rows: nested estimate in {minutes:.1f} min with {processes} processes,"
          f" {own:.2f} GB here, at most {others:.2f} GB in each of them,"
          f" final {found.figures.honest.final:.4f}", flush=True)  # fmt: skip


def report(done: int, total: int) -> None:
    """Print how far the estimate is."""
    print(f"{done} of {total} fits, {time.strftime('%H:%M:%S')}", flush=True)


def measure(rows: int, learners: list[str]) -> None:
    """Print the seconds of each member, and of the sum."""
    X, y, groups = made_up_table(rows, scalars=COLUMNS, sizes=(), per_group=PER_GROUP)
    known = groups < 0.8 * (groups[-1] + 1)
    table, _ = check_training_table(X[known], y[known], groups[known]).in_canonical_order()
    held_out = X[~known]
    fits = predictions = 0.0
    shared = 0.0, 0.0
    for name in ["single", *learners]:  # the first shows what all of them share
        fit, (pool, _) = timed(lambda name=name: fit_pool(table, [name], 0))
        predict, _ = timed(lambda pool=pool: pool.predict(held_out))
        own_fit, own_predict = max(0.0, fit - shared[0]), max(0.0, predict - shared[1])
        if not any(shared):
            shared = fit, predict
        fits, predictions = fits + own_fit, predictions + own_predict
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
        print(f"{rows:>7} {name:>16} {own_fit:8.1f} s fit {own_predict:8.1f} s predict"
              f" {peak:6.2f} GB", flush=True)  # fmt: skip
    inner = inner_splits(OUTER, table.groups)
    # k inner fits on (k - 1) / k of the rows and one on all are k fits; the final one has 1 / 0.8.
    nested = inner * (OUTER + 1 / 0.8) * fits + 6 * rows / len(held_out) * predictions
    print(f"{rows:>7} rows: {fits:.0f} s a fit, {predictions:.0f} s for {len(held_out)} rows,"
          f" {nested / 60:.0f} min for a nested estimate with {inner} inner folds",
          flush=True)  # fmt: skip


def timed(call: Callable[[], _T]) -> tuple[float, _T]:
    """CPU seconds of this process, and the result: others may use the machine."""
    start = time.process_time()
    result = call()
    return time.process_time() - start, result


if __name__ == "__main__":
    main()
