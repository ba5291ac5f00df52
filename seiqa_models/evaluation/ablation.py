"""Feature ablation: what a learner scores without each group of features, and with it alone.

For each group, the held-out rows are predicted once without its columns and once with only its
columns. A group that scores well alone but costs little when left out duplicates other groups.
"""

from __future__ import annotations

from collections.abc import Callable, Set
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from joblib import delayed
from numpy.typing import ArrayLike

from seiqa_models.core.arrays import FloatMatrix, FloatVector, Rows
from seiqa_models.core.checks import (
    MIN_GROUPS_TO_EVALUATE,
    MIN_ROWS_TO_EVALUATE,
    TrainingTable,
    check_training_table,
)
from seiqa_models.core.columns import feature_group
from seiqa_models.core.metrics import final_score
from seiqa_models.core.splits import Fold, make_folds
from seiqa_models.core.threads import one_core
from seiqa_models.evaluation.parallel import run_counted
from seiqa_models.results import AblatedGroup, Ablation
from seiqa_models.stack.pool.fitted import Directions
from seiqa_models.stack.pool.fitting import fit_learner
from seiqa_models.stack.preparation import Preparation


@dataclass(frozen=True)
class _Part:
    """A prepared outer fold: training rows with labels, scenes and any kinds, and held-out rows.

    ``held_out`` holds the latter's positions in the table; ``groups`` and ``directions`` have one
    entry per column.
    """

    train: FloatMatrix
    y: FloatVector
    scenes: Rows
    kinds: Rows | None
    test: FloatMatrix
    held_out: Rows
    groups: list[str]
    directions: list[int]

    def only(self, kept: Set[str]) -> _Part:
        """Only the columns of some groups; preparing them on their own would give the same."""
        columns = [at for at, group in enumerate(self.groups) if group in kept]
        return replace(
            self,
            train=self.train[:, columns],
            test=self.test[:, columns],
            groups=[self.groups[at] for at in columns],
            directions=[self.directions[at] for at in columns],
        )


def feature_ablation(
    X: pd.DataFrame,
    y: ArrayLike,
    groups: ArrayLike,
    order: ArrayLike | None = None,
    *,
    learner: str,
    kinds: ArrayLike | None = None,
    directions: Directions | None = None,
    n_splits: int = 5,
    seed: int = 0,
    n_jobs: int = 1,
    on_fit: Callable[[int, int], None] | None = None,
) -> Ablation:
    """Held-out scores of one learner without each group of features, and with only that group.

    The folds are those of `seiqa_models.evaluation.evaluate.evaluate`; everything is prepared
    and fitted inside each training part. There is no fusion.

    Parameters
    ----------
    X, y, groups, order, kinds
        As for `seiqa_models.evaluation.evaluate.evaluate`.
    learner : str
        A name from `seiqa_models.learners.registry.LEARNERS`.
    directions : mapping of str to int, optional
        As for `seiqa_models.stack.regressor.SeiqaRegressor`.
    n_splits : int
        Outer folds; fewer when there are fewer groups of rows.
    seed : int
        Seed of folds and learner.
    n_jobs : int
        Number of parallel fits, one thread each. The figures do not depend on it.
    on_fit : callable, optional
        Called with (fits done, fits in all).

    Returns
    -------
    Ablation
        Groups by :func:`seiqa_models.core.columns.feature_group`, sorted by name; ``columns`` is
        the number of columns that X has of a group, and a score is None if no columns are left, or
        only ones that are constant in every training part.

    Raises
    ------
    TableError
        Fewer than 3 groups of rows or 10 rows, or the table cannot be learned from.
    KindsError
        Kinds have the wrong length or missing values; a subclass of TableError.
    ValueError
        The learner's name is unknown.
    """
    table, _ = check_training_table(
        X,
        y,
        groups,
        order,
        kinds,
        min_rows=MIN_ROWS_TO_EVALUATE,
        min_groups=MIN_GROUPS_TO_EVALUATE,
    ).in_canonical_order()
    folds = make_folds(table.groups, table.order, n_splits=n_splits, seed=seed)
    owners = [feature_group(column) for column in table.X.columns]
    names = sorted(set(owners))
    everything = frozenset(names)
    kept = [everything, *(everything - {name} for name in names), *({name} for name in names)]
    preparing = (delayed(_prepared)(table, fold, directions or {}) for fold in folds)
    parts = run_counted(preparing, len(folds), n_jobs, None)
    fits = (delayed(_predict)(part.only(some), learner, seed) for some in kept for part in parts)
    predictions = run_counted(fits, len(kept) * len(parts), n_jobs, on_fit)
    starts = range(0, len(predictions), len(parts))
    complete, *finals = [
        _pooled_final(table.y, parts, predictions[start : start + len(parts)]) for start in starts
    ]
    without, alone = finals[: len(names)], finals[len(names) :]
    return Ablation(
        learner=learner,
        all=complete,
        groups={
            name: AblatedGroup(columns=owners.count(name), without=left, alone=single)
            for name, left, single in zip(names, without, alone, strict=True)
        },
    )


def _prepared(table: TrainingTable, fold: Fold, directions: Directions) -> _Part:
    train, held_out = table.take(fold[0]), table.take(fold[1])
    preparation = Preparation()
    with one_core():
        values = preparation.fit_transform(train.X, train.y, train.groups)
        test = preparation.transform(held_out.X)
    owners = [feature_group(column) for column in preparation.columns_]
    known = [directions.get(name, 0) for name in preparation.columns_]
    return _Part(values, train.y, train.groups, train.kinds, test, fold[1], owners, known)


def _predict(part: _Part, learner: str, seed: int) -> FloatVector | None:
    """Held-out predictions; None if there are no columns."""
    if not part.groups:
        return None
    fitted = fit_learner(
        learner, part.train, part.y, seed, part.kinds, part.directions, groups=part.scenes
    )
    with one_core():
        return np.asarray(fitted.predict(part.test), dtype=np.float64)


def _pooled_final(
    y: FloatVector, parts: list[_Part], predictions: list[FloatVector | None]
) -> float | None:
    """The final score over all held-out rows; a part without columns predicts its mean label."""
    if all(prediction is None for prediction in predictions):
        # Each part would predict its training mean, which falls as its held-out labels rise.
        return None
    pooled = np.empty_like(y)
    for part, prediction in zip(parts, predictions, strict=True):
        guess = part.y.mean() if prediction is None else prediction
        pooled[part.held_out] = np.clip(guess, part.y.min(), part.y.max())
    return final_score(y, pooled)
