"""Forms of the learners and fusions; see `seiqa_models.gradients.forms`."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from sklearn.compose import TransformedTargetRegressor
from sklearn.dummy import DummyRegressor
from sklearn.linear_model import BayesianRidge, HuberRegressor, LinearRegression, Ridge, RidgeCV
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVR

from seiqa_models.fusions.stacking import StackingFusion
from seiqa_models.fusions.weighted import WeightedFusion
from seiqa_models.gradients.forms import (
    Form,
    NoFormError,
    bent_form,
    constant,
    distances,
    linear_form,
    torch_form,
)
from seiqa_models.learners.as_is import AsIs
from seiqa_models.learners.consensus import Consensus
from seiqa_models.learners.gaussian_process import ExponentialGP
from seiqa_models.learners.kind_aware import KindAwareGP
from seiqa_models.learners.networks.ranker import PairwiseRanker
from seiqa_models.learners.ordinal import OrdinalProcess
from seiqa_models.sampling import OnSample


@torch_form.register(Ridge)
@torch_form.register(RidgeCV)
@torch_form.register(BayesianRidge)
@torch_form.register(HuberRegressor)
@torch_form.register(LinearRegression)
def _linear(part: Any) -> Form:
    return linear_form(part.coef_, part.intercept_)


@torch_form.register
def _mean(part: DummyRegressor) -> Form:
    mean = float(part.constant_.item())
    return lambda rows: torch.full_like(rows[:, 0], mean) if rows.shape[1] else rows.sum(1) + mean


@torch_form.register
def _as_is(part: AsIs) -> Form:
    return lambda rows: rows[:, part.column_]


@torch_form.register
def _ranker(part: PairwiseRanker) -> Form:
    layers = list(map(linear_form, part.coefs_, part.intercepts_))

    def form(rows: torch.Tensor) -> torch.Tensor:
        for layer in layers[:-1]:
            rows = layer(rows).relu()
        return layers[-1](rows)[:, 0] * part.slope_ + part.intercept_

    return form


@torch_form.register
def _consensus(part: Consensus) -> Form:
    component, curve = torch_form(part.component_), bent_form((part.x_, part.z_, part.slope_))
    return lambda rows: curve(component(rows)[:, 0])


@torch_form.register
def _target_scaled(part: TransformedTargetRegressor) -> Form:
    inner = torch_form(part.regressor_)
    if not isinstance(part.transformer_, StandardScaler):
        raise NoFormError(type(part.transformer_).__name__)
    scale, mean = float(part.transformer_.scale_[0]), float(part.transformer_.mean_[0])
    return lambda rows: inner(rows) * scale + mean


@torch_form.register
def _on_sample(part: OnSample) -> Form:
    return torch_form(part.regressor_)


@torch_form.register
def _support_vectors(part: SVR) -> Form:
    if part.kernel != "rbf":
        raise NoFormError(f"SVR with kernel {part.kernel}")
    vectors, dual = constant(part.support_vectors_), constant(part.dual_coef_[0])
    gamma, start = float(part._gamma), float(part.intercept_[0])  # "scale" as a number: only here
    return lambda rows: torch.exp(-gamma * distances(rows, vectors) ** 2) @ dual + start


@torch_form.register
def _process(part: ExponentialGP) -> Form:
    kernel, dual = _kernel(part), constant(part.dual_)
    return lambda rows: kernel(rows) @ dual + part.target_mean_


@torch_form.register
def _ordinal(part: OrdinalProcess) -> Form:
    kernel, dual = _kernel(part), constant(part.dual_)
    thresholds, gains = constant(part.thresholds_), constant(part.gains_)

    def form(rows: torch.Tensor) -> torch.Tensor:
        latent = kernel(rows) @ dual
        return part.lowest_ + torch.sigmoid(latent[:, None] - thresholds) @ gains

    return form


@torch_form.register
def _kind_aware(part: KindAwareGP) -> Form:
    if not part.knows_kinds_:
        return _process(part)
    dual, share = constant(part.dual_), part.kind_share
    kernel, whitening, means = _kernel(part), constant(part.whitening_), constant(part.means_)
    priors = constant(np.log(part.shares_))
    roots = constant(part.rows_[:, part.n_features_in_ :])

    def form(rows: torch.Tensor) -> torch.Tensor:
        squares = distances(rows @ whitening, means) ** 2
        widening = (squares.min(dim=1, keepdim=True).values / part.typical_).clamp(min=1)
        # The root of each probability, by logarithms: at 0 its gradient would be infinite.
        own = torch.exp(torch.log_softmax(priors - squares / (2 * widening), dim=1) / 2)
        return (kernel(rows) * (1 - share + share * (own @ roots.T))) @ dual + part.target_mean_

    return form


def _kernel(part: ExponentialGP | OrdinalProcess) -> Form:
    """`exponential_kernel` between rows [n, p] and those of training [m, p]: [n, m]."""
    known = constant(part.rows_[:, : part.n_features_in_]).chunk(part.n_scales, dim=1)
    length = part.length * known[0].shape[1] ** 0.5

    def form(rows: torch.Tensor) -> torch.Tensor:
        scales = zip(rows.chunk(part.n_scales, dim=1), known, strict=True)
        return torch.stack([torch.exp(-distances(a, b) / length) for a, b in scales]).mean(dim=0)

    return form


@torch_form.register
def _weighted(part: WeightedFusion) -> Form:
    return linear_form(part.weights_, 0.0)


@torch_form.register
def _stacking(part: StackingFusion) -> Form:
    return torch_form(part.ridge_)
