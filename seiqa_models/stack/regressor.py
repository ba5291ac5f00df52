"""SeiqaRegressor: RidgeMeta → pool of members → fusion → consensus → calibration, one regressor."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike
from sklearn.utils import Tags

from seiqa_models.core.arrays import FloatVector, Table
from seiqa_models.core.checks import TrainingTable, check_training_table
from seiqa_models.core.columns import EDITED_SHARE
from seiqa_models.core.errors import NO_GROUPS, GroupsWarning, TableError
from seiqa_models.core.frames import frame_of, note_features, one_column
from seiqa_models.core.orders import Orders
from seiqa_models.core.threads import one_core
from seiqa_models.fusions.protocol import Fusion
from seiqa_models.fusions.registry import DEFAULT_FUSION, fresh_fusion
from seiqa_models.learners.registry import DEFAULT_POOL
from seiqa_models.stack.blend import ABROAD, Blend
from seiqa_models.stack.collections.joining import on_one_scale
from seiqa_models.stack.collections.observers import Observers
from seiqa_models.stack.edited import affordable_cost
from seiqa_models.stack.parameters import check_parameters
from seiqa_models.stack.pool.cross_fitting import cross_fit
from seiqa_models.stack.pool.fitted import check_members
from seiqa_models.stack.pool.fitting import fit_pool
from seiqa_models.stack.predicting import StackPredictor


class SeiqaRegressor(StackPredictor):
    """A stack whose fusion is fitted to predictions for groups that its learners never saw.

    For each inner fold the dense blocks are reduced (cross-fitted among the fold's training rows),
    the learners fitted, and the held-out groups predicted. The fusion is fitted to these
    out-of-fold predictions, and a monotone curve maps the fused score to the label's scale. Then
    the learners are fitted once more, on all rows. If kinds of distortion are given, the Gaussian
    process learns to tell them apart, and the same number of additional folds also leave out kinds:
    a fusion that supports these gives less weight to members that fail on new kinds, and the
    intervals cover new kinds as well. Row and column order do not matter
    (:mod:`seiqa_models.core.canonical`).

    Parameters
    ----------
    learners : sequence of str
        Members of the pool: names from :data:`seiqa_models.learners.registry.LEARNERS`, alone or
        with a representation (:mod:`seiqa_models.stack.representations`), as in ``catboost@8``.
    n_splits : int
        Inner folds; fewer when there are fewer groups; 2 with over 50 000 rows of 500 groups.
    purpose : {"home", "abroad"}
        Whether scores are for new scenes of the same study, or for pictures from anywhere
        (:mod:`seiqa_models.stack.blend`).
    consensus : bool
        Whether the score is also that of all columns' consensus where they agree, and of the best
        columns where a row is unlike the training rows too.
    fusion : str or Fusion
        A name from :data:`seiqa_models.fusions.registry.FUSIONS`, or an unfitted fusion with
        parameters of its own; see :class:`seiqa_models.fusions.protocol.Fusion`.
    calibrate : bool
        Whether :class:`seiqa_models.stack.calibration.MonotoneCalibration` follows the fusion.
    directions : mapping of str to int, optional
        Columns whose direction is known and not learned from the labels: 1 if higher is better, -1
        if lower is. Names not in X are ignored.
    label_range : (float, float), optional
        Range that predictions are clipped to; by default that of the training labels.
    random_state : int
        Seed of folds and learners, from 0 to 2^31 - 1.
    n_jobs : int
        Number of inner folds fitted in parallel, one thread each. The result does not depend on it.
    scale : str, optional
        Scale of the scores if there are several collections: the name of a collection, by default
        that with the most rows; or ``"0..5"``, with 5 for an undistorted picture and 0 for the
        worst label.
    identity : mapping of str to float, optional
        Label of an undistorted picture by collection, if known.

    Attributes
    ----------
    n_features_in_ : int; feature_names_in_ : array of str
        As everywhere in scikit-learn; no names if fit was given an array.
    features_ : list of str
        Column names seen in fit, sorted; those of an array are ``x0``, ``x1``, …
    preparation_ : Preparation; representations_ : dict of fitted transformers, by name
    learners_ : dict of fitted regressors, by member
    consensus_ : Consensus; fallback_ : Fallback
    unrelated_ : UnrelatedGate or None; edited_ : EditedGate or None
    edit_cost_ : float, the share of the score that an edited part costs
    displacement_ : DisplacementCost or None
    blend_ : Blend
    weights_ : dict of float, by member, sum 1; None if the fusion has no weights
    calibration_ : MonotoneCalibration or None
    interval_ : ConformalInterval
    label_range_ : tuple of float
    scales_ : dict; observers_ : Observers
        How labels were mapped onto one scale (:mod:`seiqa_models.stack.collections.joining`), and
        what each collection's observers add to the score; only set if there are several.
    oof_ : DataFrame of float64 [n, members + 6], indexed like X
        Out-of-fold predictions of the training rows, as from :meth:`predict_learners`. They are not
        part of a saved bundle.
    """

    # With metadata routing enabled, fit requests all of its parameters except X and y.
    __metadata_request__fit: ClassVar = {
        "groups": True, "order": True, "kinds": True, "collections": True, "orders": True,
    }  # fmt: skip

    # Parameters for several collections are not saved if unset.
    scale: str | None = None
    identity: Mapping[str, float] | None = None

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
        scale: str | None = None,
        identity: Mapping[str, float] | None = None,
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
        self.scale = scale
        self.identity = identity

    def __getstate__(self) -> dict[str, Any]:
        state: dict[str, Any] = super().__getstate__()
        unneeded = {name for name in ("scale", "identity") if state.get(name) is None}
        return {name: value for name, value in state.items() if name not in unneeded}

    def fit(
        self,
        X: Table,
        y: ArrayLike,
        groups: ArrayLike | None = None,
        order: ArrayLike | None = None,
        kinds: ArrayLike | None = None,
        collections: ArrayLike | None = None,
        orders: Orders | None = None,
    ) -> Self:
        """Fit the stack.

        Parameters
        ----------
        X : DataFrame or array-like [n, columns]
            Float columns and dense blocks (fixed_size_list<float32>), indexed by pair_id. NaN is an
            undefined value. An array holds scalars only.
        y : array-like of float [n]
            Labels, higher is better.
        groups : array-like [n], optional
            Rows that stay together in the inner folds, usually those of one reference image. By
            default each row is its own group, with a GroupsWarning: scikit-learn's helpers drop the
            groups they are given unless metadata routing is enabled.
        order : array-like of float [n], optional
            File order; if given, the inner folds are contiguous blocks of it.
        kinds : array-like [n], optional
            Kind of distortion of each row, text or numbers; not needed to predict.
        collections : array-like of str [n], optional
            Name of the collection of each row, if their labels are on different scales. They are
            mapped onto one scale (:mod:`seiqa_models.stack.collections.scales`), that of the
            scores. The ranker compares only rows of one collection. ``groups`` have to be the same
            for a scene in all of its collections.
        orders : Orders, optional
            Rows without labels, of the same groups, some of which are known to show nothing of
            their reference, or to be edited in a part. Those of held-out groups take no part in an
            inner fold; none takes part in fusion, calibration or residuals.

        Raises
        ------
        TableError
            The table cannot be learned from; see :mod:`seiqa_models.core.checks`.
        ValueError
            A learner is unknown or repeated, or a parameter has a wrong type or is out of range.
        """
        check_members(self.learners)
        check_parameters(self.get_params(deep=False))
        names = list(self.learners)
        y = one_column(y)
        if groups is None:
            warnings.warn(NO_GROUPS, GroupsWarning, stacklevel=2)
        checked = check_training_table(frame_of(X), y, groups, order, kinds, collections, orders)
        note_features(self, X)
        table, rows = checked.in_canonical_order()
        self.features_ = list(table.X.columns)
        if collections is not None:
            table = self._on_one_scale(table)
        self.label_range_ = self.range_of(table.y)
        held_out = cross_fit(
            table, names, n_splits=self.n_splits, random_state=self.random_state,
            directions=self.directions, n_jobs=self.n_jobs, elsewhere=self.purpose == ABROAD,
        )  # fmt: skip
        pool, values = fit_pool(table, names, self.random_state, self.directions)
        self._keep(pool)
        if not self.preparation_.columns_:
            raise TableError("every feature column is constant: nothing can be learned from them")
        with one_core():
            self.blend_ = Blend(self.purpose, self.consensus, self.calibrate).fit(
                fresh_fusion(self.fusion), held_out.by_group, names, table.y, table.groups,
                held_out.new_kinds, held_out.elsewhere,
            )  # fmt: skip
            fused = self.blend_.predict(held_out.by_group)
        if self.edited_ is not None:
            share = held_out.by_group[EDITED_SHARE].to_numpy()
            self.edit_cost_ = affordable_cost(fused, share, self.label_range_[0], table.y)
        if len(table.names) > 1:
            known = [(self.directions or {}).get(name, 0) for name in self.preparation_.columns_]
            self.observers_ = Observers(known).fit(values, table, fused)
        self.interval_ = held_out.interval(values, self.fuse, self.random_state)
        self.oof_ = held_out.by_group.iloc[np.argsort(rows)]
        return self

    def _on_one_scale(self, table: TrainingTable) -> TrainingTable:
        """The table with labels on one scale, as ``scales_`` describes if there are several."""
        table, told = on_one_scale(
            table,
            scale=self.scale,
            identity=self.identity,
            n_splits=self.n_splits,
            random_state=self.random_state,
            directions=self.directions,
        )
        if told is not None:
            self.scales_ = told
        return table

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        return tags

    def range_of(self, y: FloatVector) -> tuple[float, float]:
        """The range that predictions are clipped to after training on labels y float64 [n]."""
        low, high = (y.min(), y.max()) if self.label_range is None else self.label_range
        return float(low), float(high)
