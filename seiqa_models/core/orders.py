"""Constructed orders: unlabelled rows that show nothing of their reference, are edited, or neither.

That another picture, a flat colour or noise is worse than whatever still shows something of the
reference needs no human judgement, nor does a removed object being worse than a shift by a pixel.
A stack learns from such rows to tell the sorts apart (:mod:`seiqa_models.stack.unrelated`,
:mod:`seiqa_models.stack.edited`), and its rankers learn which of two rows is above the other. They
have no labels, and nothing is measured on them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from seiqa_models.core.arrays import Rows
from seiqa_models.core.columns import split_columns
from seiqa_models.core.errors import TableError


@dataclass(frozen=True)
class Orders:
    """Unlabelled rows, and which of them are worse than others.

    Attributes
    ----------
    X : DataFrame [m, columns]
        Features, named as those of the labelled rows; any index.
    groups, donors : array [m]
        The two groups whose pictures make up a row, named as in the labelled rows: the row is used
        only where both groups are. ``donors`` repeats ``groups`` where there is no second one.
    gone : bool [m]
        Whether the row's degraded picture shows nothing of its reference.
    edited : bool [m]
        Whether a part of it was removed, covered, replaced, inserted or rewritten.
    pairs : int [k, 2]
        Positions of two rows of which the first must score higher; by default none is known.
    """

    X: pd.DataFrame
    groups: NDArray[Any]
    donors: NDArray[Any]
    gone: NDArray[np.bool_]
    edited: NDArray[np.bool_]
    pairs: NDArray[np.intp] = field(default_factory=lambda: np.empty((0, 2), dtype=np.intp))

    def take(self, rows: Rows) -> Orders:
        """The given rows, by position, and the pairs of which both are among them."""
        columns = self.groups, self.donors, self.gone, self.edited
        groups, donors, gone, edited = (column[rows] for column in columns)
        places = np.full(len(self.X), -1)
        places[rows] = np.arange(len(rows))
        pairs = places[self.pairs]
        both = (pairs >= 0).all(axis=1)
        return Orders(self.X.iloc[rows], groups, donors, gone, edited, pairs[both])

    def within(self, groups: NDArray[Any]) -> Orders:
        """The rows made only of pictures of these groups."""
        known = np.isin(self.groups, groups) & np.isin(self.donors, groups)
        return self.take(np.flatnonzero(known))

    def beside(self, X: pd.DataFrame, names: NDArray[Any]) -> Orders:
        """Match labelled rows that have these columns and groups numbered by these names.

        Rows and pairs are sorted, so that no fit depends on their given order.

        Raises
        ------
        TableError
            A column is missing or is not a feature, or a pair is not one of two rows.
        """
        outside = self.pairs[(self.pairs < 0) | (self.pairs >= len(self.X))]
        if len(outside):
            raise TableError(
                f"a pair of constructed orders names row {outside[0]}, expected 0 to"
                f" {len(self.X) - 1}"
            )
        if missing := [name for name in X.columns if name not in self.X.columns]:
            raise TableError(
                f"constructed orders lack column {missing[0]!r}: extract their features again"
            )
        known = self.within(names)
        known = known.take(np.argsort(known.X.index.astype(str), kind="stable"))
        known_X = known.X[list(X.columns)]
        split_columns(known_X)
        codes = {name: code for code, name in enumerate(names.tolist())}
        groups, donors = (
            np.array([codes[name] for name in some.tolist()], dtype=np.intp)
            for some in (known.groups, known.donors)
        )
        pairs = np.unique(known.pairs, axis=0)
        return Orders(known_X, groups, donors, known.gone, known.edited, pairs)
