"""Fitted parts of a stack as functions of float64 tensors that have gradients.

`torch_form` returns the same numbers as the part's ``transform`` or ``predict``, up to rounding.
For a learner or transformer of your own, register a function that returns its form. Trees have
none: they are constant between their thresholds.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import singledispatch
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike

from seiqa_models.core.curves import Curve

Form = Callable[[torch.Tensor], torch.Tensor]
"""Rows float64 [n, p] to rows [n, q], or to predictions [n]."""


class NoFormError(ValueError):
    """A fitted part has no form in PyTorch."""


def constant(values: ArrayLike) -> torch.Tensor:
    """Fitted numbers as a float64 tensor of the same shape, on the CPU."""
    return torch.from_numpy(np.array(values, np.float64))


@singledispatch
def torch_form(part: Any) -> Form:
    """The fitted transformer, regressor or fusion as a function of tensors.

    Raises
    ------
    NoFormError
        Its type has no form.
    """
    raise NoFormError(type(part).__name__)


def linear_form(coef: ArrayLike, intercept: ArrayLike) -> Form:
    """Rows [n, p] times coefficients [p] or [p, q], plus an intercept."""
    slope, start = constant(coef), constant(intercept)
    return lambda rows: rows @ slope + start


def interpolated(x: torch.Tensor, knots: torch.Tensor, heights: torch.Tensor) -> torch.Tensor:
    """`numpy.interp` for each row of x [p, n], between rising knots [p, k] of heights [k]."""
    x = torch.clamp(x, knots[:, :1], knots[:, -1:])
    right = torch.searchsorted(knots.contiguous(), x.detach().contiguous(), right=True)
    right = right.clamp(1, knots.shape[1] - 1)
    start, end = knots.gather(1, right - 1), knots.gather(1, right)
    rise = heights[right] - heights[right - 1]
    slope = torch.where(end > start, rise / (end - start), 0.0)
    return heights[right - 1] + slope * (x - start)


def bent_form(curve: Curve) -> Form:
    """`seiqa_models.core.curves.bend`, for scores [n]."""
    x, z, slope = constant(curve[0]), constant(curve[1]), curve[2]

    def form(score: torch.Tensor) -> torch.Tensor:
        beyond = slope * (score - torch.clamp(score, x[0], x[-1]))
        if len(x) == 1:
            return z[0] + beyond
        return interpolated(score[None], x[None], z)[0] + beyond

    return form


def distances(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """Euclidean distances of rows a [n, p] from rows b [m, p]: [n, m]."""
    # Through a matrix product, small distances would be rounding errors.
    return torch.cdist(a, b, compute_mode="donot_use_mm_for_euclid_dist")
