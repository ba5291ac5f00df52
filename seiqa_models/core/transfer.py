"""Folds that hold out a kind of distortion and reference images at the same time.

A user's pictures differ from the training set in both. Folds by reference alone still show the
learners every kind of distortion, and overstate the performance on a new kind.
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
"""Each kind costs at least one fit; a column with more distinct values is unlikely to hold
kinds."""

_AFFORDABLE = 12
"""Affordable number of fits: twice those of the ordinary estimate, which takes 5 folds and the
final fit. The loss on a new kind varies more between kinds than between folds, so every kind is
held out at least once, whatever their number, and further folds of each only within this limit. On
the 6 kinds of 288 TID2013 pairs the interval of final is .42 wide after 6 fits, .14 after 12 and
.09 after 30."""


def transfer_folds(folds: list[Fold], kinds: ArrayLike) -> list[Fold]:
    """Leave one kind out, and the references of one fold with it.

    A fold's held-out rows are those of one kind in one of the given folds; its training rows are
    those neither of that kind nor in that fold. All (kind, fold) cells would cost kinds × folds
    fits. Each kind is therefore combined with every fold only if that takes at most 12 fits;
    otherwise with a few of the folds that contain it, at least one, and the next kind continues
    with the fold after those.

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
    """The same number of folds, each of which also holds out some of the kinds.

    Cheap enough for use within a fit, where the performance on new kinds in general matters, not on
    each kind.

    Parameters
    ----------
    folds : list of (train, test)
        By reference, or by block.
    kinds : int [n], optional
        Code of each row's kind, from 0; without kinds, no folds are returned.
    seed : int
        Seed for assigning kinds to folds.

    Returns
    -------
    list of (train, test)
        Sorted row positions. A row is held out at most once; folds that hold out nothing, or leave
        too little to learn from, are dropped.
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
