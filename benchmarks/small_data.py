"""Does a stack keep up with its own ingredients when references are few? Measures, asserts nothing.

    python benchmarks/small_data.py TABLE.csv [--configs best runner_up] [--draws 24] [--kinds]
                                    [--pool quick] [--some-kinds 8] [--out FILE]

TABLE is KADID-10k's or TID2013's (`public_tables.py` says with which columns). Each draw takes 5,
6, 8 or 10 of its references with all their pairs, and 5 to 9 metrics, by a fixed seed. With --kinds
the stack is told the kinds of distortion. Every reference is predicted once by models that never
saw it: 5 outer folds by reference, fitted and predicted as `seiqa_models.evaluate` does. Scores are
final = 0.6·SROCC + 0.4·PLCC of the held-out rows of a draw:

- `stack`: the fused score;
- each learner of the pool by itself;
- `chosen`: the learner whose out-of-fold predictions inside the outer training part score best;
- `best_single`: the metric with the largest |SROCC| in the outer training part.

Printed are means over the draws, and the stack's mean lead over each with a 95 % bootstrap interval
over draws and the tenth percentile; with several configurations also the first one's lead over the
others, draw by draw. What may be left out to save time, and how a study continues, is in
`draws.py`; each configuration has a file of its own, with its name at the end.
"""
# ruff: noqa: T201

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
from draws import drawn_part, draws_parser, every_draw, regressor_of, study_of
from public_tables import load

from seiqa_models.core.checks import TrainingTable
from seiqa_models.core.metrics import final_score
from seiqa_models.core.splits import make_folds
from seiqa_models.evaluation.baselines import best_single
from seiqa_models.stack.regressor import SeiqaRegressor

OUTER_FOLDS = 5
NO_LEARNER = ["stack", "chosen", "best_single"]
SIZES = ["references", "metrics"]
RESAMPLES = 10_000


def main() -> None:
    """Score every draw and print what came out."""
    parser = draws_parser(__doc__, (5, 6, 8, 10), config=False)
    parser.add_argument("--configs", nargs="+", default=["best"], help="whose pools and fusions")
    options = parser.parse_args()
    table = load(options.table)
    scores = {config: finals_of(config, table, options) for config in options.configs}
    for config, own in scores.items():
        print(f"\n{study_of(options, config)}: {options.draws} draws, mean final")
        print_leads(own.drop(columns=SIZES))
        print("\n  by number of references")
        print(own.groupby("references")[NO_LEARNER].mean().round(4).to_string())
    first, *others = options.configs
    for other in others:
        print(f"\nthe stack of {first} against {other}'s")
        print_lead(other, scores[first]["stack"], scores[other]["stack"])


def finals_of(config: str, table: TrainingTable, options: argparse.Namespace) -> pd.DataFrame:
    """`finals` of every draw with one configuration."""
    regressor = regressor_of(config, options.pool)

    def one(seed: int) -> dict[str, float]:
        rng = np.random.default_rng(seed)
        size = options.references[seed % len(options.references)]
        part, _ = drawn_part(table, size, options.some_kinds, rng)
        return finals(regressor, part if options.kinds else replace(part, kinds=None))

    out = options.out and options.out.with_stem(f"{options.out.stem}-{Path(config).stem}")
    return every_draw(one, options.draws, study_of(options, config), options.jobs, out)


def finals(regressor: SeiqaRegressor, table: TrainingTable) -> dict[str, float]:
    """Final of the stack, of each learner, of the chosen one and of the single metric."""
    held_out = pd.concat(
        predict_held_out(regressor, table.take(train), table.take(test)).set_axis(test)
        for train, test in make_folds(table.groups, n_splits=OUTER_FOLDS, seed=0)
    ).sort_index()
    sizes = {"references": len(np.unique(table.groups)), "metrics": table.X.shape[1]}
    scores = {str(name): final_score(table.y, values) for name, values in held_out.items()}
    return {**sizes, **scores}


def predict_held_out(
    regressor: SeiqaRegressor, train: TrainingTable, test: TrainingTable
) -> pd.DataFrame:
    """Every candidate's predictions of the rows of `test`; the regressor is fitted again."""
    fitted = regressor.fit(train.X, train.y, groups=train.groups, kinds=train.kinds)
    inside = {name: final_score(train.y, fitted.oof_[name]) for name in fitted.learners_}
    predictions = fitted.predict_learners(test.X)
    learners = predictions[list(fitted.learners_)]
    return learners.assign(
        stack=fitted.fuse(predictions),
        chosen=learners[max(inside, key=inside.__getitem__)],
        best_single=best_single(train, test)[0],
    )


def print_leads(scores: pd.DataFrame) -> None:
    """Mean final of each column, and the stack's lead over it."""
    print(f"  {'':24} final    the stack's lead [95 % interval]   10 %      draws it leads in")
    for name in [*NO_LEARNER, *scores.columns.drop(NO_LEARNER)]:
        print_lead(name, scores["stack"], scores[name])


def print_lead(name: str, stack: pd.Series, other: pd.Series) -> None:
    """One line: mean final of the other, and the lead of the stack over it, draw by draw."""
    lead = (stack - other).to_numpy()
    low, high = interval(lead)
    print(f"  {name:24} {other.mean():.4f}   {lead.mean():+.4f} [{low:+.4f}, {high:+.4f}]"
          f"   {np.quantile(lead, 0.1):+.4f}   {(lead > 0).sum():3}")  # fmt: skip


def interval(values: np.typing.NDArray[np.float64]) -> tuple[float, float]:
    """95 % bootstrap interval of a mean, percentile method."""
    rng = np.random.default_rng(0)
    means = rng.choice(values, (RESAMPLES, len(values))).mean(axis=1)
    low, high = np.percentile(means, [2.5, 97.5])
    return float(low), float(high)


if __name__ == "__main__":
    main()
