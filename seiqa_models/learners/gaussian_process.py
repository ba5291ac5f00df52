"""ExponentialGP: the mean of a Gaussian process with an exponential kernel, or a mean of several.

The roughest of the Matérn kernels did best on unseen references, and is the least sensitive to its
length scale. Rasmussen and Williams, Gaussian Processes for Machine Learning, 2006: eq. 2.25
(mean), 4.18 with γ = 1 (kernel), 5.8 (likelihood), section 4.2.4 (a sum of kernels is a kernel).

Which rows are similar depends on the scale of their columns. Ranks separate small degradations as
well as large ones; plain values show how far a row is from the others. Instead of choosing one, the
kernel is the mean over the scales.

With many rows, the process is replaced by the subset of regressors (same book, section 8.3.1): a
function of m of the rows, fitted to all of them. With the kernels K of these m rows and R of all
rows with them, and the noise ν,

    dual = (RᵀR + νK)⁻¹ Rᵀy        (eq. 8.14)

which is ridge regression on the features of `sklearn.kernel_approximation.Nystroem`.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike
from scipy.linalg import solve
from scipy.spatial.distance import cdist
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.utils.validation import validate_data

from seiqa_models.core.arrays import FloatMatrix, FloatVector, Rows
from seiqa_models.core.frames import known_rows
from seiqa_models.sampling import spread_sample

_LIKELIHOOD_ROWS = 500
"""Rows used to choose the noise: the cost of the decomposition grows with the cube of their
number."""

_ROWS_IN_MEMORY = 10_000
"""Rows whose kernel with the rows of the process is in memory at a time."""

_JITTER = 1e-9
"""Added to the diagonal of RᵀR + νK, as a share of its mean: equal rows would make it singular."""

ROWS_AT_ONCE = 500
"""Kernel rows computed at a time, so that the kernel is held in memory once instead of twice."""


class ExponentialGP(RegressorMixin, BaseEstimator):
    """Mean of a Gaussian process with `exponential_kernel` plus noise.

    The target is centred. The ratio of noise to signal is the one that maximises the likelihood of
    the labels. Inputs must be scaled to about unit size, as in the pool's pipelines.

    Parameters
    ----------
    length : float
        Distance at which the correlation has fallen to 1/e, in units of √p for p columns.
    noises : sequence of float
        Candidate noise variances, in units of the signal's, all positive. Values below .05 appear
        likely if rows of one reference share their errors, but did worse on new references.
    max_rows : int
        With more rows, the subset of regressors is fitted. Up to then time grows with the cube of
        the rows, memory with the square (10 000 rows: 0.8 GB); beyond, time in proportion.
    n_inducing : int
        Rows m of that subset, chosen by `seiqa_models.sampling.spread_sample`.
    n_scales : int
        Number of scales on which the columns are given; the columns of one scale are contiguous.
    random_state : int
        Seed for choosing those rows, and the rows on which the noise is chosen.

    Attributes
    ----------
    rows_ : float64 [n, p]; dual_ : float64 [n]
        n is m above, if the subset of regressors was fitted.
    noise_, target_mean_ : float
    """

    n_inducing: int = 1200  # processes in bundles of earlier versions have none

    def __init__(
        self,
        length: float = 2.0,
        noises: Sequence[float] = (0.05, 0.1, 0.2, 0.5, 1.0),
        max_rows: int = 10_000,
        n_scales: int = 1,
        random_state: int = 0,
        n_inducing: int = 1200,
    ) -> None:
        self.length = length
        self.noises = noises
        self.max_rows = max_rows
        self.n_scales = n_scales
        self.random_state = random_state
        self.n_inducing = n_inducing

    def fit(self, X: ArrayLike, y: ArrayLike, *, groups: ArrayLike | None = None) -> ExponentialGP:
        """Fit X float [n, p] and y float [n], with the rows' groups [n] if they are known."""
        checked = validate_data(self, X, y, dtype=np.float64, y_numeric=True)
        places, label = self._places(checked[0]), checked[1].astype(np.float64)
        few = np.random.default_rng(self.random_state).permutation(len(label))[:_LIKELIHOOD_ROWS]
        few.sort()
        self.noise_ = self._most_likely_noise(places[few], label[few])
        self._fit(places, label, groups)
        return self

    def _fit(self, places: FloatMatrix, label: FloatVector, groups: ArrayLike | None) -> None:
        if len(label) > self.max_rows:
            kept = spread_sample(label, groups, self.n_inducing, self.random_state)
            self._fit_subset(places, label, kept)
        else:
            self._fit_exactly(places, label)

    def _fit_exactly(self, places: FloatMatrix, label: FloatVector) -> None:
        self.rows_: FloatMatrix = places.copy()
        self.target_mean_ = float(label.mean())
        target = label - self.target_mean_
        kernel = self._kernel(self.rows_, self.rows_)
        kernel.flat[:: len(kernel) + 1] += self._row_noise(kernel, target)
        # The transpose of the symmetric kernel has LAPACK's memory order: nothing is copied.
        self.dual_: FloatVector = solve(kernel.T, target, assume_a="pos", overwrite_a=True)

    def _fit_subset(self, places: FloatMatrix, label: FloatVector, kept: Rows) -> None:
        """Fit the subset of regressors, with the rows at positions `kept` as their places."""
        self.rows_ = places[kept]
        self.target_mean_ = float(label.mean())
        normal = self.noise_ * self._kernel(self.rows_, self.rows_)
        projected = np.zeros(len(kept))
        for start in range(0, len(label), _ROWS_IN_MEMORY):
            part = slice(start, start + _ROWS_IN_MEMORY)
            kernel = self._kernel(places[part], self.rows_)
            normal += kernel.T @ kernel
            projected += kernel.T @ (label[part] - self.target_mean_)
        normal.flat[:: len(normal) + 1] += _JITTER * np.trace(normal) / len(normal)
        self.dual_ = solve(normal, projected, assume_a="pos", overwrite_a=True)

    def predict(self, X: ArrayLike) -> FloatVector:
        """Predicted labels float64 [n], in the unit of the training labels."""
        values = known_rows(self, X, "dual_")
        parts = range(0, len(values), _ROWS_IN_MEMORY)
        return np.concatenate(
            [self._predicted(values[start : start + _ROWS_IN_MEMORY]) for start in parts]
        )

    def _predicted(self, values: FloatMatrix) -> FloatVector:
        prediction: FloatVector = self._kernel(self._places(values), self.rows_) @ self.dual_
        return prediction + self.target_mean_

    def _places(self, values: FloatMatrix) -> FloatMatrix:
        """What `_kernel` compares rows by, computed once per row: here its columns."""
        return values

    def _kernel(self, a: FloatMatrix, b: FloatMatrix) -> FloatMatrix:
        return exponential_kernel(a, b, self.length, self.n_scales)

    def _row_noise(self, kernel: FloatMatrix, target: FloatVector) -> FloatVector:  # noqa: ARG002
        """Variance of each row's noise in units of the signal's, [n]: here the same for all."""
        return np.full(len(target), self.noise_)

    def _most_likely_noise(self, rows: FloatMatrix, label: FloatVector) -> float:
        """The noise of largest likelihood, with the optimal signal variance for each candidate."""
        values, vectors = np.linalg.eigh(self._kernel(rows, rows))
        projected = (vectors.T @ (label - label.mean())) ** 2
        spectra = np.maximum(values, 0.0) + np.asarray(self.noises)[:, None]
        tiny = np.finfo(np.float64).tiny
        signal = np.maximum((projected / spectra).mean(axis=1), tiny)
        deviance = np.log(signal) + np.log(spectra).mean(axis=1)
        return float(self.noises[int(np.argmin(deviance))])


def exponential_kernel(
    a: FloatMatrix, b: FloatMatrix, length: float, n_scales: int = 1
) -> FloatMatrix:
    """Mean over the scales of exp(-‖a - b‖ / (length · √p)), for all pairs of rows.

    Parameters
    ----------
    a, b : float64 [n, n_scales · p], [m, n_scales · p]
    length : float
        Distance at which the kernel has fallen to 1/e, in units of √p.
    n_scales : int
        Number of scales of the p columns; the columns of one scale are contiguous.

    Returns
    -------
    float64 [n, m] in 0..1
    """
    kernel: FloatMatrix = np.zeros((len(a), len(b)))
    scales = list(zip(np.split(a, n_scales, axis=1), np.split(b, n_scales, axis=1), strict=True))
    for start in range(0, len(a), ROWS_AT_ONCE):
        rows = slice(start, start + ROWS_AT_ONCE)
        for of_a, of_b in scales:
            distance = cdist(of_a[rows], of_b)
            distance *= -1 / (length * np.sqrt(of_a.shape[1]))
            kernel[rows] += np.exp(distance, out=distance)
    kernel /= n_scales
    return kernel
