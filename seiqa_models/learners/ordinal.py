"""OrdinalProcess: labels as ordered levels of a smooth latent score.

A latent score f(x) with a Gaussian process prior, observed with logistic noise, falls between two
of the thresholds θ. The odds of passing each threshold are proportional (McCullagh, Regression
models for ordinal data, JRSS B, 1980, eq. 2.4); with a process for f it is the model of Chu and
Ghahramani (Gaussian processes for ordinal regression, JMLR, 2005), with logits instead of probits:

    P(level of x ≤ j) = σ(θ_j - f(x))

Only the order of the levels counts, not the distances between them, and the latent score can extend
beyond both ends of the label scale. Laboratories divide their scales differently, so that every
collection has thresholds of its own on a common latent score: only rows of one collection are
compared. With σ(u) - σ(l) = σ(u) σ(-l) (1 - exp(l - u)) likelihood, gradient and curvature are sums
of plain logistic terms.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike
from scipy.linalg import cholesky, solve_triangular
from scipy.special import expit
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.utils.validation import validate_data

from seiqa_models.core.arrays import FloatMatrix, FloatVector, Rows
from seiqa_models.core.frames import known_rows
from seiqa_models.learners.gaussian_process import exponential_kernel
from seiqa_models.learners.odds import Parts, largest_posterior, log_evidence
from seiqa_models.sampling import spread_sample

_EVIDENCE_ROWS = 400
"""Rows on which the noise is chosen: each candidate takes a fit."""

_LOGISTIC_VARIANCE = np.pi**2 / 3

_JITTER = 1e-8
"""Added to the kernel's diagonal, because duplicate rows would make it singular."""


class OrdinalProcess(RegressorMixin, BaseEstimator):
    """Proportional odds on a latent Gaussian process; predicts the expected label.

    The kernel is `seiqa_models.learners.gaussian_process.exponential_kernel`, so inputs must be
    scaled to about unit size. Latent score and thresholds maximise the posterior density.

    Parameters
    ----------
    levels : int
        Labels with at most this many distinct values keep them as levels. Others are cut at their
        quantiles into this many levels of about equal size; of TID2013's labels, 6 levels cost
        about .008 final against 30, and 12 about .003.
    length : float
        Distance at which the correlation has fallen to 1/e, in units of √p for p columns.
    noises : sequence of float
        Candidate noise variances, in units of the signal's, all positive. The one with the largest
        evidence (Laplace's approximation) is chosen.
    max_rows : int
        With more rows, so many are fitted, chosen by
        `seiqa_models.sampling.spread_sample`: time grows with the cube of their number.
    n_scales : int
        Number of scales on which the columns are given; the columns of one scale are contiguous.
    random_state : int
        Seed for choosing those rows, and the rows on which the noise is chosen.

    Attributes
    ----------
    level_means_ : float64 [levels]
        Mean training label of each level, ascending; of several collections, one after the other.
    thresholds_ : float64 [levels - 1]
        Ascending, on the scale of the latent score; of several collections, one after the other.
    lowest_ : float; gains_ : float64 [thresholds]
        Expected label of the lowest latent score, and what passing each threshold adds to it.
    rows_ : float64 [n, p]; dual_ : float64 [n]
    noise_ : float
    """

    def __init__(
        self,
        levels: int = 30,
        length: float = 2.0,
        noises: Sequence[float] = (0.05, 0.1, 0.2, 0.5, 1.0, 2.0),
        max_rows: int = 3000,
        n_scales: int = 1,
        random_state: int = 0,
    ) -> None:
        self.levels = levels
        self.length = length
        self.noises = noises
        self.max_rows = max_rows
        self.n_scales = n_scales
        self.random_state = random_state

    def fit(
        self,
        X: ArrayLike,
        y: ArrayLike,
        collections: ArrayLike | None = None,
        groups: ArrayLike | None = None,
    ) -> OrdinalProcess:
        """Fit the process.

        Parameters
        ----------
        X : array-like of float [n, p]
        y : array-like of float [n]
        collections : array-like of int [n], optional
            Code of each row's collection. A prediction is the mean of what the collections' levels
            lead to expect, by their numbers of rows.
        groups : array-like [n], optional
            Of which the rows are, for the choice of `max_rows`.
        """
        checked = validate_data(self, X, y, dtype=np.float64, y_numeric=True)
        alone = np.zeros(len(checked[0]))
        codes = np.asarray(alone if collections is None else collections, dtype=np.int64)
        order = np.random.default_rng(self.random_state).permutation(len(checked[0]))
        kept = spread_sample(checked[1], groups, self.max_rows, self.random_state)
        few = np.sort(order[:_EVIDENCE_ROWS])
        self.noise_ = self._most_evident_noise(checked[0][few], checked[1][few], codes[few])
        self.rows_: FloatMatrix = checked[0][kept]
        label: FloatVector = checked[1][kept].astype(np.float64)
        parts = _parts(label, codes[kept], self.levels)
        root = self._root(self.rows_)
        weights, thresholds = largest_posterior(root * _scale(self.noise_), parts)
        self.thresholds_: FloatVector = np.concatenate(thresholds)
        means = [np.bincount(level, label[rows]) / np.bincount(level) for rows, level in parts]
        shares = [len(rows) / len(label) for rows, _ in parts]
        self.level_means_: FloatVector = np.concatenate(means)
        self.lowest_ = float(sum(share * own[0] for share, own in zip(shares, means, strict=True)))
        self.gains_: FloatVector = np.concatenate(
            [share * np.diff(own) for share, own in zip(shares, means, strict=True)]
        )
        dual = solve_triangular(root, weights, lower=True, trans=1)
        self.dual_: FloatVector = _scale(self.noise_) * dual
        return self

    def predict(self, X: ArrayLike) -> FloatVector:
        """Expected labels float64 [n], between the lowest and the highest level's mean."""
        values = known_rows(self, X, "dual_")
        latent: FloatVector = self._kernel(values, self.rows_) @ self.dual_
        # Σ_j P(j) mean_j, summed by parts: the gain at each threshold times its probability.
        passed = expit(latent[:, None] - self.thresholds_)
        expected: FloatVector = self.lowest_ + passed @ self.gains_
        return expected

    def _kernel(self, a: FloatMatrix, b: FloatMatrix) -> FloatMatrix:
        return exponential_kernel(a, b, self.length, self.n_scales)

    def _root(self, rows: FloatMatrix) -> FloatMatrix:
        """Lower Cholesky factor of the kernel."""
        kernel = self._kernel(rows, rows)
        kernel.flat[:: len(kernel) + 1] += _JITTER
        root: FloatMatrix = cholesky(kernel, lower=True, overwrite_a=True)
        return root

    def _most_evident_noise(self, rows: FloatMatrix, label: FloatVector, codes: Rows) -> float:
        parts, root = _parts(label, codes, self.levels), self._root(rows)
        evidence = [log_evidence(root * _scale(noise), parts) for noise in self.noises]
        return float(self.noises[int(np.argmax(evidence))])


def _scale(noise: float) -> float:
    """Standard deviation of the latent score if the noise is standard logistic."""
    return float(np.sqrt(_LOGISTIC_VARIANCE / noise))


def _levels(label: FloatVector, most: int) -> Rows:
    """Level of each label, int [n] from 0 without gaps: by its value or its quantile."""
    values, level = np.unique(label, return_inverse=True)
    if len(values) <= most:
        return level
    cuts = np.quantile(label, np.arange(1, most) / most)
    return np.unique(np.searchsorted(cuts, label), return_inverse=True)[1]


def _parts(label: FloatVector, codes: Rows, most: int) -> Parts:
    """Positions of each collection's rows, and their levels."""
    rows = [np.flatnonzero(codes == code) for code in np.unique(codes)]
    return [(own, _levels(label[own], most)) for own in rows]
