"""Blend: the members' fusion, their low-rank part and the consensus, weighed for the purpose.

What serves new scenes of one's own collection and what serves pictures from anywhere differ. *Home*
trusts what groups left out say. *Abroad* nothing measured at home can say how far the small
components of the columns are to be trusted, so members that do not see them get a stated share.

On top comes the consensus of the columns, as far as they agree:

    score = (1 - w) · learned + w · consensus,   w = gate · agreement

(see :mod:`seiqa_models.learners.consensus`). At home the gate is opened as far as that costs
nothing on groups left out; abroad it is a stated half.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted, has_fit_parameter

from seiqa_models.core.arrays import FloatVector, Rows
from seiqa_models.core.metrics import final_score
from seiqa_models.fusions.protocol import HeldOut
from seiqa_models.stack.calibration import MonotoneCalibration
from seiqa_models.stack.pool import AGREEMENT, CONSENSUS
from seiqa_models.stack.representations import components_of

PURPOSES = ("home", "abroad")

LOW_RANK_SHARE = 2 / 3
"""Share abroad of the members that read components, the rest being the fusion's."""

GATES = (0.0, 0.25, 0.5)
"""Largest share of the consensus, tried at home; abroad it is the last."""


class Blend(BaseEstimator):
    """From the predictions of a pool to the score, in the unit of the labels.

    Parameters
    ----------
    purpose : {"home", "abroad"}
    consensus : bool
        Whether the consensus has a part in the score.
    calibrate : bool
        Whether :class:`seiqa_models.stack.calibration.MonotoneCalibration` comes last.

    Attributes
    ----------
    members_ : list of str
    fusion_ : Fusion, fitted
    share_, gate_ : float
        Of the low-rank members, and of the consensus where the columns agree fully.
    weights_ : dict of float by member, sum 1; None where the fusion has no weights
        Of what is learned, the low-rank share included.
    calibration_ : MonotoneCalibration or None
    """

    def __init__(
        self, purpose: str = "home", consensus: bool = True, calibrate: bool = True
    ) -> None:
        self.purpose = purpose
        self.consensus = consensus
        self.calibrate = calibrate

    def fit(
        self,
        fusion: Any,
        predictions: pd.DataFrame,
        members: Sequence[str],
        y: FloatVector,
        groups: Rows,
        unseen: HeldOut | None = None,
    ) -> Blend:
        """Fit on out-of-fold predictions.

        Parameters
        ----------
        fusion : Fusion
            Unfitted; it is fitted in place.
        predictions : DataFrame of float64
            What :meth:`seiqa_models.stack.pool.FittedPool.predict` gives for held-out rows.
        members : sequence of str
            The columns that are fused.
        y : float64 [n]
        groups : int [n]
        unseen : HeldOut, optional
            The same, of rows whose groups and kinds no member had met.

        Raises
        ------
        ValueError
            The purpose is unknown.
        """
        if self.purpose not in PURPOSES:
            raise ValueError(f"purpose is {self.purpose!r}, expected home or abroad")
        self.members_ = list(members)
        abroad = self.purpose == "abroad"
        extra = {}
        if unseen is not None and has_fit_parameter(fusion, "unseen"):
            known = pd.DataFrame(unseen.predictions)[self.members_]
            extra["unseen"] = HeldOut(known, unseen.y, unseen.groups)
        self.fusion_ = fusion.fit(predictions[self.members_], y, groups, **extra)
        self.share_ = LOW_RANK_SHARE if abroad and self._low_rank() else 0.0
        self.weights_ = self._weights()
        self.gate_ = 0.0
        if self.consensus:
            self.gate_ = GATES[-1] if abroad else self._free_gate(predictions, y)
        fused = self._fused(predictions, self.gate_)
        calibration = MonotoneCalibration().fit(fused, y, groups)
        self.calibration_ = calibration if self.calibrate else None
        return self

    def predict(self, predictions: pd.DataFrame) -> FloatVector:
        """Scores float64 [n] of a pool's predictions, not clipped."""
        check_is_fitted(self, "gate_")
        fused = self._fused(predictions, self.gate_)
        return fused if self.calibration_ is None else self.calibration_.predict(fused)

    def _fused(self, predictions: pd.DataFrame, gate: float) -> FloatVector:
        learned = np.asarray(self.fusion_.predict(predictions[self.members_]), dtype=np.float64)
        if self.share_:
            low_rank = predictions[self._low_rank()].to_numpy().mean(axis=1)
            learned = (1 - self.share_) * learned + self.share_ * low_rank
        w = gate * predictions[AGREEMENT].to_numpy()
        return np.asarray((1 - w) * learned + w * predictions[CONSENSUS].to_numpy())

    def _free_gate(self, predictions: pd.DataFrame, y: FloatVector) -> float:
        """The widest gate that loses nothing against none at all."""
        finals = [final_score(y, self._fused(predictions, gate)) for gate in GATES]
        return max(g for g, final in zip(GATES, finals, strict=True) if final >= finals[0])

    def _low_rank(self) -> list[str]:
        return [name for name in self.members_ if components_of(name) is not None]

    def _weights(self) -> dict[str, float] | None:
        own = getattr(self.fusion_, "weights_", None)
        if own is None:
            return None
        low_rank = self._low_rank()
        return {
            name: float(
                (1 - self.share_) * weight
                + (self.share_ / len(low_rank) if name in low_rank else 0.0)
            )
            for name, weight in zip(self.members_, own, strict=True)
        }
