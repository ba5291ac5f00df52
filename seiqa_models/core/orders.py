"""Constructed orders: unlabelled rows that show nothing of their reference, are edited, or neither.

That another picture, a flat colour or noise is worse than whatever still shows something of the
reference needs no human judgement, nor does a removed object being worse than a shift by a pixel.
A stack learns from such rows to tell the sorts apart (:mod:`seiqa_models.stack.unrelated`,
:mod:`seiqa_models.stack.edited`). They have no labels, and nothing is measured on them.
"""

from __future__ import annotations

from dataclasses import dataclass
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
    """

    X: pd.DataFrame
    groups: NDArray[Any]
    donors: NDArray[Any]
    gone: NDArray[np.bool_]
    edited: NDArray[np.bool_]

    def take(self, rows: Rows) -> Orders:
        """The given rows, by position."""
        parts = (part[rows] for part in (self.groups, self.donors, self.gone, self.edited))
        return Orders(self.X.iloc[rows], *parts)

    def within(self, groups: NDArray[Any]) -> Orders:
        """The rows made only of pictures of these groups."""
        known = np.isin(self.groups, groups) & np.isin(self.donors, groups)
        return self.take(np.flatnonzero(known))

    def beside(self, X: pd.DataFrame, names: NDArray[Any]) -> Orders:
        """Match labelled rows that have these columns and groups numbered by these names.

        Rows are sorted by index, so that no fit depends on their given order.

        Raises
        ------
        TableError
            A column is missing or is not a feature.
        """
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
        return Orders(known_X, groups, donors, known.gone, known.edited)
