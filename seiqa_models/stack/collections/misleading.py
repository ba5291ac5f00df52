"""Columns that do not carry over from one collection to another.

More of such a column is better in one collection and worse in another: a measure of energy rises
with added noise and falls with blur, so that its direction depends on which kinds a collection has.
What it says in one laboratory misleads in the next, however useful it is at home. So does a column
that has no value in one of them.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from seiqa_models.core.arrays import FloatVector, Rows
from seiqa_models.core.columns import split_columns
from seiqa_models.core.metrics import srocc

TELLING = 0.2
"""Minimum |SROCC| of a column with the labels for a direction."""

_STANDARD_ERRORS = 3
"""In few rows chance exceeds `TELLING`: the standard error of an SROCC is about 1 / √rows."""


def misleading_columns(
    X: pd.DataFrame, y: FloatVector, collections: Rows, names: Sequence[str]
) -> dict[str, str]:
    """Scalar columns with no value in a collection, or with opposite directions in two of them.

    Parameters
    ----------
    X : DataFrame [n, columns]
    y : float64 [n]
        Labels, each collection's on its own scale.
    collections : int [n]
        Codes from 0.
    names : sequence of str
        Of the collections, by code.

    Returns
    -------
    dict of str
        By column, its SROCC with the labels of each collection, or where it has no value.
    """
    scalars, _ = split_columns(X)
    found = {}
    for column in scalars:
        values = X[column].to_numpy(dtype=np.float64, na_value=np.nan)
        known = np.isfinite(values)
        alike, told = [], []
        absent = [name for code, name in enumerate(names) if not known[collections == code].any()]
        if absent and known.any():
            found[column] = f"no value in {', '.join(absent)}"
            continue
        for code, name in enumerate(names):
            rows = known & (collections == code)
            count = int(rows.sum())
            own = srocc(y[rows], values[rows]) if count > 1 else 0.0
            if abs(own) >= max(TELLING, _STANDARD_ERRORS / np.sqrt(max(count, 1))):
                alike.append(own)
                told.append(f"{own:+.2f} in {name}")
        if alike and min(alike) < 0 < max(alike):
            found[column] = ", ".join(told)
    return found
