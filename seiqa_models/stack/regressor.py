"""SeiqaRegressor: RidgeMeta → pool of members → fusion → consensus → calibration, one regressor."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Self

import numpy as np
import pandas as pd
from joblib import Parallel, delayed
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator, RegressorMixin, clone
from sklearn.utils import Tags, column_or_1d
from sklearn.utils.validation import check_is_fitted

from seiqa_models.core.arrays import FloatMatrix, FloatVector, Rows, Table
from seiqa_models.core.checks import TrainingTable, check_training_table
from seiqa_models.core.errors import GroupsWarning, TableError
from seiqa_models.core.frames import frame_of, known_frame, note_features
from seiqa_models.core.orders import Orders
from seiqa_models.core.splits import Fold, make_folds
from seiqa_models.core.threads import one_core
from seiqa_models.core.transfer import unseen_folds
from seiqa_models.fusions import make_fusion
from seiqa_models.fusions.protocol import Fusion, HeldOut
from seiqa_models.fusions.registry import DEFAULT_FUSION
from seiqa_models.learners.registry import DEFAULT_POOL
from seiqa_models.stack.blend import Blend
from seiqa_models.stack.calibration import MonotoneCalibration
from seiqa_models.stack.intervals import ConformalInterval, Held
from seiqa_models.stack.pool import (
    AGREEMENT,
    FittedPool,
    check_members,
    fit_pool,
    predict_held_out,
)

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
        Members of the pool: names from :data:`seiqa_models.learners.registry.LEARNERS`, each alone
        or with a representation, as in ``catboost@8``; see
        :mod:`seiqa_models.stack.representations`.
    n_splits : int
        Inner folds; fewer when there are fewer groups.
    purpose : {"home", "abroad"}
        Whether the scores are for new scenes of the same study, or for pictures from anywhere; see
        :mod:`seiqa_models.stack.blend`.
    consensus : bool
        Whether what all columns say together has a part in the score where they agree.
    fusion : str or Fusion
        A name from :data:`seiqa_models.fusions.registry.FUSIONS`, or an unfitted fusion with
        parameters of its own; see :class:`seiqa_models.fusions.protocol.Fusion`.
    calibrate : bool
        Whether :class:`seiqa_models.stack.calibration.MonotoneCalibration` follows the fusion.
    directions : mapping of str to int, optional
        Columns of which it is known, and not left to the labels, which way is better: 1 where more
        is, -1 where less is. Names that X does not have are passed over.
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
    preparation_ : Preparation
    representations_ : dict of fitted transformers, by name
    learners_ : dict of fitted regressors, by member
    consensus_ : Consensus
    blend_ : Blend
    weights_ : dict of float, by member, sum 1; None where the fusion has no weights
    calibration_ : MonotoneCalibration or None
    interval_ : ConformalInterval
    label_range_ : tuple of float
    oof_ : DataFrame of float64 [n, members + 2], indexed like X
        Out-of-fold predictions of the training rows, as :meth:`predict_learners` gives them. A
        saved bundle leaves them out.
    """

    # What fit takes beside X and y it asks for, where scikit-learn's metadata routing is on.
    __metadata_request__fit: ClassVar = {
        "groups": True, "order": True, "kinds": True, "orders": True,
    }  # fmt: skip

    def __init__(
        self,
        learners: Sequence[str] = DEFAULT_POOL,
        n_splits: int = 5,
        fusion: str | Fusion = DEFAULT_FUSION,
        purpose: str = "home",
        consensus: bool = True,
        calibrate: bool = True,
        directions: Mapping[str, int] | None = None,
        label_range: tuple[float, float] | None = None,
        random_state: int = 0,
        n_jobs: int = 1,
    ) -> None:
        self.learners = learners
        self.n_splits = n_splits
        self.fusion = fusion
        self.purpose = purpose
        self.consensus = consensus
        self.calibrate = calibrate
        self.directions = directions
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
        orders: Orders | None = None,
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
        orders : Orders, optional
            Rows without labels whose order is known, of the same groups. Those of held-out groups
            take no part in an inner fold; none takes part in fusion, calibration or residuals.

        Raises
        ------
        TableError
            The table cannot be learned from; see
            :func:`seiqa_models.core.checks.check_training_table`.
        ValueError
            A learner's name is unknown or repeated, or a parameter is out of range.
        """
        names = list(self.learners)
        check_members(names)
        if y is None:
            raise ValueError("SeiqaRegressor requires y to be passed, but the target y is None")
        if np.asarray(y).ndim == 2:
            y = column_or_1d(np.asarray(y), warn=True)
        if groups is None:
            warnings.warn(_NO_GROUPS, GroupsWarning, stacklevel=2)
        checked = check_training_table(frame_of(X), y, groups, order, kinds, orders)
        note_features(self, X)
        table, rows = checked.in_canonical_order()
        self.features_ = list(table.X.columns)
        folds = make_folds(
            table.groups, table.order, n_splits=self.n_splits, seed=self.random_state
        )
        cells = unseen_folds(folds, table.kinds, seed=self.random_state)
        self.label_range_ = self.range_of(table.y)
        told = (names, self.random_state, self.directions, self.label_range_)
        predicted = Parallel(n_jobs=self.n_jobs)(
            delayed(predict_held_out)(table, fold, *told) for fold in [*folds, *cells]
        )
        pool, values = fit_pool(table, *told)
        self.preparation_, self.representations_ = pool.preparation, pool.representations
        self.learners_, self.consensus_ = pool.learners, pool.consensus
        if not self.preparation_.columns_:
            raise TableError("every feature column is constant: nothing can be learned from them")
        by_row = np.argsort(np.concatenate([test for _, test in folds]))
        self.oof_ = pd.concat(predicted[: len(folds)]).iloc[by_row]
        unseen = list(zip(cells, predicted[len(folds) :], strict=True))
        self.blend_ = self._blended(table, unseen)
        self._fit_interval(table, values, unseen)
        self.oof_ = self.oof_.iloc[np.argsort(rows)]
        return self

    def _blended(self, table: TrainingTable, unseen: list[tuple[Fold, pd.DataFrame]]) -> Blend:
        """Fusion, consensus and calibration, from out-of-fold predictions."""
        new_kinds = None
        if unseen:
            rows = np.concatenate([test for (_, test), _ in unseen])
            predictions = pd.concat([part for _, part in unseen])
            new_kinds = HeldOut(predictions, table.y[rows], table.groups[rows])
        blend = Blend(self.purpose, self.consensus, self.calibrate)
        with one_core():
            return blend.fit(
                self.fresh_fusion(), self.oof_, self.learners, table.y, table.groups, new_kinds
            )

    def fresh_fusion(self) -> Any:
        """The fusion that was asked for, unfitted."""
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
        def measured(rows: Rows, known: Rows, part: pd.DataFrame) -> Held:
            return Held(rows, known, table.y[rows] - self.fuse(part), part[AGREEMENT].to_numpy())

        every = np.arange(len(table.y))
        groups = table.groups
        if table.orders is not None and len(values) > len(groups):
            groups = np.concatenate([groups, table.orders.groups])
        self.interval_ = ConformalInterval(self.random_state)
        self.interval_.fit(
            values,
            groups,
            measured(every, every, self.oof_),
            [measured(test, train, part) for (train, test), part in unseen],
        )

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
            whether the row is further from the training rows than 99 % of them from each other;
            ``agree`` bool, whether the row's columns agree as far as those of most training rows.

        Raises
        ------
        TableError
            A column seen in fit is missing.
        ValueError
            ``coverage`` is not between 0 and 1.
        """
        pool, known = self.pool(X)
        values, excess = self.preparation_.transform(known), self.preparation_.excess(known)
        predictions = pool.predict_prepared(values)
        score, agreement = self.fuse(predictions), predictions[AGREEMENT].to_numpy()
        novelty = self.interval_.novelty(values, excess)
        half = self.interval_.half_width(novelty, agreement, coverage)
        low, high = self.label_range_
        return pd.DataFrame(
            {
                "score": score,
                "low": np.maximum(score - half, low),
                "high": np.minimum(score + half, high),
                "outside": (excess != 0).mean(axis=1),
                "unfamiliar": novelty > 1,
                "agree": agreement >= self.consensus_.least_agreement_,
            },
            index=known.index,
        )

    def predict_learners(self, X: Table) -> pd.DataFrame:
        """Each member's own predictions, float64 [n, members + 2], not clipped.

        Two columns more, ``agreed_score`` and ``agreement``, are what
        `seiqa_models.learners.consensus` says.
        """
        pool, known = self.pool(X)
        return pool.predict(known)

    def fuse(self, predictions: pd.DataFrame) -> FloatVector:
        """Scores float64 [n] of what :meth:`predict_learners` gives, clipped."""
        return np.asarray(np.clip(self.fuse_unclipped(predictions), *self.label_range_))

    @one_core()
    def fuse_unclipped(self, predictions: pd.DataFrame) -> FloatVector:
        """Scores float64 [n] of what :meth:`predict_learners` gives, not clipped."""
        return self.blend_.predict(predictions)

    def range_of(self, y: FloatVector) -> tuple[float, float]:
        """The range that predictions are clipped to after training on labels y float64 [n]."""
        low, high = self.label_range or (y.min(), y.max())
        return float(low), float(high)

    @property
    def weights_(self) -> dict[str, float] | None:
        """Of what is learned, by member, sum 1; None where the fusion has no weights."""
        return self.blend_.weights_

    @property
    def calibration_(self) -> MonotoneCalibration | None:
        """The curve that the score ends with; None where none was asked for."""
        return self.blend_.calibration_

    def pool(self, X: Table) -> tuple[FittedPool, pd.DataFrame]:
        """The fitted preparation and learners, and the columns of X that they read.

        Raises
        ------
        TableError
            A column seen in fit is missing.
        """
        check_is_fitted(self, "blend_")
        known = known_frame(self, X, self.features_)
        pool = FittedPool(self.preparation_, self.representations_, self.learners_, self.consensus_)
        return pool, known
