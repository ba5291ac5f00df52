"""Folds that hold out a kind of distortion and reference images at the same time.

A user's pictures differ from the training set's in both. Folds by reference alone still show the
learners every kind of distortion, and promise more than a new kind will get.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from seiqa_models.errors import TableError
from seiqa_models.splits import Fold

MAX_KINDS = 60
"""Every kind costs a fit at least; a column of more different values is hardly one of kinds."""

_AFFORDABLE = 30
"""Fits that are spent gladly; with more kinds than that, it is one fit for each."""


def transfer_folds(folds: list[Fold], kinds: ArrayLike) -> list[Fold]:
    """Leave one kind out, and the references of one fold with it.

    A fold's held-out rows are those of one kind in one of the given folds; it is trained on the
    rows that are neither of that kind nor in that fold. All (kind, fold) cells would cost
    kinds × folds fits. So each kind meets every fold only where that is 30 fits or fewer, and
    otherwise a few folds, at least one, the next kind going on where it stopped.

    Parameters
    ----------
    folds : list of (train, test)
        By reference, as :func:`seiqa_models.splits.make_folds` makes them.
    kinds : array-like [n]
        Kind of distortion of each row: text or numbers.

    Returns
    -------
    list of (train, test)
        Sorted row positions, by kind in order of appearance. A row is held out at most once.

    Raises
    ------
    TableError
        A row has no kind, or there are fewer than 2 or more than 60 kinds.
    """
    codes, names = pd.factorize(np.asarray(kinds))
    n_rows = sum(len(test) for _, test in folds)
    if len(codes) != n_rows:
        raise TableError(f"kinds have {len(codes)} values, the table has {n_rows} rows")
    if (codes < 0).any():
        raise TableError(f"{int((codes < 0).sum())} rows have no kind: every row needs one")
    if not 2 <= len(names) <= MAX_KINDS:
        raise TableError(
            f"there are {len(names)} kinds, expected 2 to {MAX_KINDS}: leaving one kind of "
            "distortion out takes a column with a few kinds that repeat"
        )
    each = min(len(folds), max(1, _AFFORDABLE // len(names)))
    cells = [
        (code, (code * each + k) % len(folds)) for code in range(len(names)) for k in range(each)
    ]
    held_out = [_cell(folds[fold], codes == code) for code, fold in cells]
    return [cell for cell in held_out if len(cell[0]) and len(cell[1])]


def _cell(fold: Fold, of_kind: np.typing.NDArray[np.bool_]) -> Fold:
    train, test = fold
    return train[~of_kind[train]], test[of_kind[test]]
