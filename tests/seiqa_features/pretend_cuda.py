"""A pretended GPU: tensors on `cuda` have shape, type and device but no content.

Everything on the CPU is computed as always, so networks are built and their files are read. What is
sent to `cuda` becomes a fake tensor of PyTorch. To mix devices, or to ask for the content of such a
tensor (`.item()`, a branch that depends on it, a choice by a mask), is an error.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensor, FakeTensorMode, unset_fake_temporarily
from torch.fx.experimental.symbolic_shapes import ShapeEnv
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map_only

from seiqa_features.extractors.common import constants


class PretendCuda(TorchDispatchMode):
    """Context in which `cuda` is pretended; `crossings` counts copies between the devices."""

    def __init__(self, fake: FakeTensorMode) -> None:
        super().__init__()
        self.crossings: list[str] = []
        self._fake = fake

    def __torch_dispatch__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        leaves = tree_leaves((args, kwargs or {}))
        tensors = [leaf for leaf in leaves if isinstance(leaf, torch.Tensor)]
        asked = {leaf.type for leaf in leaves if isinstance(leaf, torch.device)}
        if "cuda" not in asked and not any(isinstance(tensor, FakeTensor) for tensor in tensors):
            with unset_fake_temporarily():
                return func(*args, **(kwargs or {}))
        if tensors and len(asked | {tensor.device.type for tensor in tensors}) > 1:
            self.crossings.append(str(func))
        args, kwargs = tree_map_only(torch.Tensor, self._as_fake, (args, kwargs or {}))
        return func(*args, **kwargs)

    def _as_fake(self, tensor: torch.Tensor) -> torch.Tensor:
        if isinstance(tensor, FakeTensor):
            return tensor
        return self._fake.from_tensor(tensor, static_shapes=True)


@contextmanager
def pretended_cuda(
    patch: pytest.MonkeyPatch, *, unknown_sizes: bool = False
) -> Iterator[PretendCuda]:
    """`unknown_sizes` allows results whose size depends on content, as of a choice by a mask."""
    load = torch.load

    def load_really(*args: Any, **kwargs: Any) -> Any:
        with unset_fake_temporarily():
            return load(*args, **kwargs)

    patch.setattr(torch, "load", load_really)
    patch.setattr(torch.nn.Module, "_apply", _convert)
    patch.setattr(constants, "_constants", {})
    shapes = ShapeEnv() if unknown_sizes else None
    with FakeTensorMode(shape_env=shapes) as fake, PretendCuda(fake) as mode:
        yield mode


def _convert(
    module: torch.nn.Module,
    function: Callable[[torch.Tensor], torch.Tensor],
    recurse: bool = True,
) -> torch.nn.Module:
    """Replace parameters; PyTorch would swap them in place, which fake ones do not allow."""
    for child in module.children() if recurse else ():
        child._apply(function)
    for name, parameter in module._parameters.items():
        if parameter is not None:
            moved = function(parameter.detach())
            module._parameters[name] = torch.nn.Parameter(moved, requires_grad=False)
    for name, buffer in module._buffers.items():
        if buffer is not None:
            module._buffers[name] = function(buffer)
    return module
