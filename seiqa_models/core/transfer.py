"""Folds that hold out a kind of distortion and reference images at the same time.

A user's pictures differ from the training set's in both. Folds by reference alone still show the
learners every kind of distortion, and promise more than a new kind will get.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from seiqa_models.core.arrays import Rows
from seiqa_models.core.canonical import codes_of
from seiqa_models.core.checks import MIN_ROWS_TO_FIT
from seiqa_models.core.errors import KindsError
from seiqa_models.core.splits import Fold

MAX_KINDS = 60
"""Each kind costs at least one fit; a column with more distinct values hardly holds kinds."""

_AFFORDABLE = 12
"""Fits that are affordable: twice those of the ordinary estimate, 5 folds and the final fit. What
a new kind costs differs more from kind to kind than from fold to fold, so every kind is held out
at least once, whatever their number, and more folds of each only as far as these fits go. On the
6 kinds of 288 TID2013 pairs the interval of final is .42 wide after 6 fits, .14 after 12 and .09
after 30."""


def transfer_folds(folds: list[Fold], kinds: ArrayLike) -> list[Fold]:
    """Leave one kind out, and the references of one fold with it.

    A fold's held-out rows are those of one kind in one of the given folds; it is trained on the
    rows that are neither of that kind nor in that fold. All (kind, fold) cells would cost
    kinds × folds fits. So each kind meets every fold only where that is 12 fits or fewer, and
    otherwise a few of the folds that have it, at least one, the next kind going on where it
    stopped.

    Parameters
    ----------
    folds : list of (train, test)
        By reference, as `seiqa_models.core.splits.make_folds` makes them.
    kinds : array-like [n]
        Kind of distortion of each row: text or numbers.

    Returns
    -------
    list of (train, test)
        Sorted row positions, by kind in the order of their names. A row is held out at most once.

    Raises
    ------
    KindsError
        A row has no kind, or there are fewer than 2 or more than 60 kinds.
    """
    codes, names = codes_of(kinds)
    n_rows = sum(len(test) for _, test in folds)
    if len(codes) != n_rows:
        raise KindsError(f"kinds have {len(codes)} values, the table has {n_rows} rows")
    if (codes < 0).any():
        raise KindsError(f"{int((codes < 0).sum())} rows have no kind: every row needs one")
    if not 2 <= len(names) <= MAX_KINDS:
        raise KindsError(
            f"there are {len(names)} kinds, expected 2 to {MAX_KINDS}: to leave out one kind of "
            "distortion, give a column with a few kinds that repeat"
        )
    each = max(1, _AFFORDABLE // len(names))
    cells = []
    for code in range(len(names)):
        of_kind = codes == code
        having = [fold for fold in folds if of_kind[fold[1]].any()]
        turns = range(code * each, code * each + min(each, len(having)))
        cells += [_cell(having[turn % len(having)], of_kind) for turn in turns]
    return [cell for cell in cells if len(cell[0])]


def unseen_folds(folds: list[Fold], kinds: Rows | None, *, seed: int) -> list[Fold]:
    """The same number of folds, each of which also holds out a share of the kinds.

    Cheap enough for the inside of a fit, where it matters how learners do on new kinds, and not on
    which.

    Parameters
    ----------
    folds : list of (train, test)
        By reference, or by block.
    kinds : int [n], optional
        Code of every row's kind, from 0; without kinds there are no folds.
    seed : int
        Seed of the kinds' assignment to folds.

    Returns
    -------
    list of (train, test)
        Sorted row positions. A row is held out at most once; folds that hold out nothing, or
        leave too little to learn from, are left out.
    """
    if kinds is None:
        return []
    shuffled = np.random.default_rng(seed).permutation(int(kinds.max()) + 1)
    turn = shuffled[kinds] % len(folds)
    cells = [_cell(fold, turn == number) for number, fold in enumerate(folds)]
    return [cell for cell in cells if len(cell[0]) >= MIN_ROWS_TO_FIT and len(cell[1])]


def _cell(fold: Fold, of_kind: np.typing.NDArray[np.bool_]) -> Fold:
    train, test = fold
    return train[~of_kind[train]], test[of_kind[test]]
