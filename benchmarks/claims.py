"""Do claims come true? Few references of a large table, a claim, and a look at the rest.

    python benchmarks/claims.py TABLE.csv [--draws 24] [--references 6 8 10 15] [--config best]

TABLE is KADID-10k's or TID2013's (`public_tables.py` says with which columns). Each draw takes so
many references with all their pairs, and 5 to 9 metrics, by a fixed seed, and makes the claim that
a run would make: `seiqa_models.evaluate`'s honest final with its 95 % interval. The truth is the
final of the fitted stack on pairs of the references that were not drawn, each rated as a set of as
many references as the claim was made on, so that both speak of the same thing.

Printed by number of references, and for all draws: the share of intervals that hold the truth (95
in 100 are promised, 93 wanted), mean claim - truth, and the mean width of the intervals.
"""
# ruff: noqa: T201

from __future__ import annotations

import argparse
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
from joblib import Parallel, delayed
from public_tables import load, some_metrics, some_references

from pipelines.runs.model import make_regressor
from pipelines.settings import load_settings
from seiqa_models.core.checks import TrainingTable
from seiqa_models.core.metrics import final_score
from seiqa_models.evaluation.evaluate import evaluate
from seiqa_models.stack.regressor import SeiqaRegressor

METRICS = (5, 9)  # fewest and most
SETS = 200
"""Sets of held-out references that the truth is the mean over."""


def main() -> None:
    """Make every claim, look, and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("table", type=Path)
    parser.add_argument("--draws", type=int, default=24, help="for each number of references")
    parser.add_argument("--references", type=int, nargs="+", default=[6, 8, 10, 15])
    parser.add_argument("--config", default="best", help="whose pool and fusion")
    options = parser.parse_args()
    table = load(options.table)
    available = int(table.groups.max()) + 1
    sizes = [size for size in options.references if size < available]
    regressor = make_regressor(load_settings(data="-", config=options.config, workers=1))
    tasks = [(size, draw) for size in sizes for draw in range(options.draws)]
    rows = Parallel(n_jobs=os.cpu_count(), verbose=5)(
        delayed(claim)(regressor, table, size, draw) for size, draw in tasks
    )
    found = pd.DataFrame(rows)
    print(f"\n{options.table.name}, {options.config}: {options.draws} draws of each size")
    print(summary(found, found["references"]).to_string(float_format="{:.4f}".format))
    print(summary(found, pd.Series("all", found.index)).to_string(float_format="{:.4f}".format))


def claim(
    regressor: SeiqaRegressor, table: TrainingTable, size: int, draw: int
) -> dict[str, float]:
    """The claim from one draw of references and metrics, and the truth."""
    rng = np.random.default_rng((size, draw))
    drawn = some_references(table, size, rng)
    drawn = replace(
        drawn, X=some_metrics(drawn, int(rng.integers(METRICS[0], METRICS[1] + 1)), rng)
    )
    evaluation = evaluate(regressor, drawn.X, drawn.y, drawn.groups)
    honest = evaluation.figures["honest"]
    low, high = honest["interval"]
    rest = np.flatnonzero(~np.isin(table.X.index, drawn.X.index))
    score = evaluation.regressor.predict(table.X.iloc[rest][drawn.X.columns])
    truth = mean_final(table.y[rest], score, table.groups[rest], size, rng)
    return {
        "references": size,
        "claim": honest["final"],
        "truth": truth,
        "held": float(low <= truth <= high),
        "width": high - low,
    }


def mean_final(
    y: np.typing.NDArray[np.float64],
    score: np.typing.NDArray[np.float64],
    groups: np.typing.NDArray[np.intp],
    size: int,
    rng: np.random.Generator,
) -> float:
    """Mean final over sets of so many references, or all there are where they are fewer."""
    names = np.unique(groups)
    sets = [rng.choice(names, min(size, len(names)), replace=False) for _ in range(SETS)]
    rows = [np.flatnonzero(np.isin(groups, chosen)) for chosen in sets]
    return float(np.mean([final_score(y[at], score[at]) for at in rows]))


def summary(found: pd.DataFrame, by: pd.Series) -> pd.DataFrame:
    """Claims and truths of draws that belong together."""
    found = found.assign(miss=found["claim"] - found["truth"])
    means = found.groupby(by)[["claim", "truth", "miss", "held", "width"]].mean()
    return means.assign(draws=found.groupby(by).size())


if __name__ == "__main__":
    main()
