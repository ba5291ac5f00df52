"""Consensus and Fallback: scores from the columns alone, and how far to rely on them.

Where the metrics agree, a model learned from a few scenes is rarely better than their consensus.
Where they disagree (contrast, saturation, a shift of the mean) the consensus is useless. It
therefore comes with the agreement a = exp(-(s / s₀)²) of each row, where s is its spread and s₀ the
median spread in training (see :mod:`seiqa_models.learners.components`). A stack uses it as a gate.

What is learned about some kinds of distortion can be wrong for others. The columns that follow the
label best are wrong less often there, as long as the columns agree: they are the fallback for rows
that are unlike every training row. If such a row is worse than nearly all training rows, neither is
reliable, because the single columns no longer fall; the consensus of all columns still does.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from scipy.spatial.distance import cdist
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.pipeline import make_pipeline
from sklearn.utils import Tags
from sklearn.utils.validation import validate_data

from seiqa_models.core.arrays import FloatMatrix, FloatVector
from seiqa_models.core.curves import bend, rising_curve
from seiqa_models.core.frames import known_rows
from seiqa_models.learners.components import OrientedComponents, spreads
from seiqa_models.learners.oriented import Directions, OrientedRanks
from seiqa_models.learners.scaling import PartialWhitening, RankNormal

_ROWS_PER_KNOT = 10
_KNOTS = (2, 5)
"""Minimum and maximum number of knots; two (a straight line) for few rows."""

_ROWS_AT_ONCE = 1000  # whose distances to the kept rows are in memory
_MAX_ROWS = 2000  # training rows kept for measuring distances

_WHITENING = 0.7
"""How far the columns are decorrelated before distances are measured. Six unseen kinds of TID2013
are then told from new scenes with an area under the ROC curve of .84; with plain ranks and the mean
distance of five rows it was .73. On KADID-10k's table it made no difference (.73)."""

FAR, STEEPNESS = 1.75, 8
"""Distance from the nearest training row at which a row counts as unlike them, and how sharply."""

FURTHER = 2.25
"""The same distance for rows that may be worse than nearly all training rows."""

BEYOND, WITHIN = 0.15, 0.3
"""Heights of the consensus, as shares of the labels' range, below which such a row is worse, and
above which it is not."""


class Consensus(RegressorMixin, BaseEstimator):
    """First component of the oriented ranks, mapped to the label by a curve of up to 5 knots.

    The curve is fitted on the half of the training rows whose columns agree most.

    Parameters
    ----------
    directions : sequence of int [p], optional
        Of :func:`seiqa_models.learners.oriented.signs`.

    Attributes
    ----------
    component_ : OrientedComponents
    x_, z_ : float64 [knots]; slope_ : float
        The curve; see :mod:`seiqa_models.core.curves`.
    median_spread_ : float
        s₀ above.
    least_agreement_ : float
        Smallest agreement of the training rows that the component was fitted on; the columns of
        rows below it do not agree.
    """

    def __init__(self, directions: Directions = None) -> None:
        self.directions = directions

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.regressor_tags.poor_score = True  # columns with nothing in common have no consensus
        return tags

    def fit(self, X: ArrayLike, y: ArrayLike) -> Consensus:
        """Fit X float [n, p] and y float [n]."""
        checked = validate_data(self, X, y, dtype=np.float64, y_numeric=True, ensure_min_samples=2)
        label: FloatVector = checked[1].astype(np.float64)
        self.component_ = OrientedComponents(1, directions=self.directions).fit(checked[0], label)
        spread = spreads(self.component_.ranks_.transform(checked[0]))
        # A single column always agrees with itself, in any unit.
        self.median_spread_ = float(np.median(spread)) or 1.0
        self.least_agreement_ = float(self._agreement(np.array([self.component_.limit_]))[0])
        agreeing = spread <= np.median(spread)
        score = self.component_.transform(checked[0])[agreeing, 0]
        knots = int(np.clip(len(score) // _ROWS_PER_KNOT, *_KNOTS))
        self.x_, self.z_, self.slope_ = rising_curve(score, label[agreeing], knots)
        if len(self.x_) < 2:  # no information on the label: the consensus is constant
            self.z_, self.slope_ = np.full(1, label.mean()), 0.0
        return self

    def predict(self, X: ArrayLike) -> FloatVector:
        """The consensus of the columns, float64 [n], in the unit of the labels."""
        return self.predict_with_agreement(X)[0]

    def predict_with_agreement(self, X: ArrayLike) -> tuple[FloatVector, FloatVector]:
        """The consensus [n], and how far the columns agree, [n] in 0..1.

        The agreement is exp(-1) at the median spread.
        """
        values = known_rows(self, X, "x_")
        places = self.component_.ranks_.transform(values)
        score = self.component_.of_places(places)[:, 0]
        curve = self.x_, self.z_, self.slope_
        return bend(curve, score), self._agreement(spreads(places))

    def _agreement(self, spread: FloatVector) -> FloatVector:
        return np.asarray(np.exp(-((spread / self.median_spread_) ** 2)))


class Fallback(RegressorMixin, BaseEstimator):
    """Mean of the three best columns, and how far to rely on it for a row.

    The columns are oriented normal scores of ranks. The three with the largest Pearson correlation
    with the label are averaged, and the mean is mapped to the label by least squares. The share is

        u · a^¼,   u = 1 - exp(-(d / 1.75)⁸)

    with the agreement a of the row's columns (:class:`Consensus`) and the distance d from the
    nearest training row, in partly decorrelated normal scores. Its unit is the median over training
    rows of the distance from the nearest row of another group. u is .01 at d = 1, .25 at 1.5 and
    .95 at 2.

    With h, the height of the consensus above the lowest label as a share of the labels' range, the
    share of the consensus is

        (1 - exp(-(d / 2.25)⁸)) · min(1, max(0, (.3 - h) / .15))

    Parameters
    ----------
    n_best : int
        Number of columns averaged, 1 or more; all of them if there are fewer.
    directions : sequence of int [p], optional
        Of :func:`seiqa_models.learners.oriented.signs`.
    random_state : int
        Seed for choosing the rows to keep if there are more than 2000.

    Attributes
    ----------
    oriented_ : OrientedRanks
    best_ : int [n_best]
        Positions of the columns averaged.
    slope_, intercept_ : float
        From their mean to the label.
    places_ : Pipeline
        From columns to the space in which distances are measured.
    rows_ : float32 [kept, p]
        Training rows in that space; float32 is precise enough for distances.
    typical_ : float
        The unit of d.
    span_ : (float, float)
        Lowest and highest label; None in models saved by earlier versions, whose scores never
        follow the consensus for this reason.
    """

    span_: tuple[float, float] | None = None

    def __init__(
        self, n_best: int = 3, directions: Directions = None, random_state: int = 0
    ) -> None:
        self.n_best = n_best
        self.directions = directions
        self.random_state = random_state

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.regressor_tags.poor_score = True  # three columns may have nothing to say
        return tags

    def fit(self, X: ArrayLike, y: ArrayLike, groups: ArrayLike | None = None) -> Fallback:
        """Fit X float [n, p] and y float [n]; by default each row is its own group.

        Raises
        ------
        ValueError
            ``n_best`` is less than 1.
        """
        if self.n_best < 1:
            raise ValueError(f"n_best is {self.n_best}, expected 1 or more")
        checked = validate_data(self, X, y, dtype=np.float64, y_numeric=True, ensure_min_samples=2)
        values, label = checked[0], checked[1].astype(np.float64)
        self.oriented_ = OrientedRanks(directions=self.directions).fit(values, label)
        places = self.oriented_.transform(values)
        related = _covariances(places, label) / (places.std(axis=0) + np.finfo(np.float64).tiny)
        self.best_ = np.argsort(-related, kind="stable")[: self.n_best]
        mean = places[:, self.best_].mean(axis=1)
        slope = float(_covariances(mean[:, None], label)[0]) / (float(mean.var()) or 1.0)
        self.slope_ = max(slope, 0.0)
        self.intercept_ = float(label.mean() - self.slope_ * mean.mean())
        self.span_ = float(label.min()), float(label.max())
        self._fit_distances(values, np.arange(len(values)) if groups is None else groups)
        return self

    def _fit_distances(self, values: FloatMatrix, groups: ArrayLike) -> None:
        shuffled = np.random.default_rng(self.random_state).permutation(len(values))
        kept = np.sort(shuffled[:_MAX_ROWS])
        self.places_ = make_pipeline(RankNormal(), PartialWhitening(_WHITENING)).fit(values)
        self.rows_ = np.asarray(self.places_.transform(values[kept]), np.float32)
        codes = np.asarray(groups)[kept]
        if len(np.unique(codes)) < 2:
            codes = np.arange(len(kept))
        distances = cdist(self.rows_, self.rows_)
        distances[codes[:, None] == codes[None]] = np.inf
        self.typical_ = float(np.median(distances.min(axis=1))) or 1.0

    def predict(self, X: ArrayLike) -> FloatVector:
        """The score from the best columns, float64 [n], in the unit of the labels."""
        values = known_rows(self, X, "rows_")
        mean = self.oriented_.transform(values)[:, self.best_].mean(axis=1)
        return np.asarray(self.intercept_ + self.slope_ * mean)

    def shares(
        self, X: ArrayLike, consensus: FloatVector, agreement: FloatVector
    ) -> tuple[FloatVector, FloatVector]:
        """How far to rely on the best columns, and on the consensus; float64 [n] in 0..1 each.

        ``consensus`` and ``agreement`` float64 [n] are those of
        :meth:`Consensus.predict_with_agreement`.
        """
        values = known_rows(self, X, "rows_")
        places = np.asarray(self.places_.transform(values))
        parts = range(0, len(places), _ROWS_AT_ONCE)
        nearest = np.concatenate(
            [cdist(places[i : i + _ROWS_AT_ONCE], self.rows_).min(axis=1) for i in parts]
        )
        distance = nearest / self.typical_
        unlike, further = (-np.expm1(-((distance / far) ** STEEPNESS)) for far in (FAR, FURTHER))
        return np.asarray(unlike * agreement**0.25), further * self._beyond(consensus)

    def _beyond(self, consensus: FloatVector) -> FloatVector:
        """Whether the consensus [n] is lower than that of nearly all training rows, in 0..1."""
        if self.span_ is None or self.span_[0] == self.span_[1]:
            return np.zeros(len(consensus))
        low, high = self.span_
        height = (consensus - low) / (high - low)
        return np.asarray(np.clip((WITHIN - height) / (WITHIN - BEYOND), 0, 1))


def _covariances(places: FloatMatrix, label: FloatVector) -> FloatVector:
    """Covariance of each column of places [n, p] with the label [n]."""
    return np.asarray(places.T @ (label - label.mean()) / len(label))
