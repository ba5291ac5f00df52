"""Constructed orders: pairs of unlabelled rows of which one is known to be better.

Some orders hold by construction: erased content is worse than content shifted by a pixel, and
nothing is better than a copy. Learners need numbers, not orders, so each row gets a target: the
prediction of a model fitted on the labels alone, moved only as far as its orders require (the
projection onto them, by Hildreth's method: A quadratic programming procedure, Naval Research
Logistics Quarterly 4, 1957). Rows at an end of the scale get that end as target. These targets are
not labels: nothing is ever measured against them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from seiqa_models.core.arrays import FloatVector, Rows
from seiqa_models.core.columns import split_columns
from seiqa_models.core.errors import TableError

MARGIN = 0.25
"""Required lead of the better row of an order, in standard deviations of the labels."""

_SWEEPS = 200

_PRECISE = 1e-3
"""Tolerance as a share of the margin: iteration stops when a sweep moves no row by more."""


@dataclass(frozen=True)
class Orders:
    """Unlabelled rows and the orders among them.

    Attributes
    ----------
    X : DataFrame [m, columns]
        Features, named as those of the labelled rows; any index.
    groups, donors : array [m]
        The two groups whose pictures make up a row, named as in the labelled rows: the row is used
        only where both groups are. ``donors`` repeats ``groups`` where there is no second one.
    above, below : int [orders]
        Positions of the better and of the worse row of each order.
    ends : int [m]
        1 for a row at the top of the scale, -1 for one at its bottom, 0 for the others.
    """

    X: pd.DataFrame
    groups: np.typing.NDArray[Any]
    donors: np.typing.NDArray[Any]
    above: Rows
    below: Rows
    ends: Rows

    def take(self, rows: Rows) -> Orders:
        """The given rows, by position, and the orders among them."""
        place = np.full(len(self.X), -1)
        place[rows] = np.arange(len(rows))
        above, below = place[self.above], place[self.below]
        kept = (above >= 0) & (below >= 0)
        return Orders(
            self.X.iloc[rows],
            self.groups[rows],
            self.donors[rows],
            above[kept],
            below[kept],
            self.ends[rows],
        )

    def within(self, groups: np.typing.NDArray[Any]) -> Orders:
        """The rows made only of pictures of these groups."""
        known = np.isin(self.groups, groups) & np.isin(self.donors, groups)
        return self.take(np.flatnonzero(known))

    def beside(self, X: pd.DataFrame, names: np.typing.NDArray[Any]) -> Orders:
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
        return Orders(known_X, groups, donors, known.above, known.below, known.ends)

    def targets(
        self, predicted: FloatVector, scale: tuple[float, float], spread: float
    ) -> FloatVector:
        """Training targets of the rows, float64 [m].

        Parameters
        ----------
        predicted : float64 [m]
            Predictions of a model fitted on labels only.
        scale : (float, float)
            Lowest and highest possible score.
        spread : float
            Standard deviation of the labels.
        """
        low, high = scale
        margin = MARGIN * spread
        value = np.where(self.ends > 0, high, np.where(self.ends < 0, low, predicted)).tolist()
        pairs = list(zip(self.above.tolist(), self.below.tolist(), strict=True))
        pushed = [0.0] * len(pairs)
        for _ in range(_SWEEPS):
            furthest = 0.0
            for number, (above, below) in enumerate(pairs):
                step = max((margin - value[above] + value[below]) / 2, -pushed[number])
                pushed[number] += step
                value[above] += step
                value[below] -= step
                furthest = max(furthest, abs(step))
            if furthest <= _PRECISE * margin:
                break
        inner = np.clip(value, low + margin, high)
        return np.where(self.ends > 0, high, np.where(self.ends < 0, low, inner))
