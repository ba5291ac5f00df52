"""Why claims on few references are off: fewer references to learn from, levels, or chance?

    python benchmarks/claim_bias.py TABLE.csv [--references 6 10] [--draws 60] [--some-kinds 8]
                                    [--population 11]

TABLE is as for `claims.py`, and so are the draws, but a Gaussian process alone (`gp`) takes the
place of the stack: it is the stack's best member on such draws, and some hundred draws take
minutes. The truth of a model is its mean final on sets of as many references that were not drawn.
Printed by number of references, and for all draws, is the truth of the model of the whole draw,
and the mean difference from this truth of

- `claim`: the final of the held-out predictions of five folds, or of folds that leave one
  reference out (`one-out`), all together;
- `models`: the mean truth of the models of these folds, which have seen fewer references;
- `level`: the claim after the mean prediction that a fold's model makes for all rows of the draw
  has been subtracted from its held-out predictions, which uses no held-out label;
- `scale`: the same, divided by the standard deviation of those predictions as well.

Then the mean absolute difference of the claims, and the share of intervals of `claim` and `level`
that hold the truth, as they are and for the mean of as few references as were left (`held few`),
and the standard error of the mean difference of `claim` with five folds.

With --population, each draw is made from so many references, themselves drawn at random, as if the
table had no others. `chance` is then the difference that no estimate can avoid: the final of a
model of 20 other references on those drawn, minus its final on those left. Both are new to it.
"""
# ruff: noqa: T201

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
from draws import drawn_part
from joblib import Parallel, delayed
from public_tables import load, some_kinds, some_references

from seiqa_models.core.arrays import FloatVector
from seiqa_models.core.checks import TrainingTable
from seiqa_models.core.metrics import final_score
from seiqa_models.core.splits import make_folds
from seiqa_models.evaluation.bootstrap import bootstrap_interval, fresh_interval
from seiqa_models.stack.pool.fitting import fit_learner
from seiqa_models.stack.preparation import Preparation

SETS = 20
"""Sets of references that were not drawn, which a truth is the mean over."""
REST = 15
"""At most so many references that were not drawn are looked at."""
OTHERS = 20
"""References outside the population that the model of `chance` is fitted on."""
RESAMPLES = 400

Model = Callable[[pd.DataFrame], FloatVector]


def main() -> None:
    """Look at every draw, and print means."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("table", type=Path)
    parser.add_argument("--references", type=int, nargs="+", default=[6, 10])
    parser.add_argument("--draws", type=int, default=60, help="of all numbers of references")
    parser.add_argument("--some-kinds", type=int, default=8)
    parser.add_argument("--population", type=int, help="draw from so many references only")
    parser.add_argument("--jobs", type=int, default=1)
    options = parser.parse_args()
    table = load(options.table)
    available = int(table.groups.max()) + 1
    if options.population is not None and options.population + OTHERS > available:
        parser.error(f"the table has {available} references, population and {OTHERS} do not fit")
    one = partial(look, table, options.references, options.some_kinds, options.population)
    rows = Parallel(n_jobs=options.jobs)(delayed(one)(draw) for draw in range(options.draws))
    print(means(pd.DataFrame(rows)).to_string(float_format="{:.4f}".format))


def look(
    table: TrainingTable, sizes: list[int], kinds: int, population: int | None, draw: int
) -> dict[str, float]:
    """Truths and claims of one draw."""
    size = sizes[draw % len(sizes)]
    rng = np.random.default_rng((size, draw))
    table = some_kinds(table, kinds, rng)
    among = table if population is None else some_references(table, population, rng)
    drawn, every = drawn_part(among, size, None, rng)
    rest = without(every, drawn)
    left = rng.permutation(np.unique(rest.groups))[:REST]
    chosen = [rng.choice(left, min(size, len(left)), replace=False) for _ in range(SETS)]
    sets = [np.flatnonzero(np.isin(rest.groups, names)) for names in chosen]

    def truth_of(model: Model) -> float:
        score = model(rest.X)
        return float(np.mean([final_score(rest.y[rows], score[rows]) for rows in sets]))

    truth = truth_of(process(drawn))
    found = {"references": size, "truth": truth}
    if population is not None:
        others = without(replace(table, X=table.X[drawn.X.columns]), among)
        chosen = rng.permutation(np.unique(others.groups))[:OTHERS]
        model = process(others.take(np.flatnonzero(np.isin(others.groups, chosen))))
        found["chance"] = truth + final_score(drawn.y, model(drawn.X)) - truth_of(model)
    for name, count in (("5 folds", 5), ("one-out", size)):
        claims = {key: np.empty(len(drawn.y)) for key in ("claim", "level", "scale")}
        truths = []
        for train, test in make_folds(drawn.groups, n_splits=count, seed=0):
            model = process(drawn.take(train))
            score = model(drawn.X)
            claims["claim"][test] = score[test]
            claims["level"][test] = score[test] - score.mean()
            claims["scale"][test] = (score[test] - score.mean()) / score.std()
            truths.append(truth_of(model))
        found[f"models, {name}"] = float(np.mean(truths))
        found |= {f"{key}, {name}": final_score(drawn.y, own) for key, own in claims.items()}
        for key in ("claim", "level") if count == 5 else ():
            known = bootstrap_interval(drawn.y, claims[key], drawn.groups, n_boot=RESAMPLES)
            final = found[f"{key}, {name}"]
            few = fresh_interval(final, known, groups=size, fresh=len(left))
            found[f"held, {key}"] = float(known[0] <= truth <= known[1])
            found[f"held few, {key}"] = float(few[0] <= truth <= few[1])
    return found


def without(table: TrainingTable, part: TrainingTable) -> TrainingTable:
    """The rows of a table that are not in a part of it."""
    return table.take(np.flatnonzero(~np.isin(table.X.index, part.X.index)))


def process(table: TrainingTable) -> Model:
    """A Gaussian process fitted to a table: from rows of features to scores."""
    preparation = Preparation()
    values = preparation.fit_transform(table.X, table.y, table.groups)
    learner = fit_learner("gp", values, table.y, 0)
    low, high = table.y.min(), table.y.max()
    return lambda X: np.clip(learner.predict(preparation.transform(X)), low, high)


def means(found: pd.DataFrame) -> pd.DataFrame:
    """What is printed, one column for each number of references and one for all draws."""
    held = found.filter(like="held")
    off = found.drop(columns=["references", "truth", *held]).sub(found["truth"], axis=0)
    absolute = off.drop(columns=off.filter(like="models").columns).abs().add_prefix("absolute ")
    every = pd.concat([found[["truth"]], off, absolute, held], axis=1)
    parts = {str(size): every[found["references"] == size] for size in found["references"].unique()}
    parts["all"] = every
    table = pd.DataFrame({name: part.mean() for name, part in parts.items()})
    errors = {
        name: part["claim, 5 folds"].std() / np.sqrt(len(part)) for name, part in parts.items()
    }
    table.loc["standard error"] = errors
    table.loc["draws"] = {name: len(part) for name, part in parts.items()}
    return table


if __name__ == "__main__":
    main()
