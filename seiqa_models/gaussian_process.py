"""ExponentialGP: the mean of a Gaussian process with an exponential kernel.

Of the Matérn kernels the roughest served unseen references best, and is the least sensitive to its
length. Rasmussen and Williams, Gaussian Processes for Machine Learning, 2006: eq. 2.25 (mean), 4.18
with γ = 1 (kernel), 5.8 (likelihood).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike
from scipy.linalg import solve
from scipy.spatial.distance import cdist
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.utils.validation import check_is_fitted, validate_data

from seiqa_models.arrays import FloatMatrix, FloatVector

_LIKELIHOOD_ROWS = 500
"""Rows on which the noise is chosen: its decomposition costs the cube of their number."""


class ExponentialGP(RegressorMixin, BaseEstimator):
    """Mean of a Gaussian process with kernel exp(-‖a - b‖ / (length · √p)) plus noise.

    The target is centred. The ratio of noise to signal is the one under which the labels are
    most likely. Inputs must come scaled to about unit size, as the pool's pipelines do.

    Parameters
    ----------
    length : float
        Distance at which the correlation has fallen to 1/e, in units of √p, p columns.
    noises : sequence of float
        Variances of the noise to choose from, in units of the signal's, all positive. Less than
        .05 looks likely where rows of one reference share their errors, and served new ones worse.
    max_rows : int
        With more rows, a random choice of so many is fitted: time grows with their cube, memory
        with their square (10 000 rows: 0.8 GB).
    random_state : int
        Seed of that choice, and of the rows on which the noise is chosen.

    Attributes
    ----------
    rows_ : float64 [n, p]; dual_ : float64 [n]
    noise_, target_mean_ : float
    """

    def __init__(
        self,
        length: float = 2.0,
        noises: Sequence[float] = (0.05, 0.1, 0.2, 0.5, 1.0),
        max_rows: int = 10_000,
        random_state: int = 0,
    ) -> None:
        self.length = length
        self.noises = noises
        self.max_rows = max_rows
        self.random_state = random_state

    def fit(self, X: ArrayLike, y: ArrayLike) -> ExponentialGP:
        """Fit X float [n, p] and y float [n]."""
        checked = validate_data(self, X, y, dtype=np.float64, y_numeric=True)
        order = np.random.default_rng(self.random_state).permutation(len(checked[0]))
        kept = np.sort(order[: self.max_rows])
        self.rows_: FloatMatrix = checked[0][kept]
        label: FloatVector = checked[1][kept].astype(np.float64)
        self.target_mean_ = float(label.mean())
        target = label - self.target_mean_
        few = np.sort(order[:_LIKELIHOOD_ROWS])
        self.noise_ = self._most_likely_noise(checked[0][few], checked[1][few])
        kernel = exponential_kernel(self.rows_, self.rows_, self.length)
        kernel.flat[:: len(kernel) + 1] += self._row_noise(kernel, target)
        # The transpose of the symmetric kernel has the order LAPACK wants: nothing is copied.
        self.dual_: FloatVector = solve(kernel.T, target, assume_a="pos", overwrite_a=True)
        return self

    def predict(self, X: ArrayLike) -> FloatVector:
        """Predicted labels float64 [n], in the unit of the training labels."""
        check_is_fitted(self, "dual_")
        values: FloatMatrix = validate_data(self, X, dtype=np.float64, reset=False)
        kernel = exponential_kernel(values, self.rows_, self.length)
        prediction: FloatVector = kernel @ self.dual_
        return prediction + self.target_mean_

    def _row_noise(self, kernel: FloatMatrix, target: FloatVector) -> FloatVector:  # noqa: ARG002
        """Variance of each row's noise in units of the signal's, [n]: the same for all."""
        return np.full(len(target), self.noise_)

    def _most_likely_noise(self, rows: FloatMatrix, label: FloatVector) -> float:
        """The noise with the largest likelihood, the signal's variance at its best for each."""
        values, vectors = np.linalg.eigh(exponential_kernel(rows, rows, self.length))
        projected = (vectors.T @ (label - label.mean())) ** 2
        spectra = np.maximum(values, 0.0) + np.asarray(self.noises)[:, None]
        tiny = np.finfo(np.float64).tiny
        signal = np.maximum((projected / spectra).mean(axis=1), tiny)
        deviance = np.log(signal) + np.log(spectra).mean(axis=1)
        return float(self.noises[int(np.argmin(deviance))])


def exponential_kernel(a: FloatMatrix, b: FloatMatrix, length: float) -> FloatMatrix:
    """exp(-‖a - b‖ / (length · √p)) of all pairs of rows of a [n, p] and b [m, p]: [n, m]."""
    kernel: FloatMatrix = cdist(a, b)
    kernel *= -1 / (length * np.sqrt(a.shape[1]))
    return np.exp(kernel, out=kernel)
