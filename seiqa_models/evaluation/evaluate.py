"""The nested estimate: what to expect on new references, and what a careless one would claim."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from joblib import Parallel, delayed
from numpy.typing import ArrayLike
from sklearn.base import clone

from seiqa_models.core.arrays import Rows
from seiqa_models.core.checks import (
    MIN_GROUPS_TO_EVALUATE,
    MIN_GROUPS_TO_FIT,
    MIN_ROWS_TO_EVALUATE,
    MIN_ROWS_TO_FIT,
    TrainingTable,
    check_training_table,
)
from seiqa_models.core.errors import KindsError
from seiqa_models.core.splits import Fold, make_folds
from seiqa_models.core.transfer import transfer_folds
from seiqa_models.evaluation.baselines import best_single, index_only
from seiqa_models.evaluation.figures import (
    NOMINAL_COVERAGE,
    SCORED,
    FoldResult,
    evaluation_figures,
    interval_figures,
    joined,
    learner_columns,
    transfer_figures,
    without_kinds_figures,
)
from seiqa_models.fusions.weighted import GreedyFusion
from seiqa_models.learners.registry import KINDS_PARAMETERS
from seiqa_models.stack.blend import PURPOSES
from seiqa_models.stack.pool import predict_held_out
from seiqa_models.stack.regressor import SeiqaRegressor
from seiqa_models.stack.representations import member


@dataclass(frozen=True)
class Evaluation:
    """Result of :func:`evaluate`.

    Attributes
    ----------
    regressor : SeiqaRegressor
        Fitted on all rows.
    predictions : DataFrame indexed like X
        ``mos, group_id, fold, score, low, high, unfamiliar`` and one column per learner, all for
        held-out rows.
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
        - ``naive``: summary of fusing and scoring on the same out-of-fold predictions.
        - ``gap``: naive final - honest final.
        - ``learners``: {name: summary}.
        - ``greedy``: summary of greedy selection among the learners instead of the fusion.
        - ``best_single``: summary; ``names``, the feature chosen in each outer training part, and
          ``name``, the one chosen on all rows.
        - ``consensus``: summary of what all columns say together, ``agree``: share of rows whose
          columns agree, ``gate``: of the regressor on all rows.
        - ``purpose``: "home" or "abroad"; ``at_home``: for the latter the summary that the former
          would have had, else None.
        - ``index_only``: summary of a predictor that sees only file order, or None.
        - ``gain``: {"best_single" or learner: :func:`seiqa_models.evaluation.compare.compare` of
          the stack with it}.
        - ``transfer``: None without ``kinds``; else the summary of the stack on rows whose kind
          and reference were both held out, with ``by_group``, the ordinary estimate on the same
          rows, ``learners`` and ``best_single``, {summary}, ``kinds``, {kind: {srocc, n}} of the
          stack, ``n`` rows and ``fits``.
        - ``without_kinds``: None without ``kinds``; else for each learner that uses them {name:
          summary, with ``gain``, the :func:`compare` of the stack with it}, had it not been told.
        - ``prediction_interval``: {"nominal": coverage promised, "coverage": share of held-out
          labels inside, "mean_width": in units of the label, "unfamiliar": share of rows flagged,
          "transfer": the same three on rows whose kind was held out as well, or None}.
        - ``weights``: {"mean": over the outer folds, "final": of the regressor on all rows}, each
          {learner: weight}; None where the fusion has no weights.
        - ``calibrated``: whether the regressor on all rows kept its calibration curve (one that
          did not help PLCC is left out), None where none was asked for.
        - ``seconds``: {"evaluate": all of it}; ``seconds_per_row``: predicting one row.
        - ``n``, ``groups``, ``splitter``, ``label`` {mean, min, max}.
        """
        return self.figures


def evaluate(
    regressor: SeiqaRegressor,
    X: pd.DataFrame,
    y: ArrayLike,
    groups: ArrayLike,
    order: ArrayLike | None = None,
    *,
    kinds: ArrayLike | None = None,
    n_splits: int = 5,
    seed: int = 0,
    n_jobs: int = 1,
    on_fold: Callable[[int, int], None] | None = None,
) -> Evaluation:
    """Estimate how well a regressor does on new groups, and fit it on all rows.

    Nothing of a held-out fold is seen by the fit that predicts it: not by scaling, meta-features,
    the choice of the best single feature or the fusion.

    Parameters
    ----------
    regressor : SeiqaRegressor
        Not changed; clones of it are fitted.
    X, y, groups, order
        As for :meth:`SeiqaRegressor.fit`, groups required.
    kinds : array-like [n], optional
        Kind of distortion of each row. Given, the regressor is fitted with them, and a second
        estimate holds out kind and group at once;
        see :func:`seiqa_models.core.transfer.transfer_folds` for how many fits that takes.
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
    KindsError
        No kind can be left out; a TableError too.
    """
    started = time.perf_counter()
    table, rows = check_training_table(
        X,
        y,
        groups,
        order,
        kinds,
        min_rows=MIN_ROWS_TO_EVALUATE,
        min_groups=MIN_GROUPS_TO_EVALUATE,
    ).in_canonical_order()
    folds = make_folds(table.groups, table.order, n_splits=n_splits, seed=seed)
    cells = [] if table.kinds is None else _transfer_cells(table, folds, table.kinds)
    worker = clone(regressor).set_params(**({"n_jobs": 1} if n_jobs > 1 else {}))
    told = [n for n in worker.learners if member(n).learner in KINDS_PARAMETERS] if cells else []
    tasks = [
        *(delayed(_run_fold)(worker, table, fold) for fold in [*folds, *cells]),
        *(delayed(_without_kinds)(worker, table, fold, told) for fold in (folds if told else [])),
        delayed(_fit)(worker, table),
    ]
    results: list[Any] = []
    for result in Parallel(n_jobs=n_jobs, return_as="generator")(tasks):
        results.append(result)
        if on_fold is not None:
            on_fold(len(results), len(tasks))
    final = results.pop().set_params(n_jobs=regressor.n_jobs)
    fits = len(folds) + len(cells)
    by_group, by_kind, without_kinds = (
        results[: len(folds)],
        results[len(folds) : fits],
        results[fits:],
    )
    held_out = joined(by_group)
    figures = evaluation_figures(table, folds, by_group, held_out, final, seed)
    figures["transfer"] = figures["without_kinds"] = None
    if kinds is not None:
        names = np.asarray(kinds)[rows]
        figures["transfer"] = transfer_figures(table, names, by_kind, held_out, seed)
        figures["without_kinds"] = without_kinds_figures(table, without_kinds, held_out, seed)
        figures["prediction_interval"]["transfer"] = interval_figures(table, joined(by_kind))
    figures["seconds_per_row"] = _seconds_per_row(final, table.X)
    figures["seconds"] = {"evaluate": time.perf_counter() - started}
    final.oof_ = final.oof_.iloc[np.argsort(rows)]
    predictions = _prediction_table(table, np.asarray(groups)[rows], folds, held_out)
    return Evaluation(final, predictions.iloc[np.argsort(rows)], figures)


def _fit(regressor: SeiqaRegressor, table: TrainingTable) -> SeiqaRegressor:
    fresh: SeiqaRegressor = clone(regressor)
    return fresh.fit(table.X, table.y, table.groups, table.order, table.kinds)


def _run_fold(regressor: SeiqaRegressor, table: TrainingTable, fold: Fold) -> FoldResult:
    train, test = table.take(fold[0]), table.take(fold[1])
    fitted = _fit(regressor, train)
    predictions = fitted.predict_learners(test.X)
    scored = fitted.predict_interval(test.X, NOMINAL_COVERAGE)
    single, single_name = best_single(train, test)
    members = list(fitted.learners_)
    greedy = GreedyFusion().fit(fitted.oof_[members], train.y).predict(predictions[members])
    predictions = predictions.set_axis(fold[1])
    predictions = predictions.assign(
        **{name: scored[name].to_numpy() for name in SCORED}, best_single=single, greedy=greedy
    )
    if regressor.purpose != PURPOSES[0]:
        at_home = clone(fitted.blend_).set_params(purpose=PURPOSES[0])
        at_home.fit(fitted.fresh_fusion(), fitted.oof_, members, train.y, train.groups)
        predictions["at_home"] = np.clip(at_home.predict(predictions), *fitted.label_range_)
    if table.order is not None:
        predictions["index_only"] = index_only(train, test)
    return FoldResult(predictions, single_name, fitted.weights_)


def _without_kinds(
    regressor: SeiqaRegressor, table: TrainingTable, fold: Fold, names: list[str]
) -> pd.DataFrame:
    """Held-out predictions of learners by themselves that are not told the kinds."""
    without_kinds = replace(table, kinds=None)
    predictions = predict_held_out(
        without_kinds, fold, names, regressor.random_state, regressor.directions
    )
    return predictions[names].set_axis(fold[1])


def _transfer_cells(table: TrainingTable, folds: list[Fold], kinds: ArrayLike) -> list[Fold]:
    """The folds of :func:`transfer_folds` whose training part can be learned from."""

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


def _prediction_table(
    table: TrainingTable, groups: ArrayLike, folds: list[Fold], held_out: pd.DataFrame
) -> pd.DataFrame:
    fold_of_row = np.empty(len(table.y), dtype=np.int64)
    for number, (_, test) in enumerate(folds):
        fold_of_row[test] = number
    predictions = held_out[[*SCORED, *learner_columns(held_out)]].set_axis(table.X.index)
    predictions.insert(0, "mos", table.y)
    predictions.insert(1, "group_id", np.asarray(groups))
    predictions.insert(2, "fold", fold_of_row)
    return predictions


def _seconds_per_row(regressor: SeiqaRegressor, X: pd.DataFrame) -> float:
    started = time.perf_counter()
    regressor.predict(X)
    return (time.perf_counter() - started) / len(X)
