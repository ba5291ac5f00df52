"""Usable gradients where the formula of a metric has none or an infinite one (torch)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch.overrides import TorchFunctionMode

ROUNDING = (torch.round, torch.Tensor.round)
ROOTS = (torch.sqrt, torch.Tensor.sqrt)
POWERS = (torch.pow, torch.Tensor.pow, torch.Tensor.__pow__)


class UsableGradients(TorchFunctionMode):
    """Context in which metrics keep bit-identical values and can be optimised.

    Rounding to 8 bits, whose gradient is 0, is ignored in the backward pass. Square roots and other
    powers below 1 get gradient 0 at 0 instead of infinity: the gradient magnitude of flat regions
    is 0, and the infinity would turn the whole gradient of a picture into NaN.
    """

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        kwargs = kwargs or {}
        value = func(*args, **kwargs)
        if not (isinstance(value, torch.Tensor) and value.requires_grad):
            return value
        if func in ROUNDING:
            return args[0] + (value - args[0]).detach()
        if func in ROOTS or (func in POWERS and _below_one(args[1])):
            return _zero_where(args[0] == 0, func, args, kwargs)
        return value


def _below_one(exponent: object) -> bool:
    return isinstance(exponent, float) and 0 < exponent < 1


def _zero_where(
    zero: torch.Tensor, func: Callable[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any]
) -> torch.Tensor:
    """The function where its first argument is not 0; elsewhere 0 without a gradient."""
    inner = func(torch.where(zero, 1.0, args[0]), *args[1:], **kwargs)
    return torch.where(zero, 0.0, inner)
