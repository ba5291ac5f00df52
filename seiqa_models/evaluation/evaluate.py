"""The nested estimate of the performance on new references, and the naive claim beside it."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from sklearn.base import clone

from seiqa_models.core.arrays import FloatVector, Rows, Table
from seiqa_models.core.checks import (
    MIN_GROUPS_TO_EVALUATE,
    MIN_ROWS_TO_EVALUATE,
    TrainingTable,
    check_training_table,
)
from seiqa_models.core.columns import SCORED
from seiqa_models.core.frames import frame_of, note_features
from seiqa_models.core.orders import Orders
from seiqa_models.core.readiness import require_folds
from seiqa_models.core.splits import Fold, fold_of_rows, make_folds, spread_folds
from seiqa_models.evaluation.figures import evaluation_figures
from seiqa_models.evaluation.held_out import (
    fit_everything,
    joined,
    learner_columns,
    on_scale_of,
    transfer_cells,
)
from seiqa_models.evaluation.laboratories import judge_each
from seiqa_models.judged import Judged
from seiqa_models.results import Figures
from seiqa_models.stack.collections.scales import require_enough
from seiqa_models.stack.parameters import check_seed
from seiqa_models.stack.regressor import SeiqaRegressor

_TIMED_ROWS = 1000
"""Number of rows predicted to measure the time per row."""


@dataclass(frozen=True)
class Evaluation:
    """Result of `evaluate`.

    Attributes
    ----------
    regressor : SeiqaRegressor
        Fitted on all rows.
    predictions : DataFrame indexed like X
        ``mos, group_id, fold, score, low, high, unfamiliar`` and one column per learner, all for
        held-out rows and clipped to the stack's range.
    figures : Figures
    by_collection : list of Judged
        Each of several collections, scored as all have in common and as its own observers.
    """

    regressor: SeiqaRegressor
    predictions: pd.DataFrame
    figures: Figures
    by_collection: list[Judged] = field(default_factory=list)

    def to_dict(self) -> dict[str, Any]:
        """The figures, JSON-ready; see `seiqa_models.results.Figures`."""
        return self.figures.to_dict()


def evaluate(
    regressor: SeiqaRegressor,
    X: Table,
    y: ArrayLike,
    groups: ArrayLike,
    order: ArrayLike | None = None,
    *,
    kinds: ArrayLike | None = None,
    collections: ArrayLike | None = None,
    orders: Orders | None = None,
    n_splits: int = 5,
    seed: int = 0,
    n_jobs: int = 1,
    on_fold: Callable[[int, int], None] | None = None,
) -> Evaluation:
    """Estimate a regressor's performance on new groups, and fit it on all rows.

    The fit that predicts a held-out fold sees nothing of it: neither in scaling, nor in
    meta-features, the choice of the best single feature or the fusion.

    Parameters
    ----------
    regressor : SeiqaRegressor
        Not changed; clones of it are fitted.
    X, y, groups, order
        As for `SeiqaRegressor.fit`, groups required.
    kinds : array-like [n], optional
        Kind of distortion of each row. If given, the regressor is fitted with them, and a second
        estimate holds out kind and group at once; see `seiqa_models.core.transfer.transfer_folds`
        for the number of fits.
    collections : array-like of str [n], optional
        Name of the collection of each row, as for `SeiqaRegressor.fit`. Predictions are compared
        with labels on the scale of the scores, as the final fit maps them; the regressor's
        ``scale`` is by default that of the collection with the most rows.
    orders : Orders, optional
        Constructed orders, for `SeiqaRegressor.fit`. Nothing is measured on their rows, and those
        made from a held-out group's pictures are not used in that fold.
    n_splits : int
        Outer folds; fewer when there are fewer groups.
    seed : int
        Seed of outer folds and bootstrap, as the regressor's ``random_state``.
    n_jobs : int
        Number of parallel outer folds. If above 1, the regressor's own ``n_jobs`` is set to 1
        meanwhile. The figures do not depend on it.
    on_fold : callable, optional
        Called with (fits done, fits in all) after each outer fold and after the final fit.

    Raises
    ------
    TableError
        Fewer than 3 groups or 10 rows, or the table cannot be learned from; or without some fold
        a collection is too small for its scale to be found.
    KindsError
        No kind can be left out; a subclass of TableError.
    """
    started = time.perf_counter()
    check_seed("seed", seed)
    table, rows = check_training_table(
        frame_of(X),
        y,
        groups,
        order,
        kinds,
        collections,
        orders,
        min_rows=MIN_ROWS_TO_EVALUATE,
        min_groups=MIN_GROUPS_TO_EVALUATE,
    ).in_canonical_order()
    require_folds(
        table.y,
        table.groups,
        table.order,
        names=list(frame_of(X).index[rows]),
        n_splits=n_splits,
        seed=seed,
    )
    if len(table.names) > 1:
        regressor, folds = _by_collection(regressor, table, n_splits, seed)
    else:
        folds = make_folds(table.groups, table.order, n_splits=n_splits, seed=seed)
    cells = [] if table.kinds is None else transfer_cells(table, folds, table.kinds)
    fits = fit_everything(regressor, table, folds, cells, n_jobs, on_fold)
    note_features(fits.final, X)
    names = None if kinds is None else np.asarray(kinds)[rows]
    by_collection = judge_each(table, joined(fits.by_group))
    table = on_scale_of(fits.final, table)
    figures = evaluation_figures(table, names, folds, fits, seed)
    figures |= {
        "seconds_per_row": _seconds_per_row(fits.final, table.X),
        "seconds": {"evaluate": time.perf_counter() - started},
    }
    predictions = _prediction_table(table, np.asarray(groups)[rows], folds, joined(fits.by_group))
    back = np.argsort(rows)
    fits.final.oof_ = fits.final.oof_.iloc[back]
    return Evaluation(
        fits.final, predictions.iloc[back], Figures.model_validate(figures), by_collection
    )


def _by_collection(
    regressor: SeiqaRegressor, table: TrainingTable, n_splits: int, seed: int
) -> tuple[SeiqaRegressor, list[Fold]]:
    """The regressor with a scale that is the same in all folds, and folds that allow it.

    Raises
    ------
    TableError
        Without some fold a collection is too small.
    """
    scale = regressor.scale or table.names[int(np.argmax(np.bincount(table.laboratories)))]
    folds = require_collections(
        table.y,
        table.groups,
        table.laboratories,
        table.names,
        table.order,
        scale=scale,
        n_splits=n_splits,
        seed=seed,
    )
    fixed: SeiqaRegressor = clone(regressor).set_params(scale=scale)
    return fixed, folds


def require_collections(
    y: FloatVector,
    groups: Rows,
    collections: Rows,
    names: Sequence[str],
    order: FloatVector | None = None,
    *,
    scale: str | None,
    n_splits: int,
    seed: int,
) -> list[Fold]:
    """Folds of rows [n] of several collections whose training parts show the scale of each.

    Parameters
    ----------
    y, order : float64 [n]
        Labels, and file order if folds are to be blocks of it.
    groups, collections : int [n]
        Codes from 0.
    names : sequence of str
        Of the collections, by code.
    scale, n_splits, seed
        As for `evaluate` and its regressor.

    Raises
    ------
    TableError
        In the training part of some fold, a collection has too few rows or scenes.
    """
    first = int(np.argmax(np.bincount(collections)))
    if scale is not None and scale in names:
        first = list(names).index(scale)
    folds = spread_folds(groups, collections, order, first=first, n_splits=n_splits, seed=seed)
    for train, test in folds:
        when = f"with {len(test)} rows held out, "
        require_enough(y[train], groups[train], collections[train], names, when)
    return folds


def _prediction_table(
    table: TrainingTable, groups: ArrayLike, folds: list[Fold], held_out: pd.DataFrame
) -> pd.DataFrame:
    predictions = held_out[[*SCORED, *learner_columns(held_out)]].set_axis(table.X.index)
    predictions.insert(0, "mos", table.y)
    predictions.insert(1, "group_id", np.asarray(groups))
    predictions.insert(2, "fold", fold_of_rows(folds))
    return predictions


def _seconds_per_row(regressor: SeiqaRegressor, X: pd.DataFrame) -> float:
    some = X.iloc[:_TIMED_ROWS]
    started = time.perf_counter()
    regressor.predict(some)
    return (time.perf_counter() - started) / len(some)
