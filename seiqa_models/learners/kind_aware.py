"""KindAwareGP: rows that probably have the same kind of distortion count as more similar.

A metric that works for one kind of distortion can mislead on another: contrast and blur of equal
SSIM do not look equally bad. If the training rows' kinds are known, the likely kind of a new row
can be inferred from its columns. Linear discriminant analysis gives the probabilities

    p(k) ∝ π(k) · exp(-d²(k) / 2t),   t = max(1, min d² / typical min d²)

with π(k) the share of kind k in training and d(k) the Mahalanobis distance from its mean under the
covariance within kinds, shrunk (Ledoit and Wolf, A well-conditioned estimator for large-dimensional
covariance matrices, 2004). t is our addition. It widens the kinds until the nearest one is no
further than it is for the median training row, so that a row unlike all kinds is not assigned to
one with certainty. Two rows are then compared by

    κ(a, b) · (1 - s + s · Σₖ √(pₐ(k) · p_b(k)))

with the kernel κ of `seiqa_models.learners.gaussian_process.ExponentialGP` and a share s. The sum
is the Bhattacharyya coefficient (On a measure of divergence between two multinomial populations,
1946), 1 for equal probabilities and 0 for rows that certainly differ in kind. As an inner product
it is a kernel, and so are its mean with a constant and the product of the two (Rasmussen and
Williams, Gaussian Processes for Machine Learning, 2006, section 4.2.4).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike
from scipy.spatial.distance import cdist
from scipy.special import softmax
from sklearn.covariance import LedoitWolf

from seiqa_models.core.arrays import FloatMatrix, FloatVector
from seiqa_models.learners.gaussian_process import ROWS_AT_ONCE, ExponentialGP


class KindAwareGP(ExponentialGP):
    """An `ExponentialGP` that infers the kind of distortion from the columns.

    Kinds are needed in fit only; without them it is the plain process. Compared with that, final on
    held-out references rose by .0046 on the TID2013 table (24 kinds) and by .0046 and .0012 on 10
    references each of KADID-10k (25); with 6 kinds, rendered TID2013 pairs, it fell by .0004. On
    kinds absent from training it changed by +.012, +.002, -.009 and -.026. There a stack relies on
    its other learners (`robustness.py`). Without t it was .0005 lower for new references and .009
    lower for new kinds. It gained .0015 on all 81 references of KADID-10k, of which at most 20 were
    used in these choices, and .007 on tokens of ViT-Tiny (rendered TID2013), which were not used.

    Parameters
    ----------
    length, noises, max_rows, n_scales, random_state, n_inducing
        Of `ExponentialGP`.
    kind_share : float
        s above, in 0..1. All values from .1 to .3 did about equally well on held-out references.

    Attributes
    ----------
    knows_kinds_ : bool
        Whether fit was given kinds; if not, the following four attributes are absent.
    shares_ : float64 [kinds]
        π above.
    means_ : float64 [kinds, p]
        Of each kind, after `whitening_`.
    whitening_ : float64 [p, p]
        Makes the covariance within kinds the identity.
    typical_ : float
        Squared distance of the median training row from its nearest kind.
    rows_ : float64 [n, p + kinds]
        √p(k) beside the columns; [n, p] without kinds.
    """

    def __init__(
        self,
        length: float = 2.0,
        noises: Sequence[float] = (0.05, 0.1, 0.2, 0.5, 1.0),
        max_rows: int = 10_000,
        kind_share: float = 0.2,
        n_scales: int = 1,
        random_state: int = 0,
        n_inducing: int = 1200,
    ) -> None:
        super().__init__(length, noises, max_rows, n_scales, random_state, n_inducing)
        self.kind_share = kind_share

    def fit(
        self,
        X: ArrayLike,
        y: ArrayLike,
        kinds: ArrayLike | None = None,
        *,
        groups: ArrayLike | None = None,
    ) -> KindAwareGP:
        """Fit X float [n, p], y float [n], and kinds and groups [n], numbers or text."""
        self.knows_kinds_ = kinds is not None
        if kinds is not None:
            self._fit_kinds(np.asarray(X, dtype=np.float64), kinds)
        super().fit(X, y, groups=groups)
        return self

    def _fit_kinds(self, rows: FloatMatrix, kinds: ArrayLike) -> None:
        names, codes = np.unique(np.asarray(kinds), return_inverse=True)
        means = np.stack([rows[codes == code].mean(axis=0) for code in range(len(names))])
        within = LedoitWolf(assume_centered=True).fit(rows - means[codes])
        # Not by Cholesky: kinds of equal rows, or of one row each, have no variance.
        values, vectors = np.linalg.eigh(within.precision_)
        self.whitening_: FloatMatrix = vectors * np.sqrt(np.maximum(values, 0))
        self.means_: FloatMatrix = means @ self.whitening_
        self.shares_: FloatVector = np.bincount(codes) / len(codes)
        self.typical_ = float(np.median(self._distances(rows).min(axis=1))) or 1.0

    def _distances(self, rows: FloatMatrix) -> FloatMatrix:
        return np.asarray(cdist(rows @ self.whitening_, self.means_, "sqeuclidean"))

    def _kind_probabilities(self, rows: FloatMatrix) -> FloatMatrix:
        """p above of rows [n, p], float64 [n, kinds]."""
        distances = self._distances(rows)
        widening = np.maximum(1, distances.min(axis=1, keepdims=True) / self.typical_)
        return np.asarray(softmax(np.log(self.shares_) - distances / (2 * widening), axis=1))

    def _places(self, values: FloatMatrix) -> FloatMatrix:
        if not self.knows_kinds_:
            return values
        return np.hstack([values, np.sqrt(self._kind_probabilities(values))])

    def _kernel(self, a: FloatMatrix, b: FloatMatrix) -> FloatMatrix:
        p = self.n_features_in_
        kernel = super()._kernel(a[:, :p], b[:, :p])
        if self.knows_kinds_:
            for start in range(0, len(a), ROWS_AT_ONCE):
                rows = slice(start, start + ROWS_AT_ONCE)
                kernel[rows] *= 1 - self.kind_share + self.kind_share * (a[rows, p:] @ b[:, p:].T)
        return kernel
