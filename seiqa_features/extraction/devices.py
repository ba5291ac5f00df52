"""What PyTorch computes on and in: devices by name, GPU memory, and the default type."""

from __future__ import annotations

import ctypes
import re
import sys
from pathlib import Path

from seiqa_features.errors import DeviceError, UsageError


def existing_devices(asked: str) -> tuple[str, ...]:
    """PyTorch names of the requested devices; see `seiqa_features.extraction.runtime.Runtime`.

    Raises
    ------
    DeviceError
        A device does not exist or its name is invalid.
    """
    count = _count()
    if asked == "auto":
        return tuple(f"cuda:{number}" for number in range(count)) or ("cpu",)
    return tuple(_existing_device(name.strip(), count) for name in asked.split(","))


def _count() -> int:
    """Number of GPUs; PyTorch, which takes seconds to import, is asked only if it may find some."""
    if "torch" not in sys.modules and not _driver_exists():
        return 0
    import torch

    return torch.cuda.device_count() if torch.cuda.is_available() else 0


def _driver_exists() -> bool:
    """Whether there may be a driver without which PyTorch finds no GPU: CUDA's or AMD's."""
    if sys.platform != "linux" or Path("/dev/kfd").exists():
        return True
    try:
        ctypes.CDLL("libcuda.so.1")
    except OSError:
        return False
    return True


def _existing_device(name: str, count: int) -> str:
    if name == "cpu":
        return name
    match = re.fullmatch(r"cuda(?::(\d+))?", name)
    if match is None:
        raise DeviceError(f"device {name!r} is unknown; expected auto, cpu, cuda or cuda:<number>")
    number = int(match[1] or 0)
    if number >= count:
        raise DeviceError(
            f"device {name}: not available, PyTorch sees {count} GPUs; use --device cpu, or fix the"
            " driver"
        )
    return f"cuda:{number}"


def limit_memory(device: str, ceiling: float) -> None:
    """Limit this process to `ceiling` bytes of the GPU's memory."""
    import torch

    total = torch.cuda.get_device_properties(device).total_memory
    torch.cuda.set_per_process_memory_fraction(min(1.0, ceiling / total), torch.device(device))


def require_float32() -> None:
    """Check PyTorch's default type: with another, values differ silently or cannot be computed.

    Raises
    ------
    UsageError
        It is another one.
    """
    import torch

    found = torch.get_default_dtype()
    if found != torch.float32:
        raise UsageError(
            f"PyTorch's default type is {found}, and features are computed in float32; call"
            " torch.set_default_dtype(torch.float32) first"
        )
