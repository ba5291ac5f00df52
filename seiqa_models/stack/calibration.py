"""MonotoneCalibration: maps the fused score to the label's scale and keeps its order."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.utils.validation import check_is_fitted

from seiqa_models.core.arrays import FloatVector
from seiqa_models.core.curves import IDENTITY, Curve, bend, rising_curve
from seiqa_models.core.metrics import plcc
from seiqa_models.core.splits import make_folds

_ROWS_PER_KNOT = 50
_MAX_KNOTS = 4

_CV_FOLDS = 5


class MonotoneCalibration(RegressorMixin, BaseEstimator):
    """Strictly increasing piecewise linear map from a score to the label, or the identity.

    Rows are sorted by score and cut into parts of equal size. The knots are the parts' mean scores
    and mean labels, with the labels made increasing (isotonic regression). Beyond the outer knots
    the curve continues with its overall slope. PLCC can change, ranks cannot. The curve is kept
    only if curves fitted on some groups raise the PLCC of the others: if the learners match the
    scale already, bending it cost up to .001.

    Attributes
    ----------
    x_, z_ : float64 [knots]
        Scores and labels of the knots; a single knot at 0 is the identity.
    slope_ : float
        From the first knot to the last.
    """

    def fit(
        self, scores: ArrayLike, y: ArrayLike, groups: ArrayLike | None = None
    ) -> MonotoneCalibration:
        """Fit to out-of-fold scores [n] and labels [n]; by default each row is its own group."""
        score, label = np.asarray(scores, np.float64), np.asarray(y, np.float64)
        codes = np.arange(len(score)) if groups is None else np.asarray(groups)
        curve = _curve(score, label)
        if len(curve[0]) > 1 and not _helps(score, label, codes):
            curve = IDENTITY
        self.x_, self.z_, self.slope_ = curve
        return self

    def predict(self, scores: ArrayLike) -> FloatVector:
        """Calibrated scores float64 [n], ranked as the raw ones."""
        check_is_fitted(self, "x_")
        return bend((self.x_, self.z_, self.slope_), np.asarray(scores, dtype=np.float64))


def _curve(score: FloatVector, label: FloatVector) -> Curve:
    """The curve through the knots; the identity for few rows or uninformative scores."""
    n_knots = int(np.clip(len(score) // _ROWS_PER_KNOT, 1, _MAX_KNOTS))
    return rising_curve(score, label, n_knots)


def _helps(score: FloatVector, label: FloatVector, groups: ArrayLike) -> bool:
    """Whether curves fitted on other groups raise the pooled PLCC of held-out scores."""
    if len(np.unique(np.asarray(groups))) < 2:
        return False
    bent = np.empty_like(score)
    for train, test in make_folds(groups, n_splits=_CV_FOLDS, seed=0):
        bent[test] = bend(_curve(score[train], label[train]), score[test])
    return plcc(label, bent) > plcc(label, score)
