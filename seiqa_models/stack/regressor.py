"""SeiqaRegressor: RidgeMeta → pool of learners → bounded fusion → calibration, one regressor."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from joblib import Parallel, delayed
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.utils.validation import check_is_fitted

from seiqa_models.core.arrays import FloatMatrix, FloatVector
from seiqa_models.core.checks import TrainingTable, check_training_table
from seiqa_models.core.errors import TableError
from seiqa_models.core.metrics import SROCC_SHARE
from seiqa_models.core.splits import Fold, make_folds
from seiqa_models.core.threads import one_core
from seiqa_models.core.transfer import unseen_folds
from seiqa_models.learners.registry import DEFAULT_POOL
from seiqa_models.stack.calibration import MonotoneCalibration
from seiqa_models.stack.fusion import BoundedFusion
from seiqa_models.stack.intervals import ConformalInterval, Unseen
from seiqa_models.stack.pool import FittedPool, fit_pool, predict_held_out
from seiqa_models.stack.robustness import robust_weights


class SeiqaRegressor(RegressorMixin, BaseEstimator):
    """A stack whose fusion weights come from predictions for groups its learners never saw.

    For each inner fold the dense blocks are reduced (cross-fitted among the fold's training
    rows), the learners fitted, and the held-out groups predicted. The fusion weights are searched
    on these out-of-fold predictions, and the fused score is bent to the label's scale; then
    everything is fitted once more on all rows. Given kinds of distortion, the Gaussian process
    learns to tell them apart, and as many folds again leave out kinds as well: the fusion is kept
    from trusting who fails on them, and the intervals cover them.

    Parameters
    ----------
    learners : sequence of str
        Names from :data:`seiqa_models.learners.registry.LEARNERS`.
    n_splits : int
        Inner folds; fewer when there are fewer groups.
    max_weight, shrinkage, srocc_share : float
        Of :class:`seiqa_models.stack.fusion.BoundedFusion`; shrinkage None is chosen on the groups.
    calibrate : bool
        Whether :class:`seiqa_models.stack.calibration.MonotoneCalibration` follows the fusion.
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
    interval_ : ConformalInterval
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

    @one_core()
    def fit(
        self,
        X: pd.DataFrame,
        y: ArrayLike,
        groups: ArrayLike | None = None,
        order: ArrayLike | None = None,
        kinds: ArrayLike | None = None,
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
        kinds : array-like [n], optional
            Kind of distortion of each row, text or numbers; predicting needs none.

        Raises
        ------
        TableError
            The table cannot be learned from; see
            :func:`seiqa_models.core.checks.check_training_table`.
        ValueError
            A learner's name is unknown or repeated, or a parameter is out of range.
        """
        names = list(self.learners)
        if not names or len(set(names)) < len(names):
            raise ValueError(f"learners is {names}, expected one or more different names")
        table = check_training_table(X, y, groups, order, kinds).by_column_name()
        self.features_ = list(table.X.columns)
        folds = make_folds(
            table.groups, table.order, n_splits=self.n_splits, seed=self.random_state
        )
        cells = unseen_folds(folds, table.kinds, seed=self.random_state)
        predicted = Parallel(n_jobs=self.n_jobs)(
            delayed(predict_held_out)(table, fold, names, self.random_state)
            for fold in [*folds, *cells]
        )
        pool, values = fit_pool(table, names, self.random_state)
        self.preparation_, self.learners_ = pool.preparation, pool.learners
        if not self.preparation_.columns_:
            raise TableError("every feature column is constant: nothing can be learned from them")
        by_row = np.argsort(np.concatenate([test for _, test in folds]))
        self.oof_ = pd.concat(predicted[: len(folds)]).iloc[by_row]
        low, high = self.label_range or (table.y.min(), table.y.max())
        self.label_range_ = (float(low), float(high))
        unseen = list(zip(cells, predicted[len(folds) :], strict=True))
        self._fit_fusion(table, unseen)
        self._fit_interval(table, values, unseen)
        return self

    def _fit_fusion(self, table: TrainingTable, unseen: list[tuple[Fold, pd.DataFrame]]) -> None:
        """Weights and calibration, from out-of-fold predictions."""
        oof = self.oof_.to_numpy()
        fusion = BoundedFusion(self.max_weight, self.shrinkage, self.srocc_share)
        fusion.fit(oof, table.y, table.groups)
        weights = fusion.weights_
        if unseen:
            rows = np.concatenate([test for (_, test), _ in unseen])
            new_kinds = pd.concat([part for _, part in unseen]).to_numpy()
            familiar = (oof, table.y, table.groups)
            weights = robust_weights(
                fusion, familiar, (new_kinds, table.y[rows], table.groups[rows])
            )
        self.weights_ = dict(zip(self.oof_.columns, weights.tolist(), strict=True))
        calibration = MonotoneCalibration().fit(oof @ weights, table.y, table.groups)
        self.calibration_ = calibration if self.calibrate else None

    def _fit_interval(
        self,
        table: TrainingTable,
        values: FloatMatrix,
        unseen: list[tuple[Fold, pd.DataFrame]],
    ) -> None:
        parts = [
            Unseen(test, train, table.y[test] - self.fuse(part)) for (train, test), part in unseen
        ]
        residuals = table.y - self.fuse(self.oof_)
        self.interval_ = ConformalInterval(self.random_state)
        self.interval_.fit(values, table.groups, residuals, parts)

    def predict(self, X: pd.DataFrame) -> FloatVector:
        """Scores float64 [n] within ``label_range_``; columns are found by name.

        Raises
        ------
        TableError
            A column seen in fit is missing.
        """
        return self.fuse(self.predict_learners(X))

    @one_core()
    def predict_interval(self, X: pd.DataFrame, coverage: float = 0.9) -> pd.DataFrame:
        """Scores with the intervals that hold the label with probability ``coverage``.

        The promise is one on average over rows like those of training, of new groups (and kinds,
        if the kinds were given); for others the interval only widens.

        Returns
        -------
        DataFrame indexed like X
            ``score, low, high`` float64 within ``label_range_``; ``outside`` float64 in 0..1, the
            share of columns whose value lies beyond what training saw; ``unfamiliar`` bool,
            whether the row is further from the training rows than 99 % of them from each other.

        Raises
        ------
        TableError
            A column seen in fit is missing.
        ValueError
            ``coverage`` is not between 0 and 1.
        """
        pool, known = self.pool(X), X[self.features_]
        values, excess = self.preparation_.transform(known), self.preparation_.excess(known)
        score = self.fuse(pool.predict_prepared(values))
        novelty = self.interval_.novelty(values, excess)
        half = self.interval_.half_width(novelty, coverage)
        low, high = self.label_range_
        return pd.DataFrame(
            {
                "score": score,
                "low": np.maximum(score - half, low),
                "high": np.minimum(score + half, high),
                "outside": (excess != 0).mean(axis=1),
                "unfamiliar": novelty > 1,
            },
            index=X.index,
        )

    def predict_learners(self, X: pd.DataFrame) -> pd.DataFrame:
        """Each learner's own predictions, float64 [n, learners], not clipped."""
        return self.pool(X).predict(X[self.features_])

    def fuse(self, predictions: pd.DataFrame) -> FloatVector:
        """Fused, calibrated and clipped scores float64 [n] of predictions [n, learners]."""
        return np.asarray(np.clip(self.fuse_unclipped(predictions), *self.label_range_))

    @one_core()
    def fuse_unclipped(self, predictions: pd.DataFrame) -> FloatVector:
        """Fused and calibrated scores float64 [n] of predictions [n, learners]."""
        weights = np.array(list(self.weights_.values()))
        fused: FloatVector = predictions[list(self.weights_)].to_numpy(np.float64) @ weights
        return fused if self.calibration_ is None else self.calibration_.predict(fused)

    def pool(self, X: pd.DataFrame) -> FittedPool:
        """The fitted pool, once it is clear that X has all its columns; else a TableError."""
        check_is_fitted(self, "weights_")
        missing = [name for name in self.features_ if name not in X.columns]
        if missing:
            shown = ", ".join(missing[:3]) + (", …" if len(missing) > 3 else "")
            raise TableError(
                f"{len(missing)} of {len(self.features_)} feature columns are missing ({shown}): "
                "the model was trained with them, extract the same features"
            )
        return FittedPool(self.preparation_, self.learners_)
