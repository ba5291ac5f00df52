"""Forms of the transformers of a stack; see `seiqa_models.gradients.forms`."""

from __future__ import annotations

from functools import reduce

import torch
from scipy.special import ndtr
from sklearn.feature_selection import SelectKBest
from sklearn.pipeline import FeatureUnion, Pipeline
from sklearn.preprocessing import FunctionTransformer, MinMaxScaler, StandardScaler

from seiqa_models.gradients.forms import (
    Form,
    NoFormError,
    constant,
    interpolated,
    linear_form,
    torch_form,
)
from seiqa_models.learners.components import OrientedComponents
from seiqa_models.learners.oriented import OrientedLog, OrientedRanks
from seiqa_models.learners.scaling import AT_BOUND, PartialWhitening, RankNormal


@torch_form.register
def _pipeline(part: Pipeline) -> Form:
    forms = [torch_form(step) for _, step in part.steps]
    return lambda rows: reduce(lambda values, form: form(values), forms, rows)


@torch_form.register
def _union(part: FeatureUnion) -> Form:
    forms = [torch_form(step) for _, step in part.transformer_list]
    return lambda rows: torch.cat([form(rows) for form in forms], dim=1)


@torch_form.register
def _function(part: FunctionTransformer) -> Form:
    if part.func is not None:
        raise NoFormError("FunctionTransformer")
    return lambda rows: rows


@torch_form.register
def _standard(part: StandardScaler) -> Form:
    mean, scale = constant(part.mean_), constant(part.scale_)
    return lambda rows: (rows - mean) / scale


@torch_form.register
def _min_max(part: MinMaxScaler) -> Form:
    scale, start = constant(part.scale_), constant(part.min_)
    return lambda rows: rows * scale + start


@torch_form.register
def _best(part: SelectKBest) -> Form:
    kept = part.get_support(indices=True).tolist()
    return lambda rows: rows[:, kept]


@torch_form.register
def _whitening(part: PartialWhitening) -> Form:
    return linear_form(part.matrix_, -part.mean_ @ part.matrix_)


@torch_form.register
def _ranks(part: RankNormal) -> Form:
    known, shares = constant(part.quantiles_.quantiles_).T, constant(part.quantiles_.references_)
    most = float(ndtr(part.bound))

    def form(rows: torch.Tensor) -> torch.Tensor:
        values = rows.T
        rising = interpolated(values, known, shares)
        falling = interpolated(-values, -known.flip(1), -shares.flip(0))
        below = (rising - falling) / 2
        below = torch.where(values + AT_BOUND > known[:, -1:], 1.0, below)
        below = torch.where(values - AT_BOUND < known[:, :1], 0.0, below)
        # Bounded before, because the normal score of 0 or 1 has an infinite gradient.
        places: torch.Tensor = torch.special.ndtri(below.clamp(1 - most, most)).T
        return places

    return form


@torch_form.register
def _oriented_ranks(part: OrientedRanks) -> Form:
    ranks, signs = _ranks(part), constant(part.signs_)
    return lambda rows: ranks(rows) * signs


@torch_form.register
def _oriented_log(part: OrientedLog) -> Form:
    signs, best, scale = map(constant, (part.signs_, part.best_, part.scale_))
    return lambda rows: -torch.log((best - rows * signs).clamp(min=0) / scale + part.floor)


@torch_form.register
def _components(part: OrientedComponents) -> Form:
    ranks, centre, axes = torch_form(part.ranks_), constant(part.centre_), constant(part.axes_)
    return lambda rows: (ranks(rows) - centre) @ axes
