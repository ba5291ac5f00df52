"""A few components of many columns: what the metrics agree on, and how far they agree.

The components of small variance mostly describe the training scenes. With only a few scenes, a
learner cannot tell this from quality, so learners that read only the first components transfer
better to pictures from elsewhere.

The columns come as oriented normal scores of their ranks. The *spread* of a row is the standard
deviation of its columns, which is small where all metrics agree. Components are found on the rows
whose columns agree and applied to all rows, because changes of contrast, brightness and saturation,
which no metric measures well, would distort them.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import validate_data

from seiqa_models.core.arrays import FloatMatrix, FloatVector
from seiqa_models.core.errors import TableError
from seiqa_models.core.frames import known_rows
from seiqa_models.learners.oriented import Directions, OrientedRanks

AGREEING = 0.7
"""A training row's columns count as agreeing if its spread is below this quantile."""


class OrientedComponents(TransformerMixin, BaseEstimator):
    """The first principal components of oriented ranks, in units of the first one's deviation.

    Parameters
    ----------
    n_components : int
        Number of components kept; all of them if there are fewer columns.
    agreeing : float
        Share of the training rows, those with the smallest spread, that the components are found
        on; in (0, 1].
    directions : sequence of int [p], optional
        Of :func:`seiqa_models.learners.oriented.signs`.

    Attributes
    ----------
    ranks_ : OrientedRanks
    centre_ : float64 [p]
    axes_ : float64 [p, components]
        Divided by the first component's standard deviation over the agreeing rows. More of the
        first component is better.
    limit_ : float
        Spread up to which rows took part.
    """

    def __init__(
        self, n_components: int = 8, agreeing: float = AGREEING, directions: Directions = None
    ) -> None:
        self.n_components = n_components
        self.agreeing = agreeing
        self.directions = directions

    def fit(self, X: ArrayLike, y: ArrayLike) -> OrientedComponents:
        """Fit the components of X float [n, p], oriented by directions or labels y float [n].

        Raises
        ------
        TableError
            There are fewer rows than components.
        ValueError
            A parameter is out of range.
        """
        if self.n_components < 1:
            raise ValueError(f"n_components is {self.n_components}, expected 1 or more")
        if not 0 < self.agreeing <= 1:
            raise ValueError(f"agreeing is {self.agreeing}, expected a share in (0, 1]")
        checked = validate_data(self, X, y, dtype=np.float64, y_numeric=True, ensure_min_samples=2)
        if len(checked[0]) < self.n_components:
            raise TableError(
                f"{self.n_components} components need as many rows, and a training part has"
                f" {len(checked[0])}: add labelled pairs, or leave out the members that read them"
                f" (…@{self.n_components})"
            )
        self.ranks_ = OrientedRanks(directions=self.directions).fit(*checked)
        places = self.ranks_.transform(checked[0])
        spread = spreads(places)
        self.limit_ = float(np.quantile(spread, self.agreeing))
        agreeing = places[spread <= self.limit_]
        self.centre_ = agreeing.mean(axis=0)
        _, sizes, axes = np.linalg.svd(agreeing - self.centre_, full_matrices=False)
        kept = axes[: self.n_components]
        # The sign of a component is arbitrary: the larger share of its columns decides.
        turned = kept * np.where(kept.sum(axis=1, keepdims=True) < 0, -1.0, 1.0)
        self.axes_: FloatMatrix = turned.T / (sizes[0] / np.sqrt(len(agreeing)) or 1.0)
        return self

    def transform(self, X: ArrayLike) -> FloatMatrix:
        """Components float64 [n, components] of rows X float [n, p]."""
        values = known_rows(self, X, "axes_")
        return self.of_places(self.ranks_.transform(values))

    def of_places(self, places: FloatMatrix) -> FloatMatrix:
        """The same of rows that are oriented ranks already, those of ``ranks_``."""
        return np.asarray((places - self.centre_) @ self.axes_)


def spreads(places: FloatMatrix) -> FloatVector:
    """Standard deviation float64 [n] of each row of oriented normal scores [n, p]."""
    return np.asarray(places.std(axis=1))
