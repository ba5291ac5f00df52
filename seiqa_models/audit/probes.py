"""Probes of a data set: the scores of predictors that see only what should carry no information.

Most compare ways to hold out rows. If shuffled folds score higher than grouped or blocked ones, the
difference comes from leakage. In all functions, y and order are float64 [n], the label and the
position in file order of each row; groups are int codes [n].
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pandas as pd
from sklearn.ensemble import ExtraTreesRegressor

from seiqa_models.core.arrays import FloatVector, Rows
from seiqa_models.core.metrics import plcc, srocc
from seiqa_models.core.splits import Fold, make_folds
from seiqa_models.evaluation.baselines import neighbour_mean
from seiqa_models.stack.preparation import Preparation

BLOCK = 30
"""Consecutive files in one block of the blocked folds."""

_FOLDS = 5
_BINS = 10


def label_histogram(y: FloatVector) -> list[dict[str, float]]:
    """Number of labels per value, or in 10 equal bins if there are more than 10 values.

    Returns
    -------
    list of {"from": float, "to": float, "n": int}, ascending; the last bin includes its end.
    """
    values, counts = np.unique(y, return_counts=True)
    if len(values) <= _BINS:
        edges = [(float(value), float(value)) for value in values]
    else:
        counts, ends = np.histogram(y, _BINS)
        edges = [(float(a), float(b)) for a, b in pairwise(ends)]
    return [{"from": a, "to": b, "n": int(n)} for (a, b), n in zip(edges, counts, strict=True)]


def autocorrelation(y: FloatVector, order: FloatVector) -> float:
    """PLCC of each label with the next one in file order, in [-1, 1]."""
    in_order = y[np.argsort(order, kind="stable")]
    return plcc(in_order[:-1], in_order[1:])


def index_only(y: FloatVector, order: FloatVector, groups: Rows, *, seed: int) -> dict[str, float]:
    """SROCC of the mean label of the 5 nearest files, by type of fold.

    Returns
    -------
    dict
        ``shuffled`` rows, random ``grouped`` folds, ``blocked``: blocks of 30 consecutive files
        at random, and ``contiguous``: 5 runs of files. Only the last two keep neighbours apart.
    """
    position = np.argsort(np.argsort(order, kind="stable"), kind="stable")
    folds = {
        "shuffled": make_folds(position, n_splits=_FOLDS, seed=seed),
        "grouped": make_folds(groups, n_splits=_FOLDS, seed=seed),
        "blocked": make_folds(_blocks(position), n_splits=_FOLDS, seed=seed),
        "contiguous": make_folds(position, position, n_splits=_FOLDS, seed=seed),
    }
    return {name: _of_neighbours(y, order, found) for name, found in folds.items()}


def group_only(y: FloatVector, groups: Rows, *, seed: int) -> float:
    """SROCC, in [-1, 1], of the mean label of the group's other rows, with shuffled folds."""
    prediction = np.empty_like(y)
    for train, test in make_folds(np.arange(len(y)), n_splits=_FOLDS, seed=seed):
        means = pd.Series(y[train]).groupby(groups[train]).mean()
        prediction[test] = means.reindex(groups[test]).fillna(y[train].mean()).to_numpy()
    return srocc(y, prediction)


def features_by_split(
    X: pd.DataFrame, y: FloatVector, groups: Rows, order: FloatVector, *, seed: int
) -> dict[str, float]:
    """SROCC of a forest on the features with ``shuffled``, ``grouped`` and ``contiguous`` folds.

    Contiguous folds keep groups together.
    """
    rows = np.arange(len(y))
    return {
        "shuffled": _of_forest(X, y, rows, make_folds(rows, n_splits=_FOLDS, seed=seed), seed),
        "grouped": _of_forest(X, y, groups, make_folds(groups, n_splits=_FOLDS, seed=seed), seed),
        "contiguous": _of_forest(
            X, y, groups, make_folds(groups, order, n_splits=_FOLDS, seed=seed), seed
        ),
    }


def spread(order: FloatVector, groups: Rows) -> float:
    """Mean share of the files between a group's first and last file, 0 (adjacent) to 1."""
    position = pd.Series(order).rank(method="first")
    by_group = position.groupby(groups)
    return float((by_group.max() - by_group.min()).mean() / len(order))


def _blocks(position: Rows) -> Rows:
    """Index of each row's block of 30 files; with fewer than 60 files there are two blocks."""
    return position // min(BLOCK, -(-len(position) // 2))


def _of_neighbours(y: FloatVector, order: FloatVector, folds: list[Fold]) -> float:
    prediction = np.empty_like(y)
    for train, test in folds:
        prediction[test] = neighbour_mean(order[train], y[train], order[test])
    return srocc(y, prediction)


def _of_forest(
    X: pd.DataFrame, y: FloatVector, groups: Rows, folds: list[Fold], seed: int
) -> float:
    """SROCC of a forest, which memorises neighbours and duplicates quickly: all a probe needs."""
    prediction = np.empty_like(y)
    for train, test in folds:
        preparation = Preparation()
        values = preparation.fit_transform(X.iloc[train], y[train], groups[train])
        forest = ExtraTreesRegressor(50, max_features=0.3, random_state=seed)
        forest.fit(values, y[train])
        prediction[test] = forest.predict(preparation.transform(X.iloc[test]))
    return srocc(y, prediction)
