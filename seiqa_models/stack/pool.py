"""The pool: learners behind one preparation, fitted, and predicting rows they have not seen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from sklearn.dummy import DummyRegressor

from seiqa_models.core.arrays import FloatMatrix, FloatVector, Rows
from seiqa_models.core.checks import TrainingTable
from seiqa_models.core.splits import Fold
from seiqa_models.core.threads import one_core
from seiqa_models.learners.registry import kinds_argument, make_learner
from seiqa_models.plugins.calls import fit_named, predict_named
from seiqa_models.stack.preparation import Preparation


@dataclass(frozen=True)
class FittedPool:
    """A fitted preparation, and the learners fitted on what comes out of it, by name.

    Everything runs on one thread: the number of threads can change the last digit.
    """

    preparation: Preparation
    learners: dict[str, Any]

    def predict(self, X: pd.DataFrame) -> pd.DataFrame:
        """Each learner's predictions for the rows of a feature table, float64 [n, learners]."""
        with one_core():
            values = self.preparation.transform(X)
        return self.predict_prepared(values).set_axis(X.index)

    def predict_prepared(self, values: FloatMatrix) -> pd.DataFrame:
        """The same for rows that are prepared already, float64 [n, columns]."""
        with one_core():
            predictions = {
                name: predict_named(f"learner {name!r}", learner, values)
                for name, learner in self.learners.items()
            }
        return pd.DataFrame(predictions)


def fit_pool(
    table: TrainingTable, names: Sequence[str], random_state: int
) -> tuple[FittedPool, FloatMatrix]:
    """Fit preparation and learners; also the prepared rows, with cross-fitted meta-features.

    Raises
    ------
    ValueError
        A learner's name is unknown.
    """
    with one_core():
        preparation = Preparation()
        values = preparation.fit_transform(table.X, table.y, table.groups)
    y, kinds = table.y, table.kinds
    del table  # dense blocks taken for this fit alone go before the learners need memory
    learners = {name: fit_learner(name, values, y, random_state, kinds) for name in names}
    return FittedPool(preparation, learners), values


def fit_learner(
    name: str, values: FloatMatrix, y: FloatVector, random_state: int, kinds: Rows | None = None
) -> Any:
    """One learner of the pool, fitted to prepared rows [n, columns], their labels and any kinds.

    A small fold can be left with one label or no varying column: its mean is all there is.

    Raises
    ------
    LearnerError
        The learner raised anything.
    """
    if values.shape[1] == 0 or np.ptp(y) == 0:
        return DummyRegressor().fit(values, y)
    learner = make_learner(name, random_state=random_state)
    extra = kinds_argument(learner, kinds)
    with one_core():
        return fit_named(f"learner {name!r}", learner, values, y, **extra)


def predict_held_out(
    table: TrainingTable, fold: Fold, names: Sequence[str], random_state: int
) -> pd.DataFrame:
    """Fit a pool on the training rows of a fold and predict its held-out rows [test, learners]."""
    train, test = fold
    pool, _ = fit_pool(table.take(train), names, random_state)
    return pool.predict(table.X.iloc[test])
