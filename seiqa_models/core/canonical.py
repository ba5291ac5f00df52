"""One canonical order for the rows of a table, whatever order they arrive in.

Folds, seeds and sums depend on the order of rows. A table is therefore put into canonical order
before it is used: by group, then by label, file order and kind, and for ties by the content of the
features. Rows that are equal in all of these are interchangeable. A group's fold thus depends on
the groups' names and sizes and not on the features, so systems that read different features of the
same pairs are compared on the same folds.
"""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from seiqa_models.core.arrays import FloatVector, Rows
from seiqa_models.core.columns import dense_matrix, scalar_matrix, split_columns

_DIGEST_BYTES = 16


def codes_of(values: ArrayLike) -> tuple[Rows, np.typing.NDArray[Any]]:
    """Values as codes from 0 in the order of the values, and the distinct values.

    Parameters
    ----------
    values : array-like [n]
        Numbers, text or both; a missing value gets -1.

    Returns
    -------
    codes : int [n]
    names : array [different values]
        Sorted; values that cannot be compared, such as text and numbers, are sorted by type first.

    Examples
    --------
    >>> codes_of(["sea", "hill", "sea"])[0].tolist()
    [1, 0, 1]
    """
    # NumPy would convert the numbers in a list of text and numbers to text.
    listed = values if hasattr(values, "dtype") else np.asarray(values, dtype=object)
    codes, found = pd.factorize(np.asarray(listed))
    names = np.asarray(found)
    try:
        order = np.argsort(names, kind="stable")
    except TypeError:
        keys = [(type(name).__name__, repr(name)) for name in names]
        order = np.array(sorted(range(len(keys)), key=keys.__getitem__), dtype=np.intp)
    place = np.empty(len(names) + 1, dtype=np.intp)
    place[order], place[-1] = np.arange(len(names)), -1
    return place[codes], names[order]


def canonical_rows(
    X: pd.DataFrame,
    y: FloatVector,
    groups: Rows | None,
    order: FloatVector | None = None,
    kinds: Rows | None = None,
    collections: Rows | None = None,
) -> Rows:
    """Positions of the rows in canonical order.

    Parameters
    ----------
    X : DataFrame [n, columns]
        Columns sorted by name. Rows of equal content are ordered by the index, so that each
        keeps its own result.
    y : float64 [n]
    groups, kinds, collections : int [n], optional
        Codes that do not depend on the order of rows; see `codes_of`.
    order : float64 [n], optional
        File order.

    Returns
    -------
    int [n]
    """
    keys = [key for key in (groups, y, order, kinds, collections) if key is not None]
    rows = np.lexsort(keys[::-1])
    first = np.zeros(len(rows), dtype=bool)
    for key in keys:
        sorted_key = key[rows]
        first[1:] |= sorted_key[1:] != sorted_key[:-1]
    first[:1] = True
    run = np.cumsum(first)
    tied = np.flatnonzero(np.bincount(run)[run] > 1)
    if len(tied):
        digests = _digests(X.iloc[rows[tied]])
        labels = codes_of(X.index[rows[tied]])[0]
        rows[tied] = rows[tied][np.lexsort((labels, codes_of(digests)[0], run[tied]))]
    return rows


def _digests(X: pd.DataFrame) -> np.typing.NDArray[np.object_]:
    """A digest of each row's values, [n]."""
    scalars, blocks = split_columns(X)
    parts = [scalar_matrix(X, scalars), *(dense_matrix(X[name]) for name in blocks)]
    contiguous = [np.ascontiguousarray(part) for part in parts]
    digests = np.empty(len(X), dtype=object)
    for row in range(len(X)):
        content = hashlib.blake2b(digest_size=_DIGEST_BYTES)
        for part in contiguous:
            content.update(part[row])
        digests[row] = content.hexdigest()
    return digests
