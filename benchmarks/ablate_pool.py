"""What does each learner bring? The honest score with it left out of the pool, or added to it.

    python benchmarks/ablate_pool.py TABLE.csv … [--references 10] [--learners gp ridge svr]
                                     [--kind none]

TABLE is a CSV file with a column of labels (MOS), one of groups (ref_img), perhaps one with the
kind of distortion, and features; columns of text or about the experiment are ignored. With
--references, only so many groups drawn at random are used. `--kind none` keeps the kinds back,
which saves most of the time, and `--learners` without names adds none to the default pool.

For each pool the nested estimate of `seiqa_models.evaluate` is computed, for new references and, if
there are kinds, for references and kinds that are both new. A learner's predictions do not depend
on the rest of the pool. So they are made once, for the outer folds and for the folds within each
outer training part, and what remains to be done for each pool is the fusion.

p is that of a paired bootstrap over groups between the pool and the default one. `seconds` are the
CPU seconds that the pool saves, or takes in addition, in one fit on the whole table with
predictions of the same rows; those of the default pool are all of its own. `- catboost@*` leaves
out the learner in all of its representations, `- the four` CatBoost, XGBoost, LightGBM and the
ranker in all of theirs; `without @` is the pool without all members that read components.
"""
# ruff: noqa: T201

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from joblib import Parallel, delayed
from public_tables import EXPERIMENT

from seiqa_models.core.arrays import FloatVector, Rows
from seiqa_models.core.checks import TrainingTable, check_training_table
from seiqa_models.core.metrics import final_score
from seiqa_models.core.splits import Fold, make_folds
from seiqa_models.core.transfer import transfer_folds, unseen_folds
from seiqa_models.evaluation.compare import compare
from seiqa_models.fusions import make_fusion
from seiqa_models.fusions.protocol import HeldOut
from seiqa_models.learners.registry import DEFAULT_POOL, LEARNERS
from seiqa_models.learners.runner_up import FACTORIES
from seiqa_models.stack.blend import Blend
from seiqa_models.stack.pool.fitting import fit_learner, fit_pool, predict_held_out
from seiqa_models.stack.representations import components_of, make_representation, member

N_SPLITS = 5
SEED = 0

FOUR = ("catboost", "xgboost", "lightgbm", "ranker")
"""The learners that the default is required to have unless one costs .003 or more."""


@dataclass(frozen=True)
class OuterFold:
    """All that the nested estimate needs of one outer fold.

    Attributes
    ----------
    rows : Rows
        Position in the whole table of the held-out rows.
    held_out : pd.DataFrame
        Their predictions [rows, learners].
    train : TrainingTable
        The training part.
    oof : pd.DataFrame
        Out-of-fold predictions of its rows, [train, learners].
    unseen : list[tuple[Fold, pd.DataFrame]]
        Folds of it in which a share of the kinds was held out, with their predictions.
    """

    rows: Rows
    held_out: pd.DataFrame
    train: TrainingTable
    oof: pd.DataFrame
    unseen: list[tuple[Fold, pd.DataFrame]]


def main() -> None:
    """Read the tables, and print one ablation for each."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("tables", nargs="+", type=Path)
    parser.add_argument("--label", default="MOS")
    parser.add_argument("--group", default="ref_img")
    parser.add_argument("--kind", default="distortion", help="column of kinds; none if absent")
    parser.add_argument("--ignore", nargs="*", default=EXPERIMENT)
    parser.add_argument("--references", type=int, help="use so many groups, drawn at random")
    known = sorted(LEARNERS.keys() - FACTORIES.keys())
    parser.add_argument("--learners", nargs="*", choices=known, default=known)
    parser.add_argument("--jobs", type=int, default=1)
    options = parser.parse_args()
    for path in options.tables:
        rows = pd.read_csv(path)
        if options.references:
            rows = sample(rows, options.group, options.references)
        kinds = rows.get(options.kind)
        ignored = {options.label, options.group, options.kind, *options.ignore}
        X = rows[[name for name in sorted(rows.columns) if name not in ignored]]
        table = check_training_table(X, rows[options.label], rows[options.group], kinds=kinds)
        print(f"\n{path.name}: {len(rows)} rows, {len(np.unique(table.groups))} references,"
              f" {X.shape[1]} columns")  # fmt: skip
        found = ablate(table, options.learners, n_jobs=options.jobs)
        print(found.to_string(float_format=lambda value: f"{value:.4f}", na_rep=""))


def sample(rows: pd.DataFrame, group: str, size: int) -> pd.DataFrame:
    """The rows of `size` groups drawn at random, the same each time."""
    drawn = np.random.default_rng(SEED).choice(np.unique(rows[group]), size, replace=False)
    return rows[rows[group].isin(drawn)].reset_index(drop=True)


def ablate(table: TrainingTable, learners: Sequence[str], *, n_jobs: int = 1) -> pd.DataFrame:
    """One row for the default pool, for each of its learners left out, and for each other added.

    Columns: those of `estimate`, with kinds the same for references and kinds both new, and the
    `costs` of the learner.
    """
    table, _ = table.in_canonical_order()
    folds = make_folds(table.groups, table.order, n_splits=N_SPLITS, seed=SEED)
    found = estimate(table, folds, learners, n_jobs)
    if table.kinds is not None:
        cells = transfer_folds(folds, table.kinds)
        found = found.join(estimate(table, cells, learners, n_jobs).add_prefix("new kind "))
    spent = costs(table, [*dict.fromkeys([*DEFAULT_POOL, *learners])])
    changed = {
        pool: [name for name in spent.index if (name in members) != (name in DEFAULT_POOL)]
        for pool, members in pools_of(learners).items()
    }
    changed["default"] = [*DEFAULT_POOL]
    return found.assign(seconds=[spent[changed[pool]].sum() for pool in found.index])


def pools_of(learners: Sequence[str]) -> dict[str, list[str]]:
    """The members of every pool that is compared, by its name; the default first."""
    pools = {"default": [*DEFAULT_POOL]}
    pools |= {f"- {name}": [n for n in DEFAULT_POOL if n != name] for name in DEFAULT_POOL}
    for learner in FOUR:
        rest = [name for name in DEFAULT_POOL if member(name).learner != learner]
        if len(DEFAULT_POOL) - len(rest) > 1:
            pools[f"- {learner}@*"] = rest
    rest = [name for name in DEFAULT_POOL if member(name).learner not in FOUR]
    if 0 < len(rest) < len(DEFAULT_POOL):
        pools["- the four"] = rest
    others = [name for name in learners if name not in DEFAULT_POOL]
    pools |= {f"+ {name}": [*DEFAULT_POOL, name] for name in others}
    pools["without @"] = [name for name in DEFAULT_POOL if components_of(name) is None]
    return pools


def estimate(
    table: TrainingTable, folds: list[Fold], learners: Sequence[str], n_jobs: int
) -> pd.DataFrame:
    """What the held-out rows of all folds say of each pool.

    Columns: `final` of the pool, its `gain` over the default pool with `p`, and `weight` and
    `alone`, the mean weight and the final of the learner that was left out or added.
    """
    pools = pools_of(learners)
    names = [*dict.fromkeys([*DEFAULT_POOL, *learners])]
    parts = Parallel(n_jobs=n_jobs)(delayed(predict)(table, fold, names) for fold in folds)
    ranges = [(part.train.y.min(), part.train.y.max()) for part in parts]
    held_out = pd.concat(
        [part.held_out.clip(*ends) for part, ends in zip(parts, ranges, strict=True)]
    )
    rows = np.concatenate([part.rows for part in parts])
    y, groups = table.y[rows], table.groups[rows]
    default, default_weights = fuse(parts, pools["default"])
    figures = {"default": {"final": final_score(y, default)}}
    for pool, members in list(pools.items())[1:]:
        name = pool[2:]
        score, weights = fuse(parts, members)
        gain = compare(y, score, default, groups, seed=SEED)
        figures[pool] = {
            "final": final_score(y, score),
            "gain": gain["difference"],
            "p": gain["p_value"],
        }
        if name in held_out:
            figures[pool]["weight"] = {**default_weights, **weights}[name]
            figures[pool]["alone"] = final_score(y, held_out[name])
    return pd.DataFrame.from_dict(figures, orient="index")


def costs(table: TrainingTable, names: Sequence[str]) -> pd.Series:
    """CPU seconds of each member: one fit on the prepared table, and predictions of its rows.

    Representations are shared by their members and not counted.
    """
    _, values = fit_pool(table, ["single"], SEED)
    seconds = {}
    for name in names:
        learner, form = member(name)
        shape = make_representation(form).fit(values, table.y)
        read = shape.transform(values)
        started = time.process_time()
        fit_learner(learner, read, table.y, SEED, table.kinds).predict(read)
        seconds[name] = time.process_time() - started
    return pd.Series(seconds, name="seconds")


def predict(table: TrainingTable, fold: Fold, names: Sequence[str]) -> OuterFold:
    """Fit the learners on an outer training part, and on the training parts within it."""
    part = table.take(fold[0])
    train = check_training_table(part.X, part.y, part.groups, part.order, part.kinds)
    folds = make_folds(train.groups, train.order, n_splits=N_SPLITS, seed=SEED)
    cells = unseen_folds(folds, train.kinds, seed=SEED)
    oof = [predict_held_out(train, inside, names, SEED) for inside in folds]
    by_row = np.argsort(np.concatenate([test for _, test in folds]))
    return OuterFold(
        fold[1],
        predict_held_out(table, fold, names, SEED),
        train,
        pd.concat(oof).iloc[by_row],
        [(cell, predict_held_out(train, cell, names, SEED)) for cell in cells],
    )


def fuse(parts: Sequence[OuterFold], names: list[str]) -> tuple[FloatVector, dict[str, float]]:
    """Held-out scores of a pool in the order of the parts, and the learners' mean weights."""
    scores, weights = [], []
    for part in parts:
        unseen = None
        if part.unseen:
            rows = np.concatenate([test for (_, test), _ in part.unseen])
            known = pd.concat([predictions for _, predictions in part.unseen])
            unseen = HeldOut(known, part.train.y[rows], part.train.groups[rows])
        blend = Blend().fit(make_fusion(), part.oof, names, part.train.y, part.train.groups, unseen)
        scores.append(np.clip(blend.predict(part.held_out), part.train.y.min(), part.train.y.max()))
        weights.append(blend.weights_ or {})
    means = {name: float(np.mean([own[name] for own in weights])) for name in names}
    return np.concatenate(scores), means


if __name__ == "__main__":
    main()
