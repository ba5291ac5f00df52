"""SeiqaRegressor: RidgeMeta → pool of learners → bounded fusion → calibration, one regressor."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from joblib import Parallel, delayed
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.dummy import DummyRegressor
from sklearn.utils.validation import check_is_fitted
from threadpoolctl import threadpool_limits

from seiqa_models.arrays import FloatMatrix, FloatVector
from seiqa_models.calibration import MonotoneCalibration
from seiqa_models.checks import TrainingTable, check_training_table
from seiqa_models.errors import TableError
from seiqa_models.fusion import BoundedFusion
from seiqa_models.learners import DEFAULT_POOL, make_learner
from seiqa_models.metrics import SROCC_SHARE
from seiqa_models.preparation import Preparation
from seiqa_models.splits import Fold, make_folds

Pool = tuple[Preparation, dict[str, Any]]
"""A fitted preparation and the learners fitted on what comes out of it, by name."""


class SeiqaRegressor(RegressorMixin, BaseEstimator):
    """A stack whose fusion weights come from predictions for groups its learners never saw.

    For each inner fold the dense blocks are reduced (cross-fitted among the fold's training
    rows), the learners fitted, and the held-out groups predicted. The fusion weights are searched
    on these out-of-fold predictions, and the fused score is bent to the label's scale; then
    everything is fitted once more on all rows.

    Parameters
    ----------
    learners : sequence of str
        Names from :data:`seiqa_models.learners.LEARNERS`.
    n_splits : int
        Inner folds; fewer when there are fewer groups.
    max_weight, shrinkage, srocc_share : float
        Of :class:`seiqa_models.fusion.BoundedFusion`; shrinkage None is chosen on the groups.
    calibrate : bool
        Whether :class:`seiqa_models.calibration.MonotoneCalibration` follows the fusion.
    label_range : (float, float), optional
        Predictions are clipped to it; by default to the range of the training labels.
    random_state : int
        Seed of folds and learners.
    n_jobs : int
        Inner folds fitted at the same time, one thread each. The result does not depend on it.

    Attributes
    ----------
    features_ : list of str
        Column names seen in fit.
    preparation_ : Preparation; learners_ : dict of fitted regressors
    weights_ : dict of float, by learner name, sum 1
    calibration_ : MonotoneCalibration or None
    label_range_ : tuple of float
    oof_ : DataFrame of float64 [n, learners]
        Out-of-fold predictions of the training rows. A saved bundle leaves them out.
    """

    def __init__(
        self,
        learners: Sequence[str] = DEFAULT_POOL,
        n_splits: int = 5,
        max_weight: float = 1.0,
        shrinkage: float | None = None,
        srocc_share: float = SROCC_SHARE,
        calibrate: bool = True,
        label_range: tuple[float, float] | None = None,
        random_state: int = 0,
        n_jobs: int = 1,
    ) -> None:
        self.learners = learners
        self.n_splits = n_splits
        self.max_weight = max_weight
        self.shrinkage = shrinkage
        self.srocc_share = srocc_share
        self.calibrate = calibrate
        self.label_range = label_range
        self.random_state = random_state
        self.n_jobs = n_jobs

    def fit(
        self,
        X: pd.DataFrame,
        y: ArrayLike,
        groups: ArrayLike | None = None,
        order: ArrayLike | None = None,
    ) -> SeiqaRegressor:
        """Fit the stack.

        Parameters
        ----------
        X : DataFrame [n, columns]
            Float columns and dense blocks (fixed_size_list<float32>), indexed by pair_id.
        y : array-like of float [n]
            Labels, higher is better.
        groups : array-like [n], optional
            Rows that stay together in the inner folds; by default each row by itself.
        order : array-like of float [n], optional
            File order; given, the inner folds are contiguous blocks of it.

        Raises
        ------
        TableError
            The table cannot be learned from; see :func:`seiqa_models.checks.check_training_table`.
        ValueError
            A learner's name is unknown or repeated, or a parameter is out of range.
        """
        names = list(self.learners)
        if not names or len(set(names)) < len(names):
            raise ValueError(f"learners is {names}, expected one or more different names")
        # Sorted columns: neither the folds' results nor the fit may hang on the table's order.
        table = check_training_table(X, y, groups, order)
        self.features_ = sorted(table.X.columns)
        table = TrainingTable(table.X[self.features_], table.y, table.groups, table.order)
        folds = make_folds(
            table.groups, table.order, n_splits=self.n_splits, seed=self.random_state
        )
        run = Parallel(n_jobs=self.n_jobs)
        parts = run(delayed(_predict_held_out)(table, f, names, self.random_state) for f in folds)
        self.preparation_, self.learners_ = _fit_pool(table, names, self.random_state)
        if not self.preparation_.columns_:
            raise TableError("every feature column is constant: nothing can be learned from them")
        oof = np.empty((len(table.y), len(names)))
        for (_, test), predictions in zip(folds, parts, strict=True):
            oof[test] = predictions
        self.oof_ = pd.DataFrame(oof, index=table.X.index, columns=names)
        fusion = BoundedFusion(self.max_weight, self.shrinkage, self.srocc_share)
        fusion.fit(oof, table.y, table.groups)
        self.weights_ = dict(zip(names, fusion.weights_.tolist(), strict=True))
        calibration = MonotoneCalibration().fit(fusion.predict(oof), table.y, table.groups)
        self.calibration_ = calibration if self.calibrate else None
        low, high = self.label_range or (table.y.min(), table.y.max())
        self.label_range_ = (float(low), float(high))
        return self

    def predict(self, X: pd.DataFrame) -> FloatVector:
        """Scores float64 [n] within ``label_range_``; columns are found by name.

        Raises
        ------
        TableError
            A column seen in fit is missing.
        """
        return self.fuse(self.predict_learners(X))

    def predict_learners(self, X: pd.DataFrame) -> pd.DataFrame:
        """Each learner's own predictions, float64 [n, learners], not clipped."""
        check_is_fitted(self, "weights_")
        missing = [name for name in self.features_ if name not in X.columns]
        if missing:
            shown = ", ".join(missing[:3]) + (", …" if len(missing) > 3 else "")
            raise TableError(
                f"{len(missing)} of {len(self.features_)} feature columns are missing ({shown}): "
                "the model was trained with them, extract the same features"
            )
        pool = (self.preparation_, self.learners_)
        predictions = _predict_pool(pool, X[self.features_])
        return pd.DataFrame(predictions, index=X.index, columns=list(self.learners_))

    def fuse(self, predictions: pd.DataFrame) -> FloatVector:
        """Fused, calibrated and clipped scores float64 [n] of predictions [n, learners]."""
        names = list(self.weights_)
        fused = predictions[names].to_numpy(np.float64) @ np.array(list(self.weights_.values()))
        if self.calibration_ is not None:
            fused = self.calibration_.predict(fused)
        return np.asarray(np.clip(fused, *self.label_range_))


def _predict_held_out(
    table: TrainingTable, fold: Fold, names: list[str], random_state: int
) -> FloatMatrix:
    """Fit the pool on the training rows of a fold and predict its held-out rows [test, m]."""
    train, test = fold
    return _predict_pool(_fit_pool(table.take(train), names, random_state), table.X.iloc[test])


def _fit_pool(table: TrainingTable, names: list[str], random_state: int) -> Pool:
    """Fit preparation and learners, on one thread: thread counts can change the last digit."""
    with threadpool_limits(limits=1):
        preparation = Preparation()
        values = preparation.fit_transform(table.X, table.y, table.groups)
        # A small fold can be left with one label or no varying column: its mean is all there is.
        hopeless = values.shape[1] == 0 or np.ptp(table.y) == 0
        learners = {
            name: DummyRegressor() if hopeless else make_learner(name, random_state=random_state)
            for name in names
        }
        for learner in learners.values():
            learner.fit(values, table.y)
    return preparation, learners


def _predict_pool(pool: Pool, X: pd.DataFrame) -> FloatMatrix:
    preparation, learners = pool
    with threadpool_limits(limits=1):
        values = preparation.transform(X)
        predictions = [learner.predict(values) for learner in learners.values()]
    return np.column_stack(predictions).astype(np.float64)
