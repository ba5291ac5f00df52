"""Trained on one collection, judged on another: every member, every fusion, the best metric.

    python benchmarks/transfer_matrix.py NAME=WHERE NAME=WHERE … [--learners …] [--jobs 2]

WHERE is a run folder that `seiqa features` has filled (its labelled pairs; the label's direction is
the data set's), or a CSV table of published metrics as `public_tables.py` reads it. For every pair
of collections that share columns, a stack is fitted once on the shared columns of the first. Its
members' predictions of the second then serve every fusion of the registry, both purposes, the
consensus of the columns and the metric that is best on the first. Rows of the second whose scene
took part in training are left out. A collection judged on itself is judged out of fold, by scene.

Printed are SROCC over all rows (`all`), and its mean within references (`ref`) and within kinds of
distortion (`kind`), each over those with five rows or more and labels that vary. Nothing is tuned
here: choose on one direction, and confirm on another.

How seiqa's defaults were chosen with it is told in docs/explanation/generalising.md.
"""
# ruff: noqa: T201

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd
from public_tables import load_named

from pipelines.runs.folder import FEATURES, FEATURES_META, PAIRS, read_json
from pipelines.runs.model import known_directions
from seiqa_features.table.table import read_table
from seiqa_models.core.arrays import FloatVector, Rows
from seiqa_models.core.checks import check_training_table as checked
from seiqa_models.core.columns import CONSENSUS
from seiqa_models.core.metrics import srocc
from seiqa_models.evaluation.baselines import best_single
from seiqa_models.fusions import FUSIONS, make_fusion
from seiqa_models.learners.registry import DEFAULT_POOL
from seiqa_models.stack.blend import PURPOSES, Blend
from seiqa_models.stack.regressor import SeiqaRegressor

FEWEST = 5
"""Rows of a reference or kind whose SROCC counts."""


@dataclass(frozen=True)
class Collection:
    """Features [n, columns], labels [n], scenes [n], kinds [n] or None, and known directions."""

    X: pd.DataFrame
    y: FloatVector
    scenes: Rows
    kinds: Rows | None
    directions: Mapping[str, int] = field(default_factory=dict)


def collections_parser(description: str) -> argparse.ArgumentParser:
    """Arguments of a benchmark on named collections; the first line describes it."""
    parser = argparse.ArgumentParser(description=description.splitlines()[0])
    parser.add_argument("collections", nargs="+", metavar="NAME=WHERE")
    parser.add_argument("--learners", nargs="+", default=list(DEFAULT_POOL))
    parser.add_argument("--jobs", type=int, default=1)
    return parser


def main() -> None:
    """Read the collections, and print one table for each ordered pair."""
    options = collections_parser(__doc__).parse_args()
    named = dict(text.split("=", 1) for text in options.collections)
    found = {name: read(Path(where)) for name, where in named.items()}
    for trained, source in found.items():
        for columns, judged in shared(source, found):
            stack = SeiqaRegressor(
                options.learners, directions=source.directions, n_jobs=options.jobs
            )
            stack.fit(source.X[columns], source.y, source.scenes)
            for name in judged:
                table = judge(stack, source, found[name], itself=name == trained)
                print(f"\n{trained} → {name}, {len(columns)} columns")
                print(table.to_string(float_format=lambda value: f"{value:.3f}", na_rep=""))


def read(where: Path) -> Collection:
    """The labelled rows of a run folder or of a table.

    Raises
    ------
    DataError, TableError
        It is neither.
    """
    if not (where / FEATURES).is_file():
        table, scenes = load_named(where)
        return Collection(table.X, table.y, scenes, table.kinds)
    pairs, table = pd.read_parquet(where / PAIRS), read_table(where / FEATURES)
    rows = pairs["mos"].notna().to_numpy()
    kinds = pairs.loc[rows, "distortion"]
    return Collection(
        table[rows],
        pairs.loc[rows, "mos"].to_numpy(np.float64),
        pairs.loc[rows, "group_id"].to_numpy(),
        None if kinds.isna().any() else kinds.to_numpy(),
        known_directions(read_json(where / FEATURES_META)["recipe"]),
    )


def shared(
    source: Collection, found: dict[str, Collection]
) -> Iterator[tuple[list[str], list[str]]]:
    """Sets of columns, each with the collections that share just these with the source."""
    by_columns: dict[tuple[str, ...], list[str]] = {}
    for name, other in found.items():
        columns = tuple(column for column in source.X if column in other.X)
        if columns:
            by_columns.setdefault(columns, []).append(name)
    yield from ((list(columns), names) for columns, names in by_columns.items())


def judge(
    stack: SeiqaRegressor, source: Collection, other: Collection, *, itself: bool
) -> pd.DataFrame:
    """One row for every score, columns all, ref and kind."""
    rows = np.ones(len(other.y), bool) if itself else ~np.isin(other.scenes, source.scenes)
    X = other.X.loc[rows, stack.features_]
    predictions = stack.oof_ if itself else stack.predict_learners(X)
    members = list(stack.learners_)
    metric, metric_name = best_single(
        checked(source.X[stack.features_], source.y), checked(X, other.y[rows])
    )
    scores = {
        f"best metric ({metric_name})": metric,
        CONSENSUS: predictions[CONSENSUS].to_numpy(),
        **{name: predictions[name].to_numpy() for name in members},
    }
    for name in FUSIONS:
        fusion = make_fusion(name).fit(stack.oof_[members], source.y, source.scenes)
        scores[f"fusion {name}"] = np.asarray(fusion.predict(predictions[members]))
    for purpose in PURPOSES:
        blend = Blend(purpose).fit(make_fusion(), stack.oof_, members, source.y, source.scenes)
        scores[f"stack, {purpose}"] = blend.predict(predictions)
    y, kinds = other.y[rows], None if other.kinds is None else other.kinds[rows]
    figures = {
        name: {
            "all": srocc(y, score),
            "ref": within(y, score, other.scenes[rows]),
            "kind": np.nan if kinds is None else within(y, score, kinds),
        }
        for name, score in scores.items()
    }
    return pd.DataFrame.from_dict(figures, orient="index")


def within(y: FloatVector, score: FloatVector, parts: Rows) -> float:
    """Mean SROCC of the parts that tell something; NaN where none does."""
    rows = [np.flatnonzero(parts == part) for part in pd.unique(parts)]
    telling = [srocc(y[at], score[at]) for at in rows if len(at) >= FEWEST and np.ptp(y[at]) > 0]
    return float(np.mean(telling)) if telling else float("nan")


if __name__ == "__main__":
    main()
