"""The fits of an evaluation: an outer fold's stack, and its predictions for held-out rows.

All alternatives are scored in the same way: learners and baselines are clipped to the same range as
the stack, and greedy selection gets the same calibration as the stack's own fusion.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from joblib import Parallel, delayed
from numpy.typing import ArrayLike
from sklearn.base import clone

from seiqa_models.core.arrays import FloatVector, Rows
from seiqa_models.core.checks import MIN_GROUPS_TO_FIT, MIN_ROWS_TO_FIT, TrainingTable
from seiqa_models.core.columns import AGREEMENT, INNER, RESULT_COLUMNS, SCORED
from seiqa_models.core.errors import KindsError
from seiqa_models.core.splits import Fold
from seiqa_models.core.threads import processes
from seiqa_models.core.transfer import transfer_folds
from seiqa_models.evaluation.baselines import best_single, index_only
from seiqa_models.fusions.registry import fresh_fusion
from seiqa_models.fusions.weighted import GreedyFusion
from seiqa_models.learners.registry import make_learner
from seiqa_models.plugins.calls import uses_kinds
from seiqa_models.stack.blend import PURPOSES
from seiqa_models.stack.calibration import MonotoneCalibration
from seiqa_models.stack.collections.joining import on_output_scale
from seiqa_models.stack.pool.fitting import predict_held_out
from seiqa_models.stack.regressor import SeiqaRegressor
from seiqa_models.stack.representations import member

NOMINAL_COVERAGE = 0.9
"""Nominal share of labels inside the reported intervals."""


@dataclass(frozen=True)
class FoldResult:
    """Result of one outer fold: predictions for its held-out rows.

    ``predictions`` is indexed by row position; its columns are the learners' names and those of
    `seiqa_models.core.columns` (``index_only`` only if the order is known).
    """

    predictions: pd.DataFrame
    single_name: str | None
    weights: dict[str, float] | None


@dataclass(frozen=True)
class Fits:
    """The results of all outer folds, and the final regressor.

    ``by_group`` and ``by_kind`` hold the results of folds by group and of folds by kind and group;
    ``untold`` holds predictions of learners that use kinds but were fitted without them.
    """

    by_group: list[FoldResult]
    by_kind: list[FoldResult]
    untold: list[pd.DataFrame]
    final: SeiqaRegressor


def joined(results: list[FoldResult]) -> pd.DataFrame:
    """Held-out predictions of all folds by row position, in table order."""
    return pd.concat([result.predictions for result in results]).sort_index()


def learner_columns(held_out: pd.DataFrame) -> list[str]:
    """Names of the columns that are a learner's predictions."""
    return [name for name in held_out.columns if name not in RESULT_COLUMNS]


def transfer_cells(table: TrainingTable, folds: list[Fold], kinds: ArrayLike) -> list[Fold]:
    """The folds of :func:`transfer_folds` whose training part can be learned from.

    Raises
    ------
    KindsError
        There is none.
    """

    def learnable(train: Rows) -> bool:
        enough = len(train) >= MIN_ROWS_TO_FIT and np.ptp(table.y[train]) > 0
        return bool(enough and len(np.unique(table.groups[train])) >= MIN_GROUPS_TO_FIT)

    cells = [cell for cell in transfer_folds(folds, kinds) if learnable(cell[0])]
    if not cells:
        raise KindsError(
            "no kind can be left out: what remains of the other groups is too little to learn "
            "from; add pairs, or do without the kinds"
        )
    return cells


def fit_everything(
    regressor: SeiqaRegressor,
    table: TrainingTable,
    folds: list[Fold],
    cells: list[Fold],
    n_jobs: int,
    on_fold: Callable[[int, int], None] | None,
) -> Fits:
    """Fit the regressor on the training rows of all folds and cells, and on all rows.

    Parameters
    ----------
    regressor : SeiqaRegressor
        Not changed.
    table : TrainingTable
    folds, cells : list of Fold
        Folds by group, and by kind and group.
    n_jobs : int
        Number of parallel fits; if above 1, the regressor's own ``n_jobs`` is set to 1 meanwhile.
    on_fold : callable, optional
        Called with (fits done, fits in all).
    """
    worker = clone(regressor).set_params(**({"n_jobs": 1} if n_jobs > 1 else {}))
    told = _kind_learners(worker) if cells else []
    tasks = [
        *(delayed(_run_fold)(worker, table, fold) for fold in [*folds, *cells]),
        *(delayed(_run_untold)(worker, table, fold, told) for fold in (folds if told else [])),
        delayed(_fit)(worker, table),
    ]
    results: list[Any] = []
    for result in Parallel(n_jobs=processes(n_jobs, len(tasks)), return_as="generator")(tasks):
        results.append(result)
        if on_fold is not None:
            on_fold(len(results), len(tasks))
    final = results.pop().set_params(n_jobs=regressor.n_jobs)
    first, second = len(folds), len(folds) + len(cells)
    return Fits(results[:first], results[first:second], results[second:], final)


def _fit(regressor: SeiqaRegressor, table: TrainingTable) -> SeiqaRegressor:
    """A clone of the regressor, fitted on the whole table."""
    fresh: SeiqaRegressor = clone(regressor)
    return fresh.fit(
        table.X,
        table.y,
        table.groups,
        table.order,
        table.kinds,
        table.named_collections,
        table.orders,
    )


def on_scale_of(fitted: SeiqaRegressor, table: TrainingTable) -> TrainingTable:
    """The table with its labels on the scale of the regressor's scores.

    The maps have a few parameters and come from the regressor's training rows. Where those are the
    rows of the table, as in an evaluation's final fit, labels are mapped only to be compared with
    predictions; no prediction depends on it.
    """
    told = getattr(fitted, "scales_", None)
    if told is None:
        return table
    y = on_output_scale(told, table.y, np.asarray(table.named_collections))
    return replace(table, y=y, collections=None)


def _run_fold(regressor: SeiqaRegressor, table: TrainingTable, fold: Fold) -> FoldResult:
    """Fit on a fold's training rows, and predict its held-out rows with all alternatives."""
    train, test = table.take(fold[0]), table.take(fold[1])
    fitted = _fit(regressor, train)
    train = on_scale_of(fitted, train)
    predictions = fitted.predict_learners(test.X)
    single, single_name = best_single(train, test)
    predictions = predictions.assign(
        greedy=_greedy(fitted, train, predictions), best_single=single
    ).set_axis(fold[1])
    if regressor.purpose != PURPOSES[0]:
        predictions["at_home"] = _at_home(fitted, train, predictions)
    if fitted.collections_:
        predictions["as_itself"] = _as_itself(fitted, test)
    if table.order is not None:
        predictions["index_only"] = index_only(train, test)
    scored = fitted.predict_interval(test.X, NOMINAL_COVERAGE)
    agreement = predictions[AGREEMENT]
    predictions = predictions.drop(columns=list(INNER))
    predictions = predictions.clip(*fitted.label_range_).assign(
        **{name: scored[name].to_numpy() for name in SCORED}, **{AGREEMENT: agreement}
    )
    return FoldResult(predictions, single_name, fitted.weights_)


def _as_itself(fitted: SeiqaRegressor, test: TrainingTable) -> FloatVector:
    """The scores of each collection's rows as its own observers."""
    scores, whose = np.empty(len(test.y)), np.asarray(test.named_collections)
    for name in np.unique(whose.astype(str)):
        rows = whose == name
        scores[rows] = fitted.predict(test.X[rows], name)
    return scores


def _run_untold(
    regressor: SeiqaRegressor, table: TrainingTable, fold: Fold, names: list[str]
) -> pd.DataFrame:
    """Held-out predictions of single learners fitted without the kinds."""
    untold = replace(table, kinds=None)
    predictions = predict_held_out(
        untold, fold, names, regressor.random_state, regressor.directions
    )
    own = predictions[names].set_axis(fold[1])
    return own.clip(*regressor.range_of(table.y[fold[0]]))


def _kind_learners(regressor: SeiqaRegressor) -> list[str]:
    """Names of the regressor's learners that can use kinds of distortion."""
    return [
        name
        for name in regressor.learners
        if uses_kinds(make_learner(member(name).learner, random_state=0))
    ]


def _greedy(fitted: SeiqaRegressor, train: TrainingTable, predictions: pd.DataFrame) -> FloatVector:
    """The stack's predictions with greedy selection as fusion."""
    members = list(fitted.learners_)
    fusion = GreedyFusion().fit(fitted.oof_[members], train.y, train.groups)
    fused = fusion.predict(predictions[members])
    if not fitted.calibrate:
        return fused
    curve = MonotoneCalibration().fit(fusion.predict(fitted.oof_[members]), train.y, train.groups)
    return curve.predict(fused)


def _at_home(
    fitted: SeiqaRegressor, train: TrainingTable, predictions: pd.DataFrame
) -> FloatVector:
    """The stack's predictions with purpose "home"."""
    blend = clone(fitted.blend_).set_params(purpose=PURPOSES[0])
    members = list(fitted.learners_)
    blend.fit(fresh_fusion(fitted.fusion), fitted.oof_, members, train.y, train.groups)
    return np.asarray(blend.predict(predictions))
