"""Whether labels and groups can be learned from at all, checked before any feature is computed.

A nested estimate would fail in some fold, hours later, with a message about a part that the user
never sees ("the table has 3 labelled rows"). Here the same folds are made in advance, and problems
with them are reported for the whole table.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from seiqa_models.core.arrays import FloatVector, Rows
from seiqa_models.core.canonical import codes_of
from seiqa_models.core.checks import (
    MIN_GROUPS_TO_EVALUATE,
    MIN_GROUPS_TO_FIT,
    MIN_ROWS_TO_EVALUATE,
    MIN_ROWS_TO_FIT,
    require_groups,
)
from seiqa_models.core.errors import TableError
from seiqa_models.core.splits import make_folds

FAR, FEW = 100.0, 0.1
"""Labels further than `FAR` times the others' spread from them, and at most the share `FEW` of all,
are typing errors or codes for "none": 1e9 or -999 among labels of 0 to 5."""


def require_labels(labels: ArrayLike, names: Sequence[str]) -> None:
    """Refuse labels from which nothing can be learned.

    Parameters
    ----------
    labels : array-like of float [n]
    names : sequence of str [n]
        What messages call the rows.

    Raises
    ------
    TableError
        There are fewer than 10, one is not finite, all are equal, or a few are far from the rest.
    """
    y = np.asarray(labels, dtype=np.float64)
    finite = np.isfinite(y)
    if not finite.all():
        first = int(np.argmin(finite))
        raise TableError(
            f"label {y[first]:g} of {names[first]} is not finite: correct it or leave the row out"
        )
    if len(y) < MIN_ROWS_TO_EVALUATE:
        raise TableError(
            f"there are {len(y)} labelled rows for training, at least {MIN_ROWS_TO_EVALUATE} are"
            " needed: add labelled pairs"
        )
    if np.ptp(y) == 0:
        raise TableError(f"every label is {y[0]:g}: nothing can be learned from one value")
    far = _far_from_the_rest(y)
    if far.any():
        first, rest = int(np.argmax(far)), y[~far]
        others = f" and {int(far.sum()) - 1} more" if far.sum() > 1 else ""
        raise TableError(
            f"label {y[first]:g} of {names[first]}{others} is far from the other {len(rest)}, which"
            f" lie in {rest.min():g} to {rest.max():g}: correct it or leave the row out"
        )


def require_folds(
    labels: ArrayLike,
    groups: ArrayLike,
    order: ArrayLike | None = None,
    *,
    names: Sequence[object],
    n_splits: int,
    seed: int,
) -> int:
    """Refuse groups that cannot be divided into folds with usable training parts.

    Parameters
    ----------
    labels : array-like of float [n]
    groups, order, n_splits, seed
        As for `seiqa_models.core.splits.make_folds`.
    names : sequence [n]
        What messages call the rows.

    Returns
    -------
    int
        Number of rows in the smallest part that a learner is fitted to (an inner fold of an outer
        one).

    Raises
    ------
    TableError
        There are fewer than 3 groups, or without some fold there are too few rows or groups, or all
        labels are equal.
    """
    y = np.asarray(labels, dtype=np.float64)
    codes, _ = codes_of(groups)
    require_groups(codes, MIN_GROUPS_TO_EVALUATE)
    position = None if order is None else np.asarray(order, dtype=np.float64)
    smallest = len(y)
    for train, test in make_folds(codes, position, n_splits=n_splits, seed=seed):
        why = _why_not(y[train], codes[train])
        if why is not None:
            raise TableError(_uneven(codes, names, len(test), n_splits, why))
        inner = make_folds(
            codes[train],
            None if position is None else position[train],
            n_splits=n_splits,
            seed=seed,
        )
        smallest = min(smallest, *(len(part) for part, _ in inner))
    return smallest


def _why_not(y: FloatVector, groups: Rows) -> str | None:
    """The reason why a training part cannot be learned from."""
    n_groups = len(np.unique(groups))
    if len(y) < MIN_ROWS_TO_FIT:
        return f"{len(y)} rows to learn from, and {MIN_ROWS_TO_FIT} are needed"
    if n_groups < MIN_GROUPS_TO_FIT:
        return f"{n_groups} group to learn from, and {MIN_GROUPS_TO_FIT} are needed"
    if np.ptp(y) == 0:
        return f"rows that all have the label {y[0]:g}"
    return None


def _uneven(codes: Rows, names: Sequence[object], held_out: int, n_splits: int, why: str) -> str:
    sizes = np.bincount(codes)
    largest = int(np.argmax(sizes))
    if 2 * sizes[largest] > len(codes):
        first = names[int(np.argmax(codes == largest))]
        whose = f"{sizes[largest]} of {len(codes)} rows are in one group (that of {first})"
    else:
        whose = f"{len(codes)} rows with {len(sizes)} groups"
    return (
        f"{whose}: {len(sizes)} groups are too uneven for {n_splits} folds. With {held_out} rows"
        f" held out there are only {why}; add pairs of other references"
    )


def _far_from_the_rest(y: FloatVector) -> np.typing.NDArray[np.bool_]:
    """Labels beyond the largest gap, where it is `FAR` times the spread of the larger side."""
    found = np.zeros(len(y), dtype=bool)
    while True:
        kept = np.sort(y[~found])
        gaps = np.diff(kept)
        at = int(np.argmax(gaps)) + 1
        below = 2 * at < len(kept)  # the smaller side
        many = kept[at:] if below else kept[:at]
        few = len(kept) - len(many) <= FEW * len(kept)
        if not few or gaps[at - 1] <= FAR * np.ptp(many) or np.ptp(many) == 0:
            return found
        found |= (y < many[0]) | (y > many[-1])
