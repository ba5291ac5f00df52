"""ConformalInterval: prediction intervals that are wider for rows unlike the training rows.

Conformal prediction with residuals divided by a row-dependent spread (Papadopoulos, Gammerman and
Vovk, Normalized nonconformity measures for regression conformal prediction, 2008; Lei et al.,
Distribution-Free Predictive Inference for Regression, 2018, section 5.2). The residuals are
out-of-fold, so they are those of new groups. If kinds of distortion are known, a second set comes
from kinds that the learners have not seen, and the interval covers both. The agreement of a row's
columns enters its spread.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import nnls
from scipy.spatial.distance import cdist
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted

from seiqa_models.core.arrays import FloatMatrix, FloatVector, Rows
from seiqa_models.learners.scaling import RankNormal

_NEIGHBOURS = 5

_ROWS_AT_ONCE = 1000  # whose distances to the kept rows are in memory: 16 MB
_MAX_ROWS = 2000
"""Maximum number of training rows kept for measuring distances."""

_FAMILIAR = 0.99
"""Share of training rows that count as familiar."""

_NARROWEST = 0.3
"""Smallest spread, as a share of the mean residual."""

_FURTHEST = 3.0
"""Values are clipped at this many training ranges beyond the training range."""


@dataclass(frozen=True)
class Held:
    """Training rows as predicted by learners that have not seen them.

    ``rows`` are positions; ``known`` are those of rows that the learners may have been fitted on:
    all, for out-of-fold predictions of new groups. ``residuals`` and ``agreement`` are float64, one
    per row.
    """

    rows: Rows
    known: Rows
    residuals: FloatVector
    agreement: FloatVector


class ConformalInterval(BaseEstimator):
    """Half-widths of prediction intervals, and detection of rows unlike every training row.

    The *novelty* of a row is its mean distance to the 5 nearest training rows (of other groups, for
    a training row), in normal scores of the columns; values beyond the training range are
    extrapolated linearly. The spread of a row is a + b · novelty + c · (1 - agreement), fitted by
    least squares to the absolute residuals with a, b, c ≥ 0. For rows with more novelty than 99 %
    of the training rows it grows at least in proportion to the novelty.

    Parameters
    ----------
    random_state : int
        Seed for choosing the rows to keep if there are more than 2000.

    Attributes
    ----------
    ranks_ : RankNormal; rows_ : float32 [kept, p]
    limit_ : float
        The 99 % quantile of the training rows' novelty.
    spread_ : float64 [3]; narrowest_ : float
        a, b and c, and the smallest spread.
    ratios_ : list of float64
        Sorted |residual| / spread: of new groups and, if known, of new groups and kinds.
    """

    def __init__(self, random_state: int = 0) -> None:
        self.random_state = random_state

    def fit(
        self, values: FloatMatrix, groups: Rows, by_group: Held, unseen: Sequence[Held] = ()
    ) -> ConformalInterval:
        """Learn from out-of-fold residuals.

        Parameters
        ----------
        values : float64 [n + m, p]
            Prepared training rows; the labelled ones may be followed by unlabelled ones, which
            count as familiar and have no residual.
        groups : int [n + m]
        by_group : Held
            Every labelled row, predicted out of fold.
        unseen : sequence of Held
            Rows predicted by learners that have seen neither their group nor their kind.
        """
        shuffled = np.random.default_rng(self.random_state).permutation(len(values))
        kept = np.sort(shuffled[:_MAX_ROWS])
        self.ranks_ = RankNormal().fit(values)
        places = np.asarray(self.ranks_.transform(values))
        self.rows_ = places[kept].astype(np.float32)  # half of a bundle's size
        n = len(by_group.rows)
        novelty = _nearest(places[:n], self.rows_, groups[:n, None] == groups[kept][None])
        self.limit_ = float(np.quantile(novelty, _FAMILIAR))
        unseen_novelty = [
            _nearest(
                places[part.rows],
                self.rows_,
                np.broadcast_to(~np.isin(kept, part.known), (len(part.rows), len(kept))),
            )
            for part in unseen
        ]
        sets = [(_terms(novelty, by_group.agreement), novelty, np.abs(by_group.residuals))]
        if unseen:
            far = np.concatenate(unseen_novelty)
            agreement = np.concatenate([part.agreement for part in unseen])
            errors = np.abs(np.concatenate([part.residuals for part in unseen]))
            sets.append((_terms(far, agreement), far, errors))
        terms, _, error = (np.concatenate(parts) for parts in zip(*sets, strict=True))
        self.spread_: FloatVector = nnls(terms, error)[0]
        # If all residuals are 0 any spread works: the interval is the score itself.
        self.narrowest_ = _NARROWEST * float(error.mean()) or 1.0
        self.ratios_ = [np.sort(size / self._spread(of, far)) for of, far, size in sets]
        return self

    def novelty(self, values: FloatMatrix, excess: FloatMatrix) -> FloatVector:
        """Novelty float64 [n] of prepared rows [n, p]; 1 is the training rows' 99 % quantile.

        ``excess`` [n, p] is how far they are outside the training range, from
        :meth:`seiqa_models.stack.preparation.Preparation.transform_with_excess`.
        """
        check_is_fitted(self, "ratios_")
        beyond = 2 * self.ranks_.bound * np.clip(excess, -_FURTHEST, _FURTHEST)
        distance = _nearest(np.asarray(self.ranks_.transform(values)) + beyond, self.rows_)
        return distance / (self.limit_ or 1.0)

    def half_width(
        self, novelty: FloatVector, agreement: FloatVector, coverage: float
    ) -> FloatVector:
        """Half-widths float64 [n] for rows with the given :meth:`novelty` and agreement, each [n].

        Infinite if there are too few residuals for the coverage.

        Raises
        ------
        ValueError
            The coverage is not between 0 and 1.
        """
        if not 0 < coverage < 1:
            raise ValueError(f"coverage is {coverage}, expected a value between 0 and 1")
        factor = max(_conformal_quantile(ratios, coverage) for ratios in self.ratios_)
        distance = novelty * (self.limit_ or 1.0)
        return factor * self._spread(_terms(distance, agreement), distance)

    def _spread(self, terms: FloatMatrix, distance: FloatVector) -> FloatVector:
        spread = np.maximum(terms @ self.spread_, self.narrowest_)
        return np.asarray(spread * np.maximum(distance / (self.limit_ or 1.0), 1.0))


def _terms(distance: FloatVector, agreement: FloatVector) -> FloatMatrix:
    """The terms of the spread, [n, 3]."""
    return np.column_stack([np.ones_like(distance), distance, 1 - agreement])


def _nearest(
    places: FloatMatrix, rows: NDArray[np.float32], skipped: NDArray[np.bool_] | None = None
) -> FloatVector:
    """Mean distance [n] to the nearest rows that are not skipped, divided by √p."""
    nearest = min(_NEIGHBOURS, len(rows))
    means = [np.empty(0)]
    for start in range(0, len(places), _ROWS_AT_ONCE):
        some = slice(start, start + _ROWS_AT_ONCE)
        distances = cdist(places[some], rows) / np.sqrt(max(rows.shape[1], 1))
        if skipped is not None:
            distances[skipped[some]] = np.inf
        first = np.partition(distances, nearest - 1, axis=1)[:, :nearest]
        found = np.isfinite(first)
        total = np.where(found, first, 0.0).sum(axis=1)
        means.append(total / np.maximum(found.sum(axis=1), 1))
    return np.concatenate(means)


def _conformal_quantile(ratios: FloatVector, coverage: float) -> float:
    """The ⌈(n + 1)·coverage⌉-th smallest of n ratios; infinite if there are fewer."""
    rank = int(np.ceil((len(ratios) + 1) * coverage))
    return float(ratios[rank - 1]) if rank <= len(ratios) else np.inf
