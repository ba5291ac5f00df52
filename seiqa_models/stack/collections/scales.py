"""One scale for the labels of several collections: iterated nested least squares.

Laboratories use their own scales. What scores from one mean on the scale of another is inferred
from pictures that a common model considers equally good. Model and maps are fitted in turn, each
given the other (Pinson and Wolf, "An objective method for combining multiple subjective data sets",
SPIE 5150, 2003; ITU-T Recommendation J.149):

1. A model learns from the labels on the common scale, and predicts every row with its scene left
   out. In the first round it learns from the home collection alone.
2. A prediction p for the label y of a held-out row is shrunk towards the mean, so its expectation
   S(y) is not a straight line of slope 1. S is fitted on the home collection, whose labels are
   already on the common scale. The map m of another collection is then the one for which
   S(m(label)) is closest to the predictions in the least-squares sense. Because S applies to both
   sides, scales do not shrink: two halves of one collection are left unchanged.

A map is an increasing curve with two parameters (a line) or four. If the label of an undistorted
picture is known for both collections, the map takes one to the other.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from seiqa_models.core.arrays import FloatVector, Rows
from seiqa_models.core.checks import TrainingTable
from seiqa_models.core.errors import TableError
from seiqa_models.core.metrics import srocc
from seiqa_models.core.splits import Fold, spread_folds
from seiqa_models.stack.collections.misleading import TURN
from seiqa_models.stack.collections.scale_maps import ScaleMap, expectation, map_between, straight
from seiqa_models.stack.pool.fitted import Directions
from seiqa_models.stack.pool.fitting import predict_held_out

MIN_ROWS, MIN_SCENES = 20, 2
"""Minimum rows and scenes of a collection, needed for a map with four parameters."""

AGAINST, UNRELATED = -0.3, 0.3
"""SROCC of a collection's labels with predictions learned from the home collection: below the first
its scale is reversed, below the second the scales cannot be related."""

_MODEL = "gp"
"""The common model: smooth, accurate, and fitted in a second."""

_ROUNDS = 6
_SETTLED = 0.002
"""The maps have settled when no label moves by more than this share of the common scale."""


@dataclass(frozen=True)
class Scales:
    """Maps of all collections onto the scale of one of them.

    Attributes
    ----------
    home : int
        Code of the collection whose scale is the common one.
    maps : list of ScaleMap
        By code of the collection; that of ``home`` changes nothing.
    agreement : list of float
        SROCC of each collection's labels with the predictions of a model trained on other scenes of
        the home collection alone; for ``home`` itself, with scenes left out.
    rounds : int
        Number of iterations of model and maps.
    """

    home: int
    maps: list[ScaleMap]
    agreement: list[float]
    rounds: int

    def common(self, labels: FloatVector, collections: Rows) -> FloatVector:
        """The labels float64 [n] of rows from these collections [n], on the common scale."""
        scaled = np.array(labels, np.float64)
        for code, curve in enumerate(self.maps):
            if code != self.home:
                rows = collections == code
                scaled[rows] = curve(scaled[rows])
        return scaled


def fit_scales(
    table: TrainingTable,
    names: Sequence[str],
    home: int,
    *,
    anchors: Mapping[str, float] | None = None,
    n_splits: int = 5,
    random_state: int = 0,
    directions: Directions | None = None,
) -> Scales:
    """Find the maps that bring all collections of a table onto one scale.

    Parameters
    ----------
    table : TrainingTable
        In canonical order, with collections.
    names : sequence of str
        Of the collections, by code.
    home : int
        Code of the collection whose scale is to be the common one.
    anchors : mapping of str to float, optional
        Label of an undistorted picture by name of the collection, if known.
    n_splits, random_state, directions
        As for :class:`seiqa_models.stack.regressor.SeiqaRegressor`.

    Raises
    ------
    TableError
        A collection has too few rows or scenes, or its labels are constant, reversed relative to
        those of the home collection, or unrelated to them.
    """
    codes = table.laboratories
    require_enough(table.y, table.groups, codes, names)
    folds = spread_folds(
        table.groups, codes, table.order, first=home, n_splits=n_splits, seed=random_state
    )
    table = replace(table, kinds=None, orders=None)  # names of kinds differ between laboratories
    known = anchors or {}
    unchanged = straight(table.y[codes == home], table.y[codes == home])
    maps = [unchanged for _ in names]
    scaled, span, agreement = table.y, float(np.ptp(table.y[codes == home])), [0.0]
    for done in range(1, _ROUNDS + 1):
        learned = codes == home if done == 1 else np.full(len(codes), True)
        predicted = _held_out(replace(table, y=scaled), folds, learned, random_state, directions)
        if done == 1:
            agreement = _agreement(table.y, predicted, codes, names, home)
        expected = expectation(table.y[codes == home], predicted[codes == home])
        for code in range(len(names)):
            if code != home:
                rows = codes == code
                ends = (known.get(names[code]), known.get(names[home]))
                maps[code] = map_between(
                    table.y[rows], predicted[rows], table.groups[rows], expected, unchanged, ends
                )
        before, scaled = scaled, Scales(home, maps, agreement, done).common(table.y, codes)
        if done > 1 and float(np.abs(scaled - before).max()) <= _SETTLED * span:
            break
    return Scales(home, maps, agreement, done)


def require_enough(
    y: FloatVector, groups: Rows, collections: Rows, names: Sequence[str], when: str = ""
) -> None:
    """Check that the scale of every collection can be found.

    Parameters
    ----------
    y : float64 [n]
    groups, collections : int [n]
        Codes from 0.
    names : sequence of str
        Of the collections, by code.
    when : str
        Put before messages: of which rows the check is.

    Raises
    ------
    TableError
        One has too few rows or scenes, or its labels are constant.
    """
    for code, name in enumerate(names):
        rows = collections == code
        count, scenes = int(rows.sum()), len(np.unique(groups[rows]))
        if count < MIN_ROWS or scenes < MIN_SCENES:
            raise TableError(
                f"{when}collection {name} has {count} labelled rows of {scenes} scenes, at least"
                f" {MIN_ROWS} of {MIN_SCENES} are needed to find its scale: add pairs, or leave it"
                " out"
            )
        if np.ptp(y[rows]) == 0:
            raise TableError(
                f"collection {name}: every label is {y[rows][0]:g}, which says nothing about"
                " its scale: leave it out"
            )


def _held_out(
    table: TrainingTable,
    folds: list[Fold],
    learned: np.typing.NDArray[np.bool_],
    random_state: int,
    directions: Directions | None,
) -> FloatVector:
    """Predictions of every row by the common model, with the row's scene left out of training."""
    predicted = np.empty(len(table.y))
    for train, test in folds:
        fold = train[learned[train]], test
        found = predict_held_out(table, fold, [_MODEL], random_state, directions)
        predicted[test] = found[_MODEL].to_numpy()
    return predicted


def _agreement(
    labels: FloatVector, predicted: FloatVector, codes: Rows, names: Sequence[str], home: int
) -> list[float]:
    """SROCC of every collection's labels with the home collection's model.

    Raises
    ------
    TableError
        One is negative, or hardly positive.
    """
    found = []
    for code, name in enumerate(names):
        rows = codes == code
        found.append(srocc(labels[rows], predicted[rows]))
        told = f"collection {name}: SROCC {found[-1]:.2f} with what {names[home]} leads to expect"
        if code != home and found[-1] <= AGAINST:
            raise TableError(f"{told}, so its scale runs the other way: {TURN}")
        if code != home and found[-1] < UNRELATED:
            raise TableError(
                f"{told}, too little to bring it onto one scale: check its labels, or leave it out"
            )
    return found
