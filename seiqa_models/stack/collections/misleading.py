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
from seiqa_models.core.errors import TableError
from seiqa_models.core.metrics import srocc

TELLING = 0.2
"""Minimum |SROCC| of a column with the labels for a direction."""

TURN = "turn its labels, by the setting dmos or in a manifest by calling the column dmos"
"""What to do with a scale on which higher is worse."""

_STANDARD_ERRORS = 3
"""In few rows chance exceeds `TELLING`: the standard error of an SROCC is about 1 / √rows."""


_MOST = 0.75
"""If more than this share of the columns is reversed, it is the labels that are."""

Directions = dict[str, dict[str, float]]
"""By column and collection, SROCC with the labels; NaN where the column has no value. A collection
in which the column has no clear direction is left out."""


def directions_in(
    X: pd.DataFrame, y: FloatVector, collections: Rows, names: Sequence[str]
) -> Directions:
    """Directions of all scalar columns in each collection.

    Parameters
    ----------
    X : DataFrame [n, columns]
    y : float64 [n]
        Labels, each collection's on its own scale.
    collections : int [n]
        Codes from 0.
    names : sequence of str
        Of the collections, by code.
    """
    found: Directions = {}
    for column in split_columns(X)[0]:
        values = X[column].to_numpy(dtype=np.float64, na_value=np.nan)
        known, own = np.isfinite(values), {}
        for code, name in enumerate(names):
            rows = known & (collections == code)
            count = int(rows.sum())
            if not count:
                own[name] = float("nan")
                continue
            rho = srocc(y[rows], values[rows]) if count > 1 else 0.0
            if abs(rho) >= max(TELLING, _STANDARD_ERRORS / np.sqrt(count)):
                own[name] = rho
        found[column] = own
    return found


def require_one_direction(directions: Directions, names: Sequence[str], home: str) -> None:
    """Check that no collection's labels run against those of the home collection.

    Raises
    ------
    TableError
        In one, most columns have the opposite direction.
    """
    for name in names:
        pairs = {
            column: (own[home], own[name])
            for column, own in directions.items()
            if name != home and np.isfinite([own.get(home, np.nan), own.get(name, np.nan)]).all()
        }
        reversed_ = [column for column, (a, b) in pairs.items() if a * b < 0]
        if pairs and len(reversed_) > _MOST * len(pairs):
            a, b = pairs[reversed_[0]]
            raise TableError(
                f"collection {name}: {len(reversed_)} of {len(pairs)} feature columns follow its"
                f" labels in the opposite direction (SROCC of {reversed_[0]}: {a:+.2f} in {home},"
                f" {b:+.2f} in {name}), so its scale runs the other way: {TURN}"
            )


def misleading_columns(directions: Directions, names: Sequence[str]) -> dict[str, str]:
    """Columns with no value in a collection, or with opposite directions in two of them.

    Returns
    -------
    dict of str
        By column, its SROCC with the labels of each collection, or where it has no value.
    """
    found = {}
    for column, own in directions.items():
        absent = [name for name, rho in own.items() if np.isnan(rho)]
        if absent and len(absent) < len(names):
            found[column] = f"no value in {', '.join(absent)}"
        elif not absent and own and min(own.values()) < 0 < max(own.values()):
            found[column] = ", ".join(f"{rho:+.2f} in {name}" for name, rho in own.items())
    return found
