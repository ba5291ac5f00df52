"""DisplacementCost: what it costs that a picture has moved.

Pictures are compared after the degraded one was moved back onto its reference, so the other columns
hardly tell how far it had moved. One column does: ``travel``, the root mean square over the picture
of the distance that a pixel has moved. Among a hundred columns no learner gives it enough weight.
So the cost has a term of its own,

    label = what the other columns tell - cost · min(travel, most)

with cost and most from the training rows that have moved: ``cost`` is the median over scenes of the
slope of their labels (repeated medians; Siegel, Biometrika 69, 1982), because a picture that was
moved by mistake can look moved far, and ``most`` the largest travel. The cost is added to the
labels before the learners are fitted, up to the best label, and subtracted from everything that
they predict. Where moved rows are few, or their labels do not fall in nearly all scenes, there is
no such term.

People rate rotated and shifted pictures alike if their pixels have travelled equally far: over both
kinds in RAID (Daudén-Oliver et al., RAID-Dataset: human responses to affine image distortions and
Gaussian noise, Scientific Data, 2026), the SROCC of MOS and travel is -.93.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.stats import siegelslopes
from sklearn.base import BaseEstimator

from seiqa_models.core.arrays import FloatMatrix, FloatVector, Rows

OUTPUT = "travel"
"""Output of an extractor, the last part of its column's name: a share of the diagonal."""

LEAST = 0.003
"""Smallest travel of a row that counts as moved: 2 pixels of 512×384."""

MIN_ROWS, MIN_SCENES = 4, 5
"""Minimum of moved rows of a scene, and of such scenes."""

_NEARLY_ALL = 0.9
"""Minimum share of the scenes in which labels fall."""


class DisplacementCost(BaseEstimator):
    """Cost of a displacement, in the unit of the labels.

    Attributes
    ----------
    places_ : int [k]
        Positions of the columns called ``travel``; the largest of a row's values counts.
    cost_ : float
        Per unit of travel, positive.
    most_ : float
        Largest travel in training.
    """

    def fit(
        self, values: FloatMatrix, y: FloatVector, groups: Rows, columns: Sequence[str]
    ) -> DisplacementCost | None:
        """Fit to prepared rows [n, p] with labels [n], groups [n] and names of the columns.

        Returns
        -------
        DisplacementCost or None
            None without such a column, if moved rows are too few, or if labels do not fall in
            nearly all scenes.
        """
        names = [name.rpartition("__")[2] for name in columns]
        self.places_ = np.flatnonzero(np.array(names) == OUTPUT)
        if not len(self.places_):
            return None
        self.most_ = 1.0
        travel = self.travel(values)
        moved = travel >= LEAST
        slopes = []
        for group in np.unique(groups[moved]):
            rows = moved & (groups == group)
            if rows.sum() >= MIN_ROWS and np.ptp(travel[rows]) > 0:
                slopes.append(siegelslopes(y[rows], travel[rows]).slope)
        if len(slopes) < MIN_SCENES or np.mean(np.less(slopes, 0)) < _NEARLY_ALL:
            return None
        self.cost_, self.most_ = -float(np.median(slopes)), float(travel.max())
        return self

    def travel(self, values: FloatMatrix) -> FloatVector:
        """How far prepared rows [n, p] have moved, float64 [n] in 0..most_."""
        return np.asarray(np.clip(values[:, self.places_].max(axis=1), 0.0, self.most_))

    def predict(self, values: FloatMatrix) -> FloatVector:
        """What the displacement of prepared rows [n, p] costs, float64 [n]."""
        return np.asarray(self.cost_ * self.travel(values))

    def without(self, y: FloatVector, values: FloatMatrix) -> FloatVector:
        """The labels [n] that prepared rows [n, p] would have unmoved, float64 [n]."""
        return np.asarray(np.minimum(y + self.predict(values), y.max()))
