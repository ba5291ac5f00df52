"""Blend: the members' predictions and the columns' consensus, combined for the purpose.

New scenes of the same collection and pictures from anywhere need different weights. *Home* uses
weights fitted on held-out groups. *Abroad* gives all members equal weight, because weights from one
collection do not transfer: from TID2013's pictures to LIVE's, weights fitted on TID2013's scenes
gave a final of .958, equal ones .967. The members that see only a few components then have a fixed
share: their proportion of the pool. With several collections, transfer can be measured: each is
predicted by members that have seen only the others, and weights and gate are those that rank these
predictions best, if weights fitted on the other collections beat equal ones.

The consensus of the columns contributes as far as they agree:

    score = (1 - w) · learned + w · consensus,   w = gate · agreement

(see :mod:`seiqa_models.learners.consensus`). At home the gate is the largest that costs nothing on
held-out groups; abroad, with one collection, it is one half. For a row unlike every training row,
the best columns then replace the score in part:

    score = (1 - f · share) · score + f · share · fallback

(see :class:`seiqa_models.learners.consensus.Fallback`). If it is also worse than nearly all
training rows, the consensus replaces the score in part, in the same way. At home f is the largest
that costs no more than .001 on held-out groups; abroad it is 1. See
docs/explanation/new-kinds.md for figures.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, clone
from sklearn.utils.validation import check_is_fitted, has_fit_parameter

from seiqa_models.core.arrays import FloatMatrix, FloatVector, Rows
from seiqa_models.core.columns import (
    AGREEMENT,
    BEYOND_SHARE,
    CONSENSUS,
    FALLBACK,
    FALLBACK_SHARE,
)
from seiqa_models.core.metrics import final_score, srocc
from seiqa_models.fusions.protocol import HeldOut
from seiqa_models.fusions.registry import named
from seiqa_models.fusions.weighted import MeanFusion
from seiqa_models.plugins.calls import fit_named, predict_named
from seiqa_models.stack.calibration import MonotoneCalibration

ABROAD = "abroad"
PURPOSES = ("home", ABROAD)

GATES = (0.0, 0.25, 0.5)
"""Candidates for the largest share of the consensus; the last one abroad with one collection."""

FALLBACKS = (0.0, 0.25, 0.5, 0.75, 1.0)
"""Candidates for f above at home; abroad the last one is used."""

AFFORDABLE = 0.001
"""Largest loss of final on held-out rows like those of training, for what is gained on others."""


class Blend(BaseEstimator):
    """From the predictions of a pool to the score, in the unit of the labels.

    Parameters
    ----------
    purpose : {"home", "abroad"}
    consensus : bool
        Whether the consensus and the fallback contribute to the score.
    calibrate : bool
        Whether :class:`seiqa_models.stack.calibration.MonotoneCalibration` is applied last.

    Attributes
    ----------
    members_ : list of str
    bounds_ : float64 [2, members] or None
        Lowest and highest prediction of each member that counts: the range of the labels and of its
        predictions of held-out rows. A linear member may predict -75 on a scale of 0 to 5 for a
        mirrored picture, and would then decide the score at a weight of 0.09. None in models saved
        by earlier versions.
    fusion_ : Fusion, fitted
        Abroad a :class:`seiqa_models.fusions.weighted.MeanFusion`, unless collections left out are
        ranked better with fitted weights.
    gate_ : float
        Share of the consensus if the columns agree fully.
    fallback_ : float
        f above; 0 in models saved by earlier versions.
    weights_ : dict of float by member, sum 1; None where the fusion has no weights
    calibration_ : MonotoneCalibration or None
    """

    fallback_: float = 0.0
    bounds_: FloatMatrix | None = None

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
        elsewhere: Sequence[HeldOut] = (),
    ) -> Blend:
        """Fit on out-of-fold predictions.

        Parameters
        ----------
        fusion : Fusion
            Unfitted; it is fitted in place. Abroad it is not used with one collection.
        predictions : DataFrame of float64
            Output of :meth:`seiqa_models.stack.pool.fitted.FittedPool.predict` for held-out rows.
        members : sequence of str
            The columns that are fused.
        y : float64 [n]
        groups : int [n]
        unseen : HeldOut, optional
            The same, for rows whose groups and kinds no member has seen.
        elsewhere : sequence of HeldOut
            The rows of each of several collections, predicted by members that have seen nothing of
            it. Used abroad.

        Raises
        ------
        ValueError
            The purpose is unknown.
        """
        if self.purpose not in PURPOSES:
            raise ValueError(f"purpose is {self.purpose!r}, expected home or abroad")
        self.members_ = list(members)
        said = predictions[self.members_]
        self.bounds_ = np.array([said.min().clip(upper=y.min()), said.max().clip(lower=y.max())])
        abroad, gate = self.purpose == ABROAD, GATES[-1]
        learned = HeldOut(predictions, y, groups)
        if abroad:
            fitted = fusion
            fusion = MeanFusion()
            if elsewhere:
                fusion, gate = self._chosen((fusion, fitted), elsewhere)
                learned = _together(elsewhere)
        extra = {}
        if unseen is not None and has_fit_parameter(fusion, "unseen"):
            known = self._bounded(pd.DataFrame(unseen.predictions))
            extra["unseen"] = HeldOut(known, unseen.y, unseen.groups)
        self.fusion_ = self._fitted(fusion, learned, **extra)
        own = getattr(self.fusion_, "weights_", None)
        self.weights_ = None
        if own is not None:
            self.weights_ = dict(zip(self.members_, np.asarray(own).tolist(), strict=True))
        self.gate_, self.fallback_ = 0.0, 0.0
        if self.consensus:
            self.gate_ = gate if abroad else self._free_gate(predictions, y)
            self.fallback_ = FALLBACKS[-1] if abroad else self._cheap_fallback(predictions, y)
        fused = self._blended(predictions, self.fallback_)
        calibration = MonotoneCalibration().fit(fused, y, groups)
        self.calibration_ = calibration if self.calibrate else None
        return self

    def predict(self, predictions: pd.DataFrame) -> FloatVector:
        """Scores float64 [n] of a pool's predictions, not clipped."""
        check_is_fitted(self, "gate_")
        fused = self._blended(predictions, self.fallback_)
        return fused if self.calibration_ is None else self.calibration_.predict(fused)

    def unlearned(self, predictions: pd.DataFrame) -> FloatVector:
        """Shares [n] of the best columns and the consensus in scores of rows unlike known ones."""
        best, all_of_them = (
            self.fallback_ * predictions[name].to_numpy() for name in (FALLBACK_SHARE, BEYOND_SHARE)
        )
        return np.asarray(1 - (1 - best) * (1 - all_of_them))

    def _bounded(self, predictions: pd.DataFrame) -> pd.DataFrame:
        """The members' predictions within their bounds."""
        known = predictions[self.members_]
        if self.bounds_ is None:
            return known
        bounded = np.clip(known.to_numpy(), *self.bounds_)
        return pd.DataFrame(bounded, known.index, known.columns)

    def _fitted(self, fusion: Any, rows: HeldOut, **extra: Any) -> Any:
        """The fusion, fitted to the members' predictions."""
        known = self._bounded(pd.DataFrame(rows.predictions))
        return fit_named(named(fusion), fusion, known, rows.y, rows.groups, **extra)

    def _chosen(self, fusions: Sequence[Any], elsewhere: Sequence[HeldOut]) -> tuple[Any, float]:
        """The unfitted fusion and the gate that rank collections left out best.

        Each is ranked by a fusion that was fitted to the others.
        """
        gates = GATES if self.consensus else GATES[:1]
        totals = np.zeros((len(fusions), len(gates)))
        for number, held in enumerate(elsewhere):
            others = _together([other for k, other in enumerate(elsewhere) if k != number])
            for row, fusion in enumerate(fusions):
                fitted = self._fitted(clone(fusion), others)
                for column, gate in enumerate(gates):
                    fused = self._fused(pd.DataFrame(held.predictions), gate, fitted)
                    totals[row, column] += srocc(held.y, fused)
        row, column = divmod(int(np.argmax(totals)), len(gates))
        return clone(fusions[row]), gates[column]

    def _fused(self, predictions: pd.DataFrame, gate: float, fusion: Any) -> FloatVector:
        known = self._bounded(predictions)
        learned = predict_named(named(fusion), fusion, known)
        w = gate * predictions[AGREEMENT].to_numpy()
        return np.asarray((1 - w) * learned + w * predictions[CONSENSUS].to_numpy())

    def _blended(self, predictions: pd.DataFrame, fallback: float) -> FloatVector:
        fused = self._fused(predictions, self.gate_, self.fusion_)
        for share, said in ((FALLBACK_SHARE, FALLBACK), (BEYOND_SHARE, CONSENSUS)):
            w = fallback * predictions[share].to_numpy()
            fused = (1 - w) * fused + w * predictions[said].to_numpy()
        return np.asarray(fused)

    def _free_gate(self, predictions: pd.DataFrame, y: FloatVector) -> float:
        """The largest gate that loses nothing compared with no consensus."""
        finals = [final_score(y, self._fused(predictions, gate, self.fusion_)) for gate in GATES]
        return largest(GATES, finals, finals[0])

    def _cheap_fallback(self, predictions: pd.DataFrame, y: FloatVector) -> float:
        """The largest f that is affordable compared with no fallback."""
        finals = [final_score(y, self._blended(predictions, f)) for f in FALLBACKS]
        return largest(FALLBACKS, finals, finals[0] - AFFORDABLE)


def largest(candidates: Sequence[float], finals: Sequence[float], least: float) -> float:
    """The largest candidate with at least this final."""
    return max(c for c, final in zip(candidates, finals, strict=True) if final >= least)


def _together(parts: Sequence[HeldOut]) -> HeldOut:
    """The rows of several collections."""
    return HeldOut(
        pd.concat([pd.DataFrame(part.predictions) for part in parts]),
        np.concatenate([part.y for part in parts]),
        np.concatenate([part.groups for part in parts]),
    )
