"""Trained on some laboratories, judged on another: performance on pictures from anywhere.

In folds by scene the scene is new, but the laboratory is not: its cameras, observers, kinds and
levels of distortion are in the training part. For pictures from elsewhere, rely on the figures with
left-out laboratories. Because scales differ, the comparison uses the order of scores,
and their correlation after the customary monotone mapping (VQEG's logistic function; Sheikh, Sabir
and Bovik, IEEE Trans. Image Processing 15(11), 2006).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd
from joblib import delayed
from numpy.typing import ArrayLike
from scipy.optimize import least_squares
from scipy.special import expit
from sklearn.base import clone

from seiqa_models.core.arrays import FloatVector, Rows, Table
from seiqa_models.core.checks import TrainingTable, check_training_table
from seiqa_models.core.errors import TableError
from seiqa_models.core.frames import frame_of
from seiqa_models.core.metrics import plcc, srocc
from seiqa_models.core.splits import Fold, make_folds
from seiqa_models.evaluation.parallel import run_counted
from seiqa_models.judged import Judged
from seiqa_models.stack.regressor import SeiqaRegressor

_COMMON = ""
"""Column of the scores that all collections have in common."""

MIN_WITHIN = 5
"""Minimum number of rows of a scene for a meaningful correlation within it."""


def judge_laboratories(
    regressor: SeiqaRegressor,
    X: Table,
    y: ArrayLike,
    groups: ArrayLike,
    collections: ArrayLike,
    *,
    n_jobs: int = 1,
    on_fit: Callable[[int, int], None] | None = None,
    on_left_out: Callable[[str], None] | None = None,
) -> list[Judged]:
    """The matrix trained-on × judged-on of several collections.

    Every collection is judged with a model of each collection, including itself, and, if there are
    more than two, with one of all others together, also scored as each of them. No judged scene is
    ever trained on: if the training collections share scenes with the judged one, as many models
    are fitted as the regressor has folds, each without the scenes of one fold.

    Parameters
    ----------
    regressor : SeiqaRegressor
        Not changed; clones of it are fitted. Their scores are on the scale of the largest
        collection that they learn from; the regressor's own ``scale`` and ``label_range``
        are ignored.
    X, y, groups
        As for `SeiqaRegressor.fit`. A scene must have the same group in all collections.
    collections : array-like of str [n]
        Name of the collection of each row.
    n_jobs : int
        Number of parallel fits.
    on_fit : callable, optional
        Called with (fits done, fits in all).
    on_left_out : callable, optional
        Called with one line for each cell that is left out, because its training collections cannot
        be learned from without the others: which it is, and why.

    Returns
    -------
    list of Judged
        Sorted by judged collection, then by training collections, all others together last.

    Raises
    ------
    TableError
        There are fewer than two collections, or one cannot be judged.
    """
    table, _ = check_training_table(
        frame_of(X), y, groups, collections=collections
    ).in_canonical_order()
    names = np.unique(np.asarray(collections).astype(str)).tolist()
    if len(names) < 2:
        raise TableError(f"there is only the collection {names[0]}: two or more are needed")
    worker = clone(regressor).set_params(
        scale=None, label_range=None, n_jobs=1 if n_jobs > 1 else regressor.n_jobs
    )
    wanted = _wanted(len(names))
    folds = [_folds(table, learned, judged, worker) for learned, judged in wanted]
    tasks = [
        delayed(_predicted)(_on_one_scale(worker, table, names, learned), table, fold)
        for (learned, _), parts in zip(wanted, folds, strict=True)
        for fold in parts
    ]
    waiting = iter(run_counted(tasks, len(tasks), n_jobs, on_fit))
    found = []
    for (learned, judged), parts in zip(wanted, folds, strict=True):
        said = [next(waiting) for _ in parts]
        trained = [names[code] for code in learned]
        refused = [part for part in said if isinstance(part, str)]
        if not refused:
            rows = np.concatenate([test for _, test in parts])
            found += _judge_cell(table, names, trained, names[judged], rows, pd.concat(said))
        elif on_left_out is not None:
            on_left_out(f"{names[judged]} from {' and '.join(trained)}: {refused[0]}")
    return found


def _judge_cell(
    table: TrainingTable,
    names: list[str],
    trained: list[str],
    judged: str,
    rows: Rows,
    scores: pd.DataFrame,
) -> list[Judged]:
    """The scores [rows] of one cell, as all collections have in common, then as each of them."""
    return [
        judge(
            trained, judged, table.y[rows], scores[scored_as or _COMMON].to_numpy(),
            table.groups[rows], scored_as,
        )
        for scored_as in [None, *(name for name in names if name in scores)]
    ]  # fmt: skip


def _wanted(count: int) -> list[tuple[tuple[int, ...], int]]:
    """(codes trained on, code judged) of each cell."""
    cells: list[tuple[tuple[int, ...], int]] = []
    for judged in range(count):
        cells += [((learned,), judged) for learned in range(count)]
        if count > 2:
            cells.append((tuple(code for code in range(count) if code != judged), judged))
    return cells


def _folds(
    table: TrainingTable, learned: tuple[int, ...], judged: int, regressor: SeiqaRegressor
) -> list[Fold]:
    """Rows to train on and rows to judge, without a scene in common."""
    known, asked = np.isin(table.laboratories, learned), table.laboratories == judged
    if not np.isin(table.groups[asked], table.groups[known]).any():
        return [(np.flatnonzero(known), np.flatnonzero(asked))]
    by_scene = make_folds(table.groups, n_splits=regressor.n_splits, seed=regressor.random_state)
    parts = [(train[known[train]], test[asked[test]]) for train, test in by_scene]
    return [(train, test) for train, test in parts if len(test)]


def _on_one_scale(
    regressor: SeiqaRegressor, table: TrainingTable, names: list[str], learned: tuple[int, ...]
) -> SeiqaRegressor:
    """The regressor with a scale that is the same in all folds, whichever rows they leave."""
    sizes = [int((table.laboratories == code).sum()) for code in learned]
    scale = names[learned[int(np.argmax(sizes))]] if len(learned) > 1 else None
    fixed: SeiqaRegressor = clone(regressor).set_params(scale=scale)
    return fixed


def _predicted(regressor: SeiqaRegressor, table: TrainingTable, fold: Fold) -> pd.DataFrame | str:
    """Scores of a fold's judged rows by a model of its training rows, for each way to score.

    If they cannot be learned from, the reason is returned: the other cells are not lost by it.
    """
    train, test = table.take(fold[0]), table.X.iloc[fold[1]]
    fresh: SeiqaRegressor = clone(regressor)
    try:
        fresh.fit(train.X, train.y, train.groups, collections=train.named_collections)
    except TableError as error:
        return str(error)
    own = {name: fresh.predict(test, name) for name in fresh.collections_}
    return pd.DataFrame({_COMMON: fresh.predict(test), **own})


def judge_each(table: TrainingTable, held_out: pd.DataFrame) -> list[Judged]:
    """Each of several collections by a model of all, from predictions with its scenes left out.

    Parameters
    ----------
    table : TrainingTable
        Of n rows; with fewer than two collections nothing is judged.
    held_out : DataFrame [n]
        ``score``, and ``as_itself``, scores as the row's own collection.
    """
    found = []
    for code, name in enumerate(table.names if len(table.names) > 1 else ()):
        rows = np.flatnonzero(table.laboratories == code)
        for column, scored_as in (("score", None), ("as_itself", name)):
            score = held_out[column].to_numpy()[rows]
            found.append(
                judge(table.names, name, table.y[rows], score, table.groups[rows], scored_as)
            )
    return found


def judge(
    trained_on: Sequence[str],
    judged_on: str,
    label: FloatVector,
    score: FloatVector,
    scenes: Rows,
    scored_as: str | None = None,
) -> Judged:
    """The figures of scores of rows [n] whose scenes took no part in training."""
    return Judged(
        trained_on=tuple(trained_on),
        judged_on=judged_on,
        scored_as=scored_as,
        n=len(label),
        scenes=len(np.unique(scenes)),
        srocc=srocc(label, score),
        within=_within(label, score, scenes),
        plcc=plcc(label, monotone_mapped(score, label)),
    )


def _within(label: FloatVector, score: FloatVector, scenes: Rows) -> float:
    inside = [scenes == scene for scene in np.unique(scenes)]
    found = [srocc(label[rows], score[rows]) for rows in inside if rows.sum() >= MIN_WITHIN]
    return float(np.mean(found)) if found else float("nan")


def monotone_mapped(score: ArrayLike, label: ArrayLike) -> FloatVector:
    """Map scores to the labels' scale by the best-fitting increasing logistic function.

    The curve is low + (high - low) · σ((score - middle) / width), fitted by least squares. If all
    scores are equal, they are left unchanged. Returns float64 [n].
    """
    s, y = np.asarray(score, np.float64), np.asarray(label, np.float64)
    spread = float(s.std())
    if spread == 0:
        return s

    def curve(values: FloatVector) -> FloatVector:
        low, rise, middle, width = values
        return np.asarray(low + rise * expit((s - middle) / width))

    begin = np.array([y.min(), np.ptp(y) or 1.0, s.mean(), spread])
    least, most = np.full(4, -np.inf), np.full(4, np.inf)
    least[1], least[3] = 0.0, 0.05 * spread
    return curve(least_squares(lambda values: curve(values) - y, begin, bounds=(least, most)).x)
