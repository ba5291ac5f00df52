"""Folds that keep groups whole: by group, or by contiguous blocks of file order."""

from __future__ import annotations

from collections.abc import Sequence
from numbers import Integral

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from seiqa_models.core.arrays import FloatVector, Rows
from seiqa_models.core.canonical import codes_of
from seiqa_models.core.errors import TableError

Fold = tuple[Rows, Rows]
"""Training rows and held-out rows of one fold, each sorted."""


def make_folds(
    groups: ArrayLike, order: ArrayLike | None = None, *, n_splits: int, seed: int
) -> list[Fold]:
    """Split rows into folds without ever splitting a group.

    Parameters
    ----------
    groups : array-like [n]
        Rows with the same value stay together (usually the reference image).
    order : array-like of float [n], optional
        Position in file order. If given, groups are sorted by their median position and cut into
        contiguous runs, for data whose neighbours are similar; ``seed`` then has no effect.
        Otherwise groups are assigned at random, balanced by number of rows.
    n_splits : int
        Requested number of folds; fewer are made if there are fewer groups or, with ``order``, if
        one group is larger than a fold.
    seed : int
        Seed of the random assignment.

    Returns
    -------
    list of (train, test)
        Sorted row positions; each row is held out exactly once.

    Raises
    ------
    TableError
        Fewer than 2 groups.
    """
    if not isinstance(n_splits, Integral) or n_splits < 2:
        raise ValueError(f"n_splits is {n_splits!r}, expected a whole number of at least 2")
    codes, names = codes_of(groups)
    sizes = np.bincount(codes, minlength=len(names))
    if len(names) < 2:
        raise TableError("all rows are in one group: at least 2 groups are needed to split them")
    n_folds = min(n_splits, len(names))
    if order is None:
        fold_of_group = _dealt(sizes, n_folds, seed)
    else:
        fold_of_group = _contiguous(sizes, codes, np.asarray(order, dtype=np.float64), n_folds)
    return _folds(fold_of_group[codes])


def spread_folds(
    groups: Rows,
    collections: Rows,
    order: FloatVector | None = None,
    *,
    first: int,
    n_splits: int,
    seed: int,
) -> list[Fold]:
    """Folds that keep groups whole, over which the groups of every collection are spread.

    No fold then holds all of a collection, unless that is a single group or shares all of its
    groups with others.

    Parameters
    ----------
    groups, collections : int [n]
        Codes from 0. A group may be in several collections.
    order, n_splits, seed
        As for `make_folds`.
    first : int
        The collection whose groups are dealt first.
    """
    fold_of_group = np.full(int(groups.max()) + 1, -1)
    for code in [first, *(code for code in np.unique(collections) if code != first)]:
        free = (collections == code) & (fold_of_group[groups] < 0)
        there = groups[free]
        if len(np.unique(there)) < 2:
            fold_of_group[there] = 0
            continue
        place = None if order is None else order[free]
        for fold, (_, test) in enumerate(make_folds(there, place, n_splits=n_splits, seed=seed)):
            fold_of_group[there[test]] = fold
    return _folds(fold_of_group[groups])


def laboratory_folds(folds: list[Fold], groups: Rows, collections: Rows) -> list[Fold]:
    """Leave each collection out, and the groups that it shares with others.

    Parameters
    ----------
    folds : list of (train, test)
        By group.
    groups, collections : int [n]
        Codes from 0.

    Returns
    -------
    list of (train, test)
        Every row is held out once, by rows of other collections. A collection that shares no group
        takes one fold, others one for each of those given. Folds that leave no training rows are
        dropped.
    """
    cells = []
    for code in np.unique(collections):
        own = collections == code
        if not np.isin(groups[own], groups[~own]).any():
            cells.append((np.flatnonzero(~own), np.flatnonzero(own)))
            continue
        cells += [(train[~own[train]], test[own[test]]) for train, test in folds]
    return [(train, test) for train, test in cells if len(train) and len(test)]


def fold_of_rows(folds: Sequence[Fold]) -> Rows:
    """Number of the fold that each row is held out in, int [n]; each must be in one."""
    fold_of_row = np.empty(sum(len(test) for _, test in folds), dtype=np.int64)
    for number, (_, test) in enumerate(folds):
        fold_of_row[test] = number
    return fold_of_row


def describe_folds(folds: list[Fold], order: ArrayLike | None = None) -> str:
    """A description of the split for reports; ``order`` as for `make_folds`."""
    if order is None:
        return f"{len(folds)} folds by group"
    return f"{len(folds)} contiguous blocks of file order, groups kept together"


def _folds(fold_of_row: Rows) -> list[Fold]:
    return [
        (np.flatnonzero(fold_of_row != fold), np.flatnonzero(fold_of_row == fold))
        for fold in np.unique(fold_of_row)
    ]


def _dealt(sizes: Rows, n_folds: int, seed: int) -> Rows:
    """Fold of each group: largest first, always into the fold with the fewest rows so far."""
    shuffled = np.random.default_rng(seed).permutation(len(sizes))
    largest_first = shuffled[np.argsort(-sizes[shuffled], kind="stable")]
    rows_in_fold = np.zeros(n_folds, dtype=np.intp)
    fold_of_group = np.empty(len(sizes), dtype=np.intp)
    for group in largest_first:
        fold = int(np.argmin(rows_in_fold))
        fold_of_group[group] = fold
        rows_in_fold[fold] += sizes[group]
    return fold_of_group


def _contiguous(sizes: Rows, codes: Rows, order: FloatVector, n_folds: int) -> Rows:
    """Fold of each group: the n_folds-th part of all rows that the group's middle row falls in.

    There are at least two folds: the middle of the first group is in the first half of the rows,
    and that of the last group comes at least half of all rows later.
    """
    median = pd.Series(order).groupby(codes).median().to_numpy()
    by_position = np.argsort(median, kind="stable")
    middle = np.cumsum(sizes[by_position]) - sizes[by_position] / 2
    fold_of_group = np.empty(len(sizes), dtype=np.intp)
    fold_of_group[by_position] = np.floor(middle / len(codes) * n_folds)
    return fold_of_group
