"""The nested estimate: what new references will get, beside what a careless one would claim."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from joblib import Parallel, delayed
from numpy.typing import ArrayLike
from sklearn.base import clone

from seiqa_models.arrays import FloatVector
from seiqa_models.baselines import best_single, index_only
from seiqa_models.checks import (
    MIN_GROUPS_TO_EVALUATE,
    MIN_ROWS_TO_EVALUATE,
    TrainingTable,
    check_training_table,
)
from seiqa_models.metrics import score_summary
from seiqa_models.splits import Fold, describe_folds, make_folds
from seiqa_models.stack import SeiqaRegressor


@dataclass(frozen=True)
class Evaluation:
    """Result of :func:`evaluate`.

    Attributes
    ----------
    regressor : SeiqaRegressor
        Fitted on all rows.
    predictions : DataFrame indexed like X
        ``mos, group_id, fold, score`` and one column per learner, all for held-out rows.
    figures : dict
        What :meth:`to_dict` gives.
    """

    regressor: SeiqaRegressor
    predictions: pd.DataFrame
    figures: dict[str, Any]

    def to_dict(self) -> dict[str, Any]:
        """The figures, JSON-ready.

        A *summary* is {srocc, plcc, krocc, rmse, final, interval} of held-out predictions.

        - ``honest``: summary of the nested estimate; the figure to report.
        - ``naive``: the same fused and scored on one and the same out-of-fold predictions.
        - ``gap``: naive final - honest final.
        - ``learners``: {name: summary}.
        - ``best_single``: summary and ``names``, the feature chosen in each outer training part.
        - ``index_only``: summary of a predictor that sees only file order, or None.
        - ``weights``: {"mean": over the outer folds, "final": of the regressor on all rows}.
        - ``seconds``: {"evaluate": all of it}; ``seconds_per_row``: predicting one row.
        - ``n``, ``groups``, ``splitter``, ``label`` {mean, min, max}.
        """
        return self.figures


@dataclass(frozen=True)
class _FoldResult:
    """What one outer fold says about its held-out rows."""

    learners: pd.DataFrame
    score: FloatVector
    single: FloatVector
    single_name: str | None
    neighbours: FloatVector | None
    weights: dict[str, float]


def evaluate(
    regressor: SeiqaRegressor,
    X: pd.DataFrame,
    y: ArrayLike,
    groups: ArrayLike,
    order: ArrayLike | None = None,
    *,
    n_splits: int = 5,
    seed: int = 0,
    n_jobs: int = 1,
    on_fold: Callable[[int, int], None] | None = None,
) -> Evaluation:
    """Estimate how well a regressor does on new groups, and fit it on all rows.

    Nothing of a held-out fold is seen by the fit that predicts it: not by scaling, meta-features,
    the choice of the best single feature or the fusion weights.

    Parameters
    ----------
    regressor : SeiqaRegressor
        Not changed; clones of it are fitted.
    X, y, groups, order
        As for :meth:`SeiqaRegressor.fit`, groups required.
    n_splits : int
        Outer folds; fewer when there are fewer groups.
    seed : int
        Seed of outer folds and bootstrap.
    n_jobs : int
        Outer folds at the same time. More than 1 sets the regressor's own ``n_jobs`` to 1
        meanwhile. The figures do not depend on it.
    on_fold : callable, optional
        Called with (fits done, fits in all) after each outer fold and after the final fit.

    Raises
    ------
    TableError
        Fewer than 3 groups or 10 rows, or the table cannot be learned from.
    """
    started = time.perf_counter()
    table = check_training_table(
        X,
        y,
        groups,
        order,
        min_rows=MIN_ROWS_TO_EVALUATE,
        min_groups=MIN_GROUPS_TO_EVALUATE,
    )
    folds = make_folds(table.groups, table.order, n_splits=n_splits, seed=seed)
    worker = clone(regressor).set_params(**({"n_jobs": 1} if n_jobs > 1 else {}))
    tasks = [
        *(delayed(_run_fold)(worker, table, fold) for fold in folds),
        delayed(_fit)(worker, table),
    ]
    results: list[Any] = []
    for result in Parallel(n_jobs=n_jobs, return_as="generator")(tasks):
        results.append(result)
        if on_fold is not None:
            on_fold(len(results), len(tasks))
    final = results.pop().set_params(n_jobs=regressor.n_jobs)
    predictions = _prediction_table(table, groups, folds, results)
    figures = _figures(table, folds, results, predictions, final, seed)
    figures["seconds_per_row"] = _seconds_per_row(final, table.X)
    figures["seconds"] = {"evaluate": time.perf_counter() - started}
    return Evaluation(final, predictions, figures)


def _fit(regressor: SeiqaRegressor, table: TrainingTable) -> SeiqaRegressor:
    fresh: SeiqaRegressor = clone(regressor)
    return fresh.fit(table.X, table.y, groups=table.groups, order=table.order)


def _run_fold(regressor: SeiqaRegressor, table: TrainingTable, fold: Fold) -> _FoldResult:
    train, test = table.take(fold[0]), table.take(fold[1])
    fitted = _fit(regressor, train)
    learners = fitted.predict_learners(test.X)
    single, single_name = best_single(train, test)
    neighbours = None if table.order is None else index_only(train, test)
    return _FoldResult(
        learners, fitted.fuse(learners), single, single_name, neighbours, fitted.weights_
    )


def _prediction_table(
    table: TrainingTable, groups: ArrayLike, folds: list[Fold], results: list[_FoldResult]
) -> pd.DataFrame:
    fold_of_row = np.empty(len(table.y), dtype=np.int64)
    for number, (_, test) in enumerate(folds):
        fold_of_row[test] = number
    columns = {
        "mos": table.y,
        "group_id": np.asarray(groups),
        "fold": fold_of_row,
        "score": _gathered(folds, (result.score for result in results)),
    }
    for name in results[0].learners.columns:
        held_out = (result.learners[name].to_numpy() for result in results)
        columns[name] = _gathered(folds, held_out)
    return pd.DataFrame(columns, index=table.X.index)


def _gathered(folds: list[Fold], parts: Iterator[FloatVector]) -> FloatVector:
    """Held-out values of all folds in table order, float64 [n]."""
    values = np.empty(sum(len(test) for _, test in folds))
    for (_, test), part in zip(folds, parts, strict=True):
        values[test] = part
    return values


def _figures(
    table: TrainingTable,
    folds: list[Fold],
    results: list[_FoldResult],
    predictions: pd.DataFrame,
    final: SeiqaRegressor,
    seed: int,
) -> dict[str, Any]:
    def summary(values: ArrayLike) -> dict[str, Any]:
        return score_summary(table.y, values, table.groups, seed=seed)

    honest, naive = summary(predictions["score"]), summary(final.fuse(final.oof_))
    single = summary(_gathered(folds, (result.single for result in results)))
    neighbours = [result.neighbours for result in results if result.neighbours is not None]
    return {
        "honest": honest,
        "naive": naive,
        "gap": naive["final"] - honest["final"],
        "learners": {name: summary(predictions[name]) for name in final.weights_},
        "best_single": {**single, "names": [result.single_name for result in results]},
        "index_only": summary(_gathered(folds, iter(neighbours))) if neighbours else None,
        "weights": {
            "mean": _mean_weights([result.weights for result in results]),
            "final": dict(final.weights_),
        },
        "n": len(table.y),
        "groups": int(table.groups.max()) + 1,
        "splitter": describe_folds(folds, table.order),
        "label": {
            "mean": float(table.y.mean()),
            "min": float(table.y.min()),
            "max": float(table.y.max()),
        },
    }


def _mean_weights(folds: list[Mapping[str, float]]) -> dict[str, float]:
    return {name: float(np.mean([weights[name] for weights in folds])) for name in folds[0]}


def _seconds_per_row(regressor: SeiqaRegressor, X: pd.DataFrame) -> float:
    started = time.perf_counter()
    regressor.predict(X)
    return (time.perf_counter() - started) / len(X)
