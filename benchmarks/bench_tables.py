"""Our stack and the runner-up's on a table of published metrics. Measures, asserts nothing.

    python benchmarks/bench_tables.py TABLE.csv [--references 30] [--kinds] [--out FOLDER]

TABLE is TID2013's or KADID-10k's (`public_tables.py` says with which columns). Both configurations
are estimated by `seiqa_models.evaluate` on the same outer folds, references held out, so every row
is predicted by both without its reference having been seen. Their difference in final comes with a
95 % interval and a two-sided p-value of a paired bootstrap over references.

The runner-up here is its pool and fusion in our stack, without its leaks; `faithful_stack.py` is
with them, and its own estimate is not one. On all of KADID-10k its pool takes most of a CPU hour;
--references takes this many at random, by a fixed seed. With --kinds the first configuration is
given the kinds of distortion, the others are not. --out keeps figures and predictions.
"""
# ruff: noqa: T201

from __future__ import annotations

import argparse
import json
import os
from pathlib import Path
from typing import Any

import numpy as np
from joblib.externals.loky import get_reusable_executor
from public_tables import load, some_references

from pipelines.runs.model import make_regressor
from pipelines.setting_sources import load_settings
from seiqa_models.core.checks import TrainingTable
from seiqa_models.evaluation.compare import compare
from seiqa_models.evaluation.evaluate import Evaluation, evaluate

CONFIGS = ("best", "runner_up")
CORES = os.cpu_count() or 1


def main() -> None:
    """Evaluate each configuration, then compare them."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("table", type=Path)
    parser.add_argument("--references", type=int, help="use only this many references")
    parser.add_argument("--configs", nargs="+", default=list(CONFIGS), help="first against others")
    parser.add_argument("--kinds", action="store_true", help="give the first the kinds")
    parser.add_argument("--out", type=Path, help="folder for figures and predictions")
    options = parser.parse_args()
    table = load(options.table)
    if options.references:
        table = some_references(table, options.references, np.random.default_rng(0))
    print(f"{options.table.name}: {len(table.y)} rows of {table.groups.max() + 1} references,"
          f" {table.X.shape[1]} metrics")  # fmt: skip
    scores = {}
    for config in options.configs:
        started = sum(os.times()[:4])
        evaluation = evaluation_of(config, table, kinds=options.kinds and not scores)
        print_figures(config, evaluation.to_dict(), (sum(os.times()[:4]) - started) / 60)
        scores[config] = evaluation.predictions["score"]
        if options.out:
            keep(options.out, f"{options.table.stem}_{config}", evaluation)
    first, *others = scores
    for other in others:
        print(f"\n{first} against {other}")
        print_gain("final", compare(table.y, scores[first], scores[other], table.groups))


def evaluation_of(config: str, table: TrainingTable, *, kinds: bool) -> Evaluation:
    """The honest estimate of a configuration's pool and fusion."""
    regressor = make_regressor(load_settings(data="-", config=config))
    given = table.kinds if kinds else None
    evaluation = evaluate(regressor, table.X, table.y, table.groups, kinds=given, n_jobs=CORES)
    get_reusable_executor().shutdown()  # so that the workers' CPU time is counted
    return evaluation


def print_figures(config: str, figures: dict[str, Any], minutes: float) -> None:
    """Held-out final of the stack and all it is made of, and its lead over each."""
    print(f"\n{config}, {minutes:.1f} CPU minutes")
    for name in ("honest", "naive", "greedy"):
        low, high = figures[name]["interval"]
        print(f"  {name:24} {figures[name]['final']:.4f} [{low:.4f}, {high:.4f}]"
              f"   srocc {figures[name]['srocc']:.4f}")  # fmt: skip
    print("  learners by themselves                 the stack's lead over it")
    parts = {"best_single": figures["best_single"], **figures["learners"]}
    weights = (figures["weights"] or {"mean": {}})["mean"]
    for name, part in parts.items():
        weight = weights.get(name)
        shown = "" if weight is None else f"   weight {weight:.2f}"
        print_gain(f"{name:24} {part['final']:.4f}", figures["gain"][name], shown)
    for name, part in (figures["without_kinds"] or {}).items():
        print_gain(f"{name + ', without kinds':24} {part['final']:.4f}", part["gain"])


def print_gain(what: str, gain: dict[str, Any], more: str = "") -> None:
    """A difference in final with its interval and p-value."""
    low, high = gain["interval"]
    print(f"  {what}   {gain['difference']:+.4f} [{low:+.4f}, {high:+.4f}]"
          f"   p = {gain['p_value']:.3f}{more}")  # fmt: skip


def keep(folder: Path, name: str, evaluation: Evaluation) -> None:
    """Write figures and held-out predictions."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}.json").write_text(json.dumps(evaluation.to_dict(), indent=1))
    evaluation.predictions.to_csv(folder / f"{name}.csv")


if __name__ == "__main__":
    main()
