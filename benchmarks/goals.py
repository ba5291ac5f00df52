"""The score on kinds and collections never seen, line by line. Measures, asserts nothing.

    python benchmarks/goals.py tid=RUN live=RUN [tid_table=CSV] [kadid_table=CSV]

RUN is a run folder that `seiqa features` has filled: `tid` and `live` from the manifests of
`shared_pictures.py`; the CSV files are the tables of published metrics. What is not named is left
out. Each line says what was trained on which collection, for which purpose, what was judged, the
figure, that of the best single metric of the training part on the same rows, and what part the
line had in the choice of seiqa's defaults: they were chosen on it, or confirmed on it.

- *kinds*: trained on the six kinds of TID2013 whose pictures are exact, judged on the six that
  were re-created, and the other way round, always on scenes that training lacked.
- *abroad*: another laboratory's pictures of scenes that training lacked; all, within kinds, and
  JPEG alone.
- *tables*: KADID-10k's table (20 references, by a fixed seed) to TID2013's and back.

final is .6 SROCC + .4 PLCC; PLCC is not asked for across laboratories, whose scales are not one
straight line apart, so that SROCC stands beside it.
"""
# ruff: noqa: T201

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from transfer_matrix import Collection, collections_parser, read, shared, within

from seiqa_models.core.arrays import FloatVector
from seiqa_models.core.checks import check_training_table as checked
from seiqa_models.core.metrics import final_score, srocc
from seiqa_models.core.splits import make_folds
from seiqa_models.evaluation.baselines import best_single
from seiqa_models.fusions.registry import fresh_fusion
from seiqa_models.stack.blend import PURPOSES, Blend
from seiqa_models.stack.regressor import SeiqaRegressor

EXACT = {7, 8, 10, 16, 17, 18}
"""TID2013's kinds whose pictures are the published ones, pixel by pixel."""

KADID_REFERENCES = 20

JOURNEYS = (
    ("tid", "live", "chosen on"),
    ("live", "tid", "confirmed on"),
    ("kadid_table", "tid_table", "confirmed on"),
    ("tid_table", "kadid_table", "chosen on"),
)
"""Trained on the first, judged on the second, and what part that had; see generalising.md."""

KNOWN = sorted({name for trained, judged, _ in JOURNEYS for name in (trained, judged)})


class Judged(NamedTuple):
    """Labels of the judged rows, their scores, and the best metric's scores of the same rows."""

    y: FloatVector
    score: FloatVector
    metric: FloatVector


def main() -> None:
    """Print every line that the named collections allow."""
    parser = collections_parser(__doc__)
    options = parser.parse_args()
    named = dict(text.split("=", 1) for text in options.collections)
    if unknown := named.keys() - set(KNOWN):
        parser.error(f"no collection is called {', '.join(unknown)}; known are {', '.join(KNOWN)}")
    found = {name: read(Path(where)) for name, where in named.items()}
    if "kadid_table" in found:
        found["kadid_table"] = some_scenes(found["kadid_table"], KADID_REFERENCES)
    stack = SeiqaRegressor(options.learners, n_jobs=options.jobs)
    print(f"{'trained → judged':44} final  SROCC  metric's   part in the choices", flush=True)
    for line in lines(stack, found):
        print(line, flush=True)


def lines(stack: SeiqaRegressor, found: dict[str, Collection]) -> Iterator[str]:
    """The printed lines, each as soon as it is measured."""
    if "tid" in found:
        yield from new_kinds(stack, found["tid"])
    for trained, judged, part in JOURNEYS:
        if trained in found and judged in found:
            yield from abroad(stack, trained, judged, part, found)


def new_kinds(stack: SeiqaRegressor, tid: Collection) -> Iterator[str]:
    """Half of the kinds from the other half, on scenes left out."""
    numbers = [int(re.sub(r"\D", "", str(kind))) for kind in tid.kinds]
    exact = np.isin(numbers, list(EXACT))
    folds = make_folds(pd.factorize(tid.scenes)[0], n_splits=5, seed=0)
    for name, known in (("6 exact kinds → 6 re-created", exact), ("the reverse", ~exact)):
        parts = [
            judge(stack, rows_of(tid, train[known[train]]), rows_of(tid, test[~known[test]]))
            for train, test in folds
        ]
        for purpose in PURPOSES:
            pooled = Judged(
                *map(np.concatenate, zip(*(part[purpose] for part in parts), strict=True))
            )
            yield line(f"TID, {name}, {purpose}", pooled, "chosen on")


def abroad(
    stack: SeiqaRegressor, trained: str, judged: str, part: str, found: dict[str, Collection]
) -> Iterator[str]:
    """One collection from another, on scenes that the first lacks: all, within kinds, JPEG."""
    other = found[judged]
    new = rows_of(other, np.flatnonzero(~np.isin(other.scenes, found[trained].scenes)))
    for purpose, result in judge(stack, found[trained], new).items():
        what = f"{trained} → {judged}, {purpose}"
        yield line(what, result, part)
        if new.kinds is None:
            continue
        inside = [within(result.y, each, new.kinds) for each in (result.score, result.metric)]
        label = f"{what}, within kinds"
        yield f"{label:44}        {inside[0]:.3f}  {inside[1]:.3f}      {part}"
        jpeg = new.kinds == "jpeg"
        if jpeg.any():
            alone = Judged(*(values[jpeg] for values in result))
            yield line(f"{what}, JPEG", alone, part)


def judge(stack: SeiqaRegressor, source: Collection, other: Collection) -> dict[str, Judged]:
    """A stack fitted to one collection and blended for each purpose, on the rows of another."""
    ((columns, _),) = shared(source, {"other": other})
    stack.set_params(directions=source.directions)
    stack.fit(source.X[columns], source.y, source.scenes)
    X, members = other.X[columns], list(stack.learners_)
    predictions = stack.predict_learners(X)
    metric, _ = best_single(checked(source.X[columns], source.y), checked(X, other.y))
    found = {}
    for purpose in PURPOSES:
        blend = Blend(purpose)
        blend.fit(fresh_fusion(stack.fusion), stack.oof_, members, source.y, source.scenes)
        score = np.clip(blend.predict(predictions), *stack.label_range_)
        found[purpose] = Judged(other.y, score, metric)
    return found


def line(what: str, judged: Judged, part: str) -> str:
    """Final and SROCC of the score, SROCC of the metric."""
    y, score, metric = judged
    return (
        f"{what:44} {final_score(y, score):.3f}  {srocc(y, score):.3f}"
        f"  {srocc(y, metric):.3f}      {part}"
    )


def rows_of(collection: Collection, rows: np.typing.NDArray[np.intp]) -> Collection:
    """Some rows."""
    kinds = None if collection.kinds is None else collection.kinds[rows]
    return replace(
        collection,
        X=collection.X.iloc[rows],
        y=collection.y[rows],
        scenes=collection.scenes[rows],
        kinds=kinds,
    )


def some_scenes(collection: Collection, count: int) -> Collection:
    """All rows of so many scenes, drawn by a fixed seed."""
    drawn = np.random.default_rng(0).choice(np.unique(collection.scenes), count, replace=False)
    return rows_of(collection, np.flatnonzero(np.isin(collection.scenes, drawn)))


if __name__ == "__main__":
    main()
