"""Two baselines that a useful stack has to beat: a single feature, and file order."""

from __future__ import annotations

import numpy as np

from seiqa_models.core.arrays import FloatVector
from seiqa_models.core.checks import TrainingTable
from seiqa_models.core.columns import split_columns
from seiqa_models.core.metrics import plcc, srocc
from seiqa_models.stack.preparation import Preparation

_NEIGHBOURS = 5


def best_single(train: TrainingTable, test: TrainingTable) -> tuple[FloatVector, str | None]:
    """The scalar with the largest training |SROCC|, mapped linearly to the training labels.

    Returns
    -------
    prediction : float64 [rows of test]
        Increases with the label, whether the feature itself is a similarity or a distance.
    name : str or None
        The chosen column; None if no scalar varies, in which case the mean label is predicted.
    """
    scalars, _ = split_columns(train.X)
    preparation = Preparation()
    values = preparation.fit_transform(train.X[scalars], train.y)
    mean = train.y.mean()
    if values.shape[1] == 0:
        return np.full(len(test.y), mean), None
    correlations = [srocc(train.y, column) for column in values.T]
    best = int(np.argmax(np.abs(correlations)))
    column = values[:, best]
    slope = abs(plcc(train.y, column)) * np.sign(correlations[best]) * train.y.std() / column.std()
    held_out = preparation.transform(test.X[scalars])[:, best]
    return mean + slope * (held_out - column.mean()), preparation.columns_[best]


def index_only(train: TrainingTable, test: TrainingTable) -> FloatVector:
    """`neighbour_mean` of training rows at the test rows, float64 [rows of test].

    Raises
    ------
    ValueError
        A table has no file order.
    """
    if train.order is None or test.order is None:
        raise ValueError("index_only needs the file order of both parts")
    return neighbour_mean(train.order, train.y, test.order)


def neighbour_mean(order: FloatVector, y: FloatVector, at: FloatVector) -> FloatVector:
    """Mean label of the 5 rows nearest in file order to each position in ``at``, float64 [m].

    ``order`` and ``y`` float64 [n] are the rows' positions and labels, ``at`` is float64 [m]. No
    picture is used, so the score shows how much neighbouring files reveal about each other.
    """
    by_order = np.argsort(order, kind="stable")
    window = np.searchsorted(order[by_order], at)[:, None] + np.arange(-_NEIGHBOURS, _NEIGHBOURS)
    inside = (window >= 0) & (window < len(order))
    rows = by_order[window.clip(0, len(order) - 1)]
    distance = np.where(inside, np.abs(at[:, None] - order[rows]), np.inf)
    nearest = np.argsort(distance, axis=1, kind="stable")[:, : min(_NEIGHBOURS, len(order))]
    return np.asarray(np.take_along_axis(y[rows], nearest, axis=1).mean(axis=1))
