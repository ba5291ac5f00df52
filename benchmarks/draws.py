"""Many draws of a table of published metrics: what they have in common, and how they continue.

A study of 24 draws takes hours with the default pool. Each draw is therefore written to the file
of `--out` as soon as it is done, and a study that was stopped goes on with the draws that it lacks.
`--pool quick` leaves out the members that take most of the time, and `--some-kinds` makes the draws
smaller; both are part of what a study is called, in the file and in what is printed.
"""
# ruff: noqa: T201

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from joblib import Parallel, delayed
from public_tables import some_kinds, some_metrics, some_references

from pipelines.runs.model import make_regressor
from pipelines.setting_sources import load_settings
from seiqa_models.core.checks import TrainingTable
from seiqa_models.stack.regressor import SeiqaRegressor

METRICS = (5, 9)  # fewest and most
SLOW = ("ranker", "ranker@8", "extra_trees@8", "extra_trees@6")
"""Members of the default pool that take four fifths of its time on 200 to 800 rows."""


def draws_parser(
    description: str, references: Sequence[int], *, config: bool = True
) -> argparse.ArgumentParser:
    """Arguments of a study; the first line describes it."""
    parser = argparse.ArgumentParser(description=description.splitlines()[0])
    parser.add_argument("table", type=Path)
    parser.add_argument("--draws", type=int, default=24, help="of all numbers of references")
    parser.add_argument("--references", type=int, nargs="+", default=[*references])
    parser.add_argument("--some-kinds", type=int, help="draw so many kinds of distortion, too")
    parser.add_argument("--kinds", action="store_true", help="tell the stack the kinds")
    parser.add_argument("--pool", choices=["default", "quick"], default="default")
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    parser.add_argument("--out", type=Path, help="CSV for every draw; those in it are not repeated")
    if config:
        parser.add_argument("--config", default="best", help="whose pool and fusion")
    return parser


def regressor_of(config: str, pool: str) -> SeiqaRegressor:
    """The stack of a configuration, without its slow members if the pool is to be quick."""
    regressor = make_regressor(load_settings(data="-", config=config, workers=1))
    if pool == "quick":
        regressor.learners = tuple(name for name in regressor.learners if name not in SLOW)
    return regressor


def study_of(options: argparse.Namespace, config: str) -> str:
    """What a study is called: everything that its figures depend on but the draw."""
    parts = [options.table.name, config]
    if options.pool == "quick":
        parts.append(f"without {', '.join(SLOW)}")
    if options.some_kinds:
        parts.append(f"{options.some_kinds} kinds in each draw")
    if options.kinds:
        parts.append("told the kinds")
    return "; ".join([*parts, f"references {', '.join(map(str, options.references))}"])


def drawn_part(
    table: TrainingTable, size: int, kinds: int | None, rng: np.random.Generator
) -> tuple[TrainingTable, TrainingTable]:
    """So many references and a few metrics; and all references with the same kinds and metrics."""
    if kinds is not None:
        table = some_kinds(table, kinds, rng)
    part = some_references(table, size, rng)
    metrics = some_metrics(part, int(rng.integers(METRICS[0], METRICS[1] + 1)), rng)
    return replace(part, X=metrics), replace(table, X=table.X[metrics.columns])


def every_draw(
    one: Callable[[int], dict[str, float]], draws: int, study: str, jobs: int, out: Path | None
) -> pd.DataFrame:
    """Figures of every draw by number; those that `out` has are taken from there.

    Raises
    ------
    SystemExit
        `out` holds another study.
    """
    rows: list[dict[str, Any]] = []
    if out is not None and out.is_file():
        rows = pd.read_csv(out).to_dict("records")
        if other := {row["study"] for row in rows} - {study}:
            raise SystemExit(f"{out} holds another study, {other.pop()!r}; name another file")
    missing = set(range(draws)) - {row["draw"] for row in rows}

    def numbered(draw: int) -> dict[str, Any]:
        return {"draw": draw, "study": study, **one(draw)}

    work = (delayed(numbered)(draw) for draw in sorted(missing))
    for row in Parallel(n_jobs=jobs, return_as="generator_unordered")(work):
        rows.append(row)
        print(f"draw {row['draw']} done, {len(rows)} of {draws}", flush=True)
        if out is not None:
            pd.DataFrame(rows).to_csv(out, index=False)
    found = pd.DataFrame(rows).set_index("draw").sort_index()
    return found.loc[: draws - 1].drop(columns="study")
