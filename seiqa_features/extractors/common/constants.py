"""Constants on a GPU: created where the pictures are, and sent there only once (torch).

Extractors and the libraries they call make small tensors from numbers: filters, colour matrices,
quantiles. Each of these would be created on the CPU, or be copied to the GPU again in every batch,
and each copy makes the host wait for the work that the GPU has in hand.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch.overrides import TorchFunctionMode

MOST = 512
"""Number of constants kept per device; the oldest goes first."""

Key = tuple[str, torch.dtype | None, str]


MAKERS = frozenset(
    (
        torch.arange, torch.as_tensor, torch.asarray, torch.bartlett_window, torch.blackman_window,
        torch.empty, torch.empty_permuted, torch.empty_strided, torch.eye, torch.fft.fftfreq,
        torch.fft.rfftfreq, torch.full, torch.hamming_window, torch.hann_window,
        torch.kaiser_window, torch.linspace, torch.logspace, torch.ones, torch.rand, torch.randint,
        torch.randn, torch.randperm, torch.range, torch.scalar_tensor, torch.tensor,
        torch.tril_indices, torch.triu_indices, torch.zeros,
    )
)  # fmt: skip
"""Functions that make a tensor on the CPU unless they are told where."""

_WATCHED = MAKERS | {
    torch.Tensor.new_tensor,
    torch.Tensor.__getitem__,
    torch.Tensor.__setitem__,
}


class Constants(TorchFunctionMode):
    """Context in which new tensors are on a GPU, and the same numbers are copied to it once.

    Numbers given to `torch.tensor` or `new_tensor`, as positions in an index, or assigned. It does
    what ``with torch.device(device)`` does, too: each such context takes as long for every function
    of PyTorch as to start a small kernel, so one has to be enough.
    """

    def __init__(self, device: str) -> None:
        super().__init__()
        self._device = torch.device(device)
        self._kept: dict[Key, torch.Tensor] = {}

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        kwargs = kwargs or {}
        if func not in _WATCHED:
            return func(*args, **kwargs)
        if func in MAKERS and kwargs.get("device") is None:
            kwargs = {**kwargs, "device": self._device}
        if func is torch.Tensor.__getitem__ and isinstance(args[1], tuple):
            return func(args[0], tuple(self._index(part, args[0].device) for part in args[1]))
        if func is torch.Tensor.__setitem__ and _is_numbers(args[2]) and _is_basic(args[1]):
            return args[0][args[1]].fill_(args[2])  # PyTorch would send the number
        if func is torch.tensor:
            data, options = args[0], kwargs
        elif func is torch.Tensor.new_tensor:
            data = args[1]
            options = {"device": args[0].device, "dtype": args[0].dtype, **kwargs}
        else:
            return func(*args, **kwargs)
        device = torch.device(options["device"])
        if not _is_numbers(data) or device.type == "cpu":
            return func(*args, **kwargs)
        return self._constant(data, options.get("dtype"), device).clone()  # may be written into

    def _index(self, part: object, device: torch.device) -> object:
        """Positions in a list as a tensor on the device."""
        if isinstance(part, list | tuple) and _is_numbers(part) and device.type != "cpu":
            return self._constant(part, None, device)
        return part

    def _constant(
        self, data: object, dtype: torch.dtype | None, device: torch.device
    ) -> torch.Tensor:
        key = repr(data), dtype, str(device)
        if key not in self._kept:
            if len(self._kept) == MOST:
                del self._kept[next(iter(self._kept))]
            self._kept[key] = torch.tensor(data, dtype=dtype, device="cpu").to(device)
        return self._kept[key]


def _is_numbers(data: object) -> bool:
    if isinstance(data, list | tuple):
        return all(map(_is_numbers, data))
    return isinstance(data, bool | int | float)


def _is_basic(index: object) -> bool:
    """Whether the index only selects rows, columns or ranges."""
    parts = index if isinstance(index, tuple) else (index,)
    return all(part is ... or isinstance(part, int | slice) for part in parts)


_constants: dict[str, Constants] = {}


@contextmanager
def computing_on(device: str) -> Iterator[None]:
    """Context of a batch on that device: new tensors are there, constants are sent only once."""
    if device == "cpu":
        yield
        return
    with _constants.setdefault(device, Constants(device)):
        yield
