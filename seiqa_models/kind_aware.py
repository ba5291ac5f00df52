"""KindAwareGP: rows whose kinds of distortion are probably the same count as more alike.

A metric that serves one kind of distortion well can mislead on another: contrast and blur of equal
SSIM do not look equally bad. Where the training rows' kinds are known, their columns also tell
which kind a new row is likely to have: linear discriminant analysis with shrinkage (Ledoit and
Wolf, A well-conditioned estimator for large-dimensional covariance matrices, 2004) gives every row
the probabilities p(k) of the kinds k. Two rows are then compared by

    κ(a, b) · (1 - s + s · Σₖ √(pₐ(k) · p_b(k)))

with the kernel κ of :class:`seiqa_models.gaussian_process.ExponentialGP` and a share s. The sum is
the Bhattacharyya coefficient (On a measure of divergence between two multinomial populations,
1946), 1 for equal probabilities and 0 for kinds told apart for certain. As an inner product it is a
kernel, and so are its mean with a constant and the product of the two (Rasmussen and Williams,
Gaussian Processes for Machine Learning, 2006, section 4.2.4).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

from seiqa_models.arrays import FloatMatrix
from seiqa_models.gaussian_process import ROWS_AT_ONCE, ExponentialGP


class KindAwareGP(ExponentialGP):
    """An :class:`ExponentialGP` that reads the kind of distortion from the columns.

    Kinds are needed in fit only. Without them, or where fewer than two kinds have two rows or more
    (one row does not show how its kind varies), it is the plain process.

    Parameters
    ----------
    length, noises, max_rows, n_scales, random_state
        Of :class:`ExponentialGP`.
    kind_share : float
        s above, in 0..1. From .1 to .5 all served held-out references about equally well.

    Attributes
    ----------
    kinds_ : LinearDiscriminantAnalysis or None
    """

    def __init__(
        self,
        length: float = 2.0,
        noises: Sequence[float] = (0.05, 0.1, 0.2, 0.5, 1.0),
        max_rows: int = 10_000,
        kind_share: float = 0.2,
        n_scales: int = 1,
        random_state: int = 0,
    ) -> None:
        super().__init__(length, noises, max_rows, n_scales, random_state)
        self.kind_share = kind_share

    def fit(self, X: ArrayLike, y: ArrayLike, kinds: ArrayLike | None = None) -> KindAwareGP:
        """Fit X float [n, p], y float [n] and kinds [n], numbers or text."""
        self.kinds_ = None if kinds is None else _discriminant(np.asarray(X), np.asarray(kinds))
        super().fit(X, y)
        return self

    def _kernel(self, a: FloatMatrix, b: FloatMatrix) -> FloatMatrix:
        kernel = super()._kernel(a, b)
        if self.kinds_ is not None:
            of_a, of_b = (np.sqrt(self.kinds_.predict_proba(rows)) for rows in (a, b))
            for start in range(0, len(a), ROWS_AT_ONCE):
                rows = slice(start, start + ROWS_AT_ONCE)
                kernel[rows] *= 1 - self.kind_share + self.kind_share * (of_a[rows] @ of_b.T)
        return kernel


def _discriminant(X: FloatMatrix, kinds: ArrayLike) -> LinearDiscriminantAnalysis | None:
    """Fitted to the rows whose kind has another row; None if these are fewer than two kinds."""
    names, codes, counts = np.unique(np.asarray(kinds), return_inverse=True, return_counts=True)
    telling = counts[codes] > 1
    if (counts > 1).sum() < 2:
        return None
    analysis = LinearDiscriminantAnalysis(solver="lsqr", shrinkage="auto")
    return analysis.fit(X[telling], names[codes[telling]])
