"""A fitted stack as a function of feature tensors: what `StackPredictor.predict` returns.

Each part below says which class's numbers it repeats. Where those are bounded, at the ends of a
column's training range or of the scale, the gradient is zero: the model knows nothing beyond.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch

from seiqa_models.fusions.registry import named
from seiqa_models.gradients.forms import (
    Form,
    NoFormError,
    bent_form,
    constant,
    distances,
    linear_form,
    torch_form,
)
from seiqa_models.learners.consensus import (
    BEYOND,
    FAR,
    FURTHER,
    STEEPNESS,
    WITHIN,
    Consensus,
    Fallback,
)
from seiqa_models.stack.blend import Blend
from seiqa_models.stack.calibration import MonotoneCalibration
from seiqa_models.stack.displacement import DisplacementCost
from seiqa_models.stack.edited import EditedGate
from seiqa_models.stack.gate import Gate
from seiqa_models.stack.meta import meta_name
from seiqa_models.stack.predicting import StackPredictor
from seiqa_models.stack.preparation import Preparation
from seiqa_models.stack.representations import member
from seiqa_models.stack.unrelated import FLOOR, UnrelatedGate

Features = Mapping[str, torch.Tensor]
"""Columns by name: scalars [n], dense blocks [n, d]."""

Pull = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
"""From prepared rows [n, p] and their scores [n] to new scores [n]."""


def obstacles(regressor: StackPredictor) -> list[str]:
    """What in a fitted stack has no gradient: learners, their representations, the fusion."""
    parts = {f"learner {name}": learner for name, learner in regressor.learners_.items()}
    parts |= {f"representation {name}": form for name, form in regressor.representations_.items()}
    parts[named(regressor.blend_.fusion_)] = regressor.blend_.fusion_
    found = []
    for name, part in parts.items():
        try:
            torch_form(part)
        except NoFormError:
            found.append(name)
    return found


def columns_read(regressor: StackPredictor) -> set[str]:
    """The columns of a feature table that the scores depend on: those that vary in training."""
    preparation = regressor.preparation_
    blocks = {meta_name(block): block for block in preparation.meta_.blocks_}
    return {blocks.get(name, name) for name in preparation.columns_}


def stack_form(
    regressor: StackPredictor, collection: str | None = None
) -> Callable[[Features], torch.Tensor]:
    """The scores [n] of feature tensors, float64 within ``label_range_``.

    Parameters
    ----------
    regressor : StackPredictor
        Fitted, without `obstacles`.
    collection : str, optional
        As for `StackPredictor.predict`.
    """
    prepared, fused = _preparation(regressor.preparation_), _members(regressor)
    low, high = regressor.label_range_
    pulls = _pulls(regressor)
    own = None if collection is None else _own_term(regressor, collection)

    def form(features: Features) -> torch.Tensor:
        rows = prepared(features)
        score = fused(rows)
        if own is not None:
            score = score + own(rows)
        for pull in pulls:
            score = pull(rows, score)
        return score.clamp(low, high)

    return form


def _preparation(part: Preparation) -> Callable[[Features], torch.Tensor]:
    metas = {
        meta_name(block): (
            block,
            linear_form(part.meta_.coefs_[block], part.meta_.intercepts_[block]),
        )
        for block in part.meta_.blocks_
    }
    low, high, medians = constant(part.low_), constant(part.high_), constant(part.medians_)

    def form(features: Features) -> torch.Tensor:
        columns = []
        for name in part.columns_:
            if name in metas:
                block, reduce = metas[name]
                columns.append(reduce(features[block].double()))
            else:
                columns.append(features[name].double())
        values = torch.stack(columns, dim=1)
        return torch.where(values.isnan(), medians, torch.clamp(values, low, high))

    return form


def _members(regressor: StackPredictor) -> Form:
    """The members' predictions, blended as in `Blend.predict`."""
    blend = regressor.blend_
    read = {name: torch_form(form) for name, form in regressor.representations_.items()}
    learners = [
        (member(name).representation, torch_form(regressor.learners_[name]))
        for name in blend.members_
    ]
    fusion = torch_form(blend.fusion_)
    consensus, agreement = torch_form(regressor.consensus_), _agreement(regressor.consensus_)
    fallback = None if regressor.fallback_ is None else _fallback(regressor.fallback_)
    calibration = _calibration(blend)
    bounds = None if blend.bounds_ is None else constant(blend.bounds_)
    displaced = _displacement(regressor.displacement_)

    def form(rows: torch.Tensor) -> torch.Tensor:
        seen = {name: representation(rows) for name, representation in read.items()}
        cost = displaced(rows)
        said = torch.stack([learner(seen[name]) - cost for name, learner in learners], dim=1)
        if bounds is not None:
            said = torch.clamp(said, bounds[0], bounds[1])
        agreed, share = consensus(rows), agreement(rows)
        score = torch.lerp(fusion(said), agreed - cost, blend.gate_ * share)
        if fallback is None:
            return calibration(score)
        best, weight, beyond = fallback(rows, agreed, share)
        score = torch.lerp(score, best - cost, blend.fallback_ * weight)
        return calibration(torch.lerp(score, agreed - cost, blend.fallback_ * beyond))

    return form


def _agreement(part: Any) -> Form:
    """The agreement from a `Consensus`; 0 if nothing was learned."""
    if not isinstance(part, Consensus):
        return lambda rows: rows.new_zeros(len(rows))
    ranks = torch_form(part.component_.ranks_)
    return lambda rows: torch.exp(-ranks(rows).var(dim=1, correction=0) / part.median_spread_**2)


def _fallback(
    part: Fallback,
) -> Callable[..., tuple[torch.Tensor, torch.Tensor, torch.Tensor]]:
    """`Fallback.predict`, and both of `Fallback.shares`."""
    oriented, places = torch_form(part.oriented_), torch_form(part.places_)
    known, best = constant(part.rows_), part.best_.tolist()
    low, high = part.span_ or (0.0, 0.0)

    def form(
        rows: torch.Tensor, consensus: torch.Tensor, agreement: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        said = part.intercept_ + part.slope_ * oriented(rows)[:, best].mean(dim=1)
        nearest = distances(places(rows), known).min(dim=1).values
        distance = nearest / part.typical_
        unlike, further = (-torch.expm1(-((distance / far) ** STEEPNESS)) for far in (FAR, FURTHER))
        # At an agreement of 0 the gradient of its fourth root would be infinite.
        tiny = torch.finfo(torch.float64).tiny
        beyond = torch.zeros_like(unlike)
        if high > low:
            height = (consensus - low) / (high - low)
            beyond = ((WITHIN - height) / (WITHIN - BEYOND)).clamp(0, 1)
        return said, unlike * agreement.clamp(min=tiny) ** 0.25, further * beyond

    return form


def _displacement(part: DisplacementCost | None) -> Form:
    """`DisplacementCost.predict`; 0 if there is none."""
    if part is None:
        return lambda rows: rows.new_zeros(len(rows))
    places = torch.as_tensor(part.places_)
    return lambda rows: part.cost_ * rows[:, places].amax(dim=1).clamp(0.0, part.most_)


def _calibration(blend: Blend) -> Form:
    part = blend.calibration_
    if not isinstance(part, MonotoneCalibration):
        return lambda score: score
    return bent_form((part.x_, part.z_, part.slope_))


def _pulls(regressor: StackPredictor) -> list[Pull]:
    """`StackPredictor._pulled`, one step after another."""
    (low, high), found = regressor.label_range_, []
    if regressor.edited_ is not None:
        found.append(_edited(regressor.edited_, low, regressor.edit_cost_))
    if regressor.unrelated_ is not None:
        found.append(_unrelated(regressor.unrelated_, low, high))
    return found


def _share(part: Gate) -> Form:
    """`Gate.share`."""
    scaled = torch_form(part.scaler_)
    odds = linear_form(part.model_.coef_[0], part.model_.intercept_[0])
    return lambda rows: (2 * torch.sigmoid(odds(scaled(rows))) - 1).clamp(min=0)


def _edited(part: EditedGate, low: float, cost: float) -> Pull:
    """`lowered`."""
    share = _share(part)
    return lambda rows, score: low + (1 - cost * share(rows)) * (score - low)


def _unrelated(part: UnrelatedGate, low: float, high: float) -> Pull:
    """`pulled_down`."""
    share, knee = _share(part), FLOOR * (high - low)

    def form(rows: torch.Tensor, score: torch.Tensor) -> torch.Tensor:
        height = score - low
        bent = knee * torch.exp(height.clamp(max=knee) / knee - 1)
        return low + (1 - share(rows)) * torch.where(height < knee, bent, height)

    return form


def _own_term(regressor: StackPredictor, collection: str) -> Form:
    """`Observers.predict`."""
    observers = regressor.observers_
    components = torch_form(observers.components_)
    term, share = torch_form(observers.terms_[collection]), observers.shares_[collection]
    return lambda rows: share * term(components(rows))
