"""SeiqaRegressor: RidgeMeta → pool of learners → fusion → calibration, one regressor."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any, ClassVar, Self

import numpy as np
import pandas as pd
from joblib import Parallel, delayed
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator, RegressorMixin, clone
from sklearn.utils import Tags, column_or_1d
from sklearn.utils.validation import check_is_fitted, has_fit_parameter

from seiqa_models.core.arrays import FloatMatrix, FloatVector, Table
from seiqa_models.core.checks import TrainingTable, check_training_table
from seiqa_models.core.errors import GroupsWarning, TableError
from seiqa_models.core.frames import frame_of, known_frame, note_features
from seiqa_models.core.splits import Fold, make_folds
from seiqa_models.core.threads import one_core
from seiqa_models.core.transfer import unseen_folds
from seiqa_models.fusions import make_fusion
from seiqa_models.fusions.protocol import Fusion, HeldOut
from seiqa_models.fusions.registry import DEFAULT_FUSION, named
from seiqa_models.learners.registry import DEFAULT_POOL
from seiqa_models.plugins.calls import fit_named, predict_named
from seiqa_models.stack.calibration import MonotoneCalibration
from seiqa_models.stack.intervals import ConformalInterval, Unseen
from seiqa_models.stack.pool import FittedPool, fit_pool, predict_held_out

_NO_GROUPS = (
    "fitted without groups: every row counts as a group of its own, and rows of one reference image"
    " are split inside. Pass groups=; in cross_val_score, GridSearchCV or a Pipeline they arrive"
    " only with sklearn.set_config(enable_metadata_routing=True) and params={'groups': …}. If the"
    " rows really are independent, say so: groups=range(len(X))"
)


class SeiqaRegressor(RegressorMixin, BaseEstimator):
    """A stack whose fusion learns from predictions for groups that its learners never saw.

    For each inner fold the dense blocks are reduced (cross-fitted among the fold's training
    rows), the learners fitted, and the held-out groups predicted. The fusion is fitted to these
    out-of-fold predictions, and the fused score is bent to the label's scale; then everything is
    fitted once more on all rows. Given kinds of distortion, the Gaussian process learns to tell
    them apart, and as many folds again leave out kinds as well: a fusion that can use them is kept
    from trusting who fails on them, and the intervals cover them. The order of rows and columns
    does not matter (:mod:`seiqa_models.core.canonical`).

    Parameters
    ----------
    learners : sequence of str
        Names from :data:`seiqa_models.learners.registry.LEARNERS`.
    n_splits : int
        Inner folds; fewer when there are fewer groups.
    fusion : str or Fusion
        A name from :data:`seiqa_models.fusions.registry.FUSIONS`, or an unfitted fusion with
        parameters of its own; see :class:`seiqa_models.fusions.protocol.Fusion`.
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
    n_features_in_ : int; feature_names_in_ : array of str
        As in all of scikit-learn; no names where fit was given an array.
    features_ : list of str
        Column names seen in fit, sorted; those of an array are ``x0``, ``x1``, …
    preparation_ : Preparation; learners_ : dict of fitted regressors
    fusion_ : Fusion, fitted
    weights_ : dict of float, by learner name, sum 1; None where the fusion has no weights
    calibration_ : MonotoneCalibration or None
    interval_ : ConformalInterval
    label_range_ : tuple of float
    oof_ : DataFrame of float64 [n, learners], indexed like X
        Out-of-fold predictions of the training rows. A saved bundle leaves them out.
    """

    # What fit takes beside X and y it asks for, where scikit-learn's metadata routing is on.
    __metadata_request__fit: ClassVar = {"groups": True, "order": True, "kinds": True}

    def __init__(
        self,
        learners: Sequence[str] = DEFAULT_POOL,
        n_splits: int = 5,
        fusion: str | Fusion = DEFAULT_FUSION,
        calibrate: bool = True,
        label_range: tuple[float, float] | None = None,
        random_state: int = 0,
        n_jobs: int = 1,
    ) -> None:
        self.learners = learners
        self.n_splits = n_splits
        self.fusion = fusion
        self.calibrate = calibrate
        self.label_range = label_range
        self.random_state = random_state
        self.n_jobs = n_jobs

    def fit(
        self,
        X: Table,
        y: ArrayLike,
        groups: ArrayLike | None = None,
        order: ArrayLike | None = None,
        kinds: ArrayLike | None = None,
    ) -> Self:
        """Fit the stack.

        Parameters
        ----------
        X : DataFrame or array-like [n, columns]
            Float columns and dense blocks (fixed_size_list<float32>), indexed by pair_id. NaN is a
            value that is not defined. An array holds scalars only.
        y : array-like of float [n]
            Labels, higher is better.
        groups : array-like [n], optional
            Rows that stay together in the inner folds, usually those of one reference image. By
            default each row by itself, with a GroupsWarning: scikit-learn's helpers drop the
            groups they are given unless metadata routing is switched on.
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
        if y is None:
            raise ValueError("SeiqaRegressor requires y to be passed, but the target y is None")
        if np.asarray(y).ndim == 2:
            y = column_or_1d(np.asarray(y), warn=True)
        if groups is None:
            warnings.warn(_NO_GROUPS, GroupsWarning, stacklevel=2)
        checked = check_training_table(frame_of(X), y, groups, order, kinds)
        note_features(self, X)
        table, rows = checked.in_canonical_order()
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
        self.label_range_ = self.range_of(table.y)
        unseen = list(zip(cells, predicted[len(folds) :], strict=True))
        self._fit_fusion(table, unseen)
        self._fit_interval(table, values, unseen)
        self.oof_ = self.oof_.iloc[np.argsort(rows)]
        return self

    def _fit_fusion(self, table: TrainingTable, unseen: list[tuple[Fold, pd.DataFrame]]) -> None:
        """Fusion and calibration, from out-of-fold predictions."""
        fusion = self._fresh_fusion()
        extra = {}
        if unseen and has_fit_parameter(fusion, "unseen"):
            rows = np.concatenate([test for (_, test), _ in unseen])
            new_kinds = pd.concat([part for _, part in unseen])
            extra["unseen"] = HeldOut(new_kinds, table.y[rows], table.groups[rows])
        with one_core():
            self.fusion_ = fit_named(
                named(fusion), fusion, self.oof_, table.y, table.groups, **extra
            )
            fused = predict_named(named(fusion), self.fusion_, self.oof_)
        calibration = MonotoneCalibration().fit(fused, table.y, table.groups)
        self.calibration_ = calibration if self.calibrate else None

    def _fresh_fusion(self) -> Any:
        if isinstance(self.fusion, str):
            return make_fusion(self.fusion)
        if isinstance(self.fusion, type) or not isinstance(self.fusion, Fusion):
            raise ValueError(f"fusion is {self.fusion!r}, expected a name or an unfitted fusion")
        return clone(self.fusion)

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

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        return tags

    def predict(self, X: Table) -> FloatVector:
        """Scores float64 [n] within ``label_range_``; columns of a DataFrame are found by name.

        Raises
        ------
        TableError
            A column seen in fit is missing.
        """
        return self.fuse(self.predict_learners(X))

    @one_core()
    def predict_interval(self, X: Table, coverage: float = 0.9) -> pd.DataFrame:
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
        pool, known = self.pool(X)
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
            index=known.index,
        )

    def predict_learners(self, X: Table) -> pd.DataFrame:
        """Each learner's own predictions, float64 [n, learners], not clipped."""
        pool, known = self.pool(X)
        return pool.predict(known)

    def fuse(self, predictions: pd.DataFrame) -> FloatVector:
        """Fused, calibrated and clipped scores float64 [n] of predictions [n, learners]."""
        return np.asarray(np.clip(self.fuse_unclipped(predictions), *self.label_range_))

    @one_core()
    def fuse_unclipped(self, predictions: pd.DataFrame) -> FloatVector:
        """Fused and calibrated scores float64 [n] of predictions [n, learners]."""
        known = predictions[list(self.learners_)]
        fused = predict_named(named(self.fusion_), self.fusion_, known)
        return fused if self.calibration_ is None else self.calibration_.predict(fused)

    def range_of(self, y: FloatVector) -> tuple[float, float]:
        """The range that predictions are clipped to after training on labels y float64 [n]."""
        low, high = self.label_range or (y.min(), y.max())
        return float(low), float(high)

    @property
    def weights_(self) -> dict[str, float] | None:
        """Weight of each learner by name, sum 1; None where the fusion has no weights."""
        check_is_fitted(self, "fusion_")
        weights = getattr(self.fusion_, "weights_", None)
        return (
            None if weights is None else dict(zip(self.learners_, map(float, weights), strict=True))
        )

    def pool(self, X: Table) -> tuple[FittedPool, pd.DataFrame]:
        """The fitted preparation and learners, and the columns of X that they read.

        Raises
        ------
        TableError
            A column seen in fit is missing.
        """
        check_is_fitted(self, "fusion_")
        known = known_frame(self, X, self.features_)
        return FittedPool(self.preparation_, self.learners_), known
