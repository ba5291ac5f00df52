"""Predictions of a fitted stack: those of its members, the fused score and its interval."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.utils.validation import check_is_fitted

from seiqa_models.core.arrays import FloatMatrix, FloatVector, Table
from seiqa_models.core.columns import AGREEMENT, EDITED_SHARE, UNRELATED
from seiqa_models.core.errors import TableError
from seiqa_models.core.frames import known_frame
from seiqa_models.core.threads import one_core
from seiqa_models.learners.consensus import Fallback
from seiqa_models.stack.blend import Blend
from seiqa_models.stack.calibration import MonotoneCalibration
from seiqa_models.stack.collections.observers import Observers
from seiqa_models.stack.displacement import DisplacementCost
from seiqa_models.stack.edited import EditedGate, lowered, taken
from seiqa_models.stack.intervals import ConformalInterval
from seiqa_models.stack.pool.fitted import FittedPool
from seiqa_models.stack.preparation import Preparation
from seiqa_models.stack.unrelated import UnrelatedGate, pulled_down, shows_nothing


class StackPredictor(RegressorMixin, BaseEstimator):
    """Predictions of a fitted :class:`seiqa_models.stack.regressor.SeiqaRegressor`.

    The attributes are those set by its ``fit``, and are described there.
    """

    features_: list[str]
    preparation_: Preparation
    representations_: dict[str, Any]
    learners_: dict[str, Any]
    consensus_: Any
    blend_: Blend
    interval_: ConformalInterval
    observers_: Observers
    label_range_: tuple[float, float]

    # Bundles of earlier versions have none.
    fallback_: Fallback | None = None
    unrelated_: UnrelatedGate | None = None
    edited_: EditedGate | None = None
    edit_cost_: float = 0.0
    displacement_: DisplacementCost | None = None

    def predict(self, X: Table, collection: str | None = None) -> FloatVector:
        """Scores float64 [n] within ``label_range_``; columns of a DataFrame are found by name.

        Parameters
        ----------
        X : DataFrame or array-like [n, columns]
        collection : str, optional
            Score as the observers of this collection would; by default by what all have in common.

        Raises
        ------
        TableError
            A column seen in fit is missing, or there is no such collection.
        """
        if collection is None:
            return self.fuse(self.predict_learners(X))
        pool, known = self.pool(X)
        with one_core():
            values = self.preparation_.transform(known)
        predictions = pool.predict_prepared(values, pool.dense(known))
        return np.asarray(
            np.clip(self.fuse_as(predictions, values, collection), *self.label_range_)
        )

    @property
    def collections_(self) -> list[str]:
        """Collections to score as; empty if the stack learned from one."""
        return list(self.observers_.terms_) if hasattr(self, "observers_") else []

    def require_collection(self, collection: str | None) -> None:
        """Check that pairs can be scored as the observers of a collection would.

        Raises
        ------
        TableError
            There is no such collection.
        """
        if collection is not None and collection not in self.collections_:
            known = ", ".join(self.collections_) or "one collection alone"
            raise TableError(f"cannot score as {collection!r}: the model learned from {known}")

    @one_core()
    def predict_interval(
        self, X: Table, coverage: float = 0.9, collection: str | None = None
    ) -> pd.DataFrame:
        """Scores with intervals that contain the label with probability ``coverage``.

        The coverage holds on average over rows like those of training, of new groups (and new
        kinds, if kinds were given); for other rows, and where a part was edited, the interval
        widens without such a guarantee.
        ``collection`` is as for :meth:`predict`; the width is that of the common score.

        Returns
        -------
        DataFrame indexed like X
            ``score, low, high`` float64 within ``label_range_``; ``outside`` float64 in 0..1, the
            share of columns whose value is outside the training range; ``unfamiliar`` bool, whether
            the row is further from the training rows than 99 % of them are from each other, unless
            it shows nothing of its reference, which needs no training pair like it;
            ``agree`` bool, whether the row's columns agree as well as in most training rows;
            ``edited`` bool, whether a part of the picture was probably removed, covered, replaced
            or rewritten, which is known only with constructed orders;
            ``fallback`` float64 in 0..1, the share of the score that comes from the best columns or
            all columns' consensus alone, because the row is unlike the training rows.

        Raises
        ------
        TableError
            A column seen in fit is missing, or there is no such collection.
        ValueError
            ``coverage`` is not between 0 and 1.
        """
        pool, known = self.pool(X)
        values, excess = self.preparation_.transform_with_excess(known)
        predictions = pool.predict_prepared(values, pool.dense(known))
        score = np.clip(self.fuse_as(predictions, values, collection), *self.label_range_)
        agreement = predictions[AGREEMENT].to_numpy()
        novelty = self.interval_.novelty(values, excess)
        low, high = self.label_range_
        edited = predictions[EDITED_SHARE].to_numpy()
        gone = shows_nothing(predictions[UNRELATED])
        half = self.interval_.half_width(novelty, agreement, coverage)
        half = half + taken(score, edited, low, self.edit_cost_)  # what people would is not known
        return pd.DataFrame(
            {
                "score": score,
                "low": np.maximum(score - half, low),
                "high": np.minimum(score + half, high),
                "outside": (excess != 0).mean(axis=1),
                "unfamiliar": (novelty > 1) & ~gone,
                "agree": agreement >= self.consensus_.least_agreement_,
                "edited": (edited > 0.5) & ~gone,
                "fallback": self.blend_.unlearned(predictions),
            },
            index=known.index,
        )

    def predict_learners(self, X: Table) -> pd.DataFrame:
        """Each member's own predictions, float64 [n, members + 7], not clipped.

        Five further columns come from `seiqa_models.learners.consensus`: ``agreed_score`` and
        ``agreement``, ``fallback_score``, ``fallback_share`` and ``beyond_share``. The last two,
        ``unrelated`` and ``edited_share``, come from `seiqa_models.stack.unrelated` and
        `seiqa_models.stack.edited`.
        """
        pool, known = self.pool(X)
        return pool.predict(known)

    def fuse(self, predictions: pd.DataFrame) -> FloatVector:
        """Scores float64 [n] from the output of :meth:`predict_learners`, clipped."""
        return np.asarray(np.clip(self.fuse_unclipped(predictions), *self.label_range_))

    @one_core()
    def fuse_unclipped(self, predictions: pd.DataFrame) -> FloatVector:
        """Scores float64 [n] from the output of :meth:`predict_learners`, not clipped."""
        return self._pulled(self.blend_.predict(predictions), predictions)

    @one_core()
    def fuse_as(
        self, predictions: pd.DataFrame, values: FloatMatrix, collection: str | None
    ) -> FloatVector:
        """The same as :meth:`fuse_unclipped`, as the observers of a collection would score.

        Parameters
        ----------
        predictions : DataFrame
            Output of :meth:`predict_learners` for n rows.
        values : float64 [n, p]
            The same rows, prepared.
        collection : str or None
            None for what all collections have in common.

        Raises
        ------
        TableError
            There is no such collection.
        """
        self.require_collection(collection)
        if collection is None:
            return self.fuse_unclipped(predictions)
        own = self.blend_.predict(predictions) + self.observers_.predict(values, collection)
        return self._pulled(own, predictions)

    def _pulled(self, scores: FloatVector, predictions: pd.DataFrame) -> FloatVector:
        """The scores [n], lower where a part was edited, lowest where nothing is shown."""
        if self.edited_ is not None:
            edited = predictions[EDITED_SHARE].to_numpy()
            scores = lowered(scores, edited, self.label_range_[0], self.edit_cost_)
        if self.unrelated_ is not None:
            gone = predictions[UNRELATED].to_numpy()
            scores = pulled_down(scores, gone, self.label_range_)
        return scores

    @property
    def weights_(self) -> dict[str, float] | None:
        """Weights of the members, by name, sum 1; None if the fusion has no weights."""
        return self.blend_.weights_

    @property
    def calibration_(self) -> MonotoneCalibration | None:
        """The curve that maps the fused score to the label's scale; None if switched off."""
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
        parts = self.preparation_, self.representations_, self.learners_, self.consensus_
        more = self.fallback_, self.unrelated_, self.edited_, self.displacement_
        return FittedPool(*parts, *more), known

    def _keep(self, pool: FittedPool) -> None:
        """Keep the parts of a fitted pool as attributes."""
        self.preparation_, self.representations_ = pool.preparation, pool.representations
        self.learners_, self.consensus_ = pool.learners, pool.consensus
        self.fallback_, self.displacement_ = pool.fallback, pool.displacement
        self.unrelated_, self.edited_ = pool.unrelated, pool.edited
