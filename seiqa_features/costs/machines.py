"""Machines to plan for: GPUs by name, and the shares of their data sheet rates that are reached."""

from __future__ import annotations

from dataclasses import dataclass

from seiqa_features.errors import UsageError

HALF_SHARE = 0.30
"""Share of a GPU's half-precision rate that networks reach, measured on an H100."""

SINGLE_SHARE = 0.50
"""The same in float32."""

BANDWIDTH_SHARE = 0.35
"""Share of a GPU's memory bandwidth that metrics reach, measured on an H100."""

SERIAL_FEATURES, SERIAL_DECODING = 0.25, 0.05
"""Share of a thread's time in which no other can run, because both need the interpreter: while it
computes features, and while it decodes; measured with 16 threads."""


@dataclass(frozen=True)
class Gpu:
    """A GPU, from its data sheet.

    Attributes
    ----------
    name : str
        As users write it.
    half, single : float
        Floating-point operations per second in dense bfloat16 (float16 on a T4) and in float32.
    bandwidth : float
        Bytes per second of its memory.
    """

    name: str
    half: float
    single: float
    bandwidth: float


GPUS = {
    gpu.name: gpu
    for gpu in (
        Gpu("h200", 989e12, 67e12, 4.8e12),
        Gpu("h100", 989e12, 67e12, 3.35e12),
        Gpu("a100", 312e12, 19.5e12, 2.04e12),
        Gpu("l40s", 362e12, 91.6e12, 0.864e12),
        Gpu("rtx4090", 165e12, 82.6e12, 1.008e12),
        Gpu("l4", 121e12, 30.3e12, 0.3e12),
        Gpu("t4", 65e12, 8.1e12, 0.32e12),
    )
}


def find_gpu(name: str) -> Gpu | None:
    """The GPU of that name, None for "cpu".

    Raises
    ------
    UsageError
        Nothing is known of it.
    """
    if name.lower() == "cpu":
        return None
    try:
        return GPUS[name.lower()]
    except KeyError:
        raise UsageError(
            f"device {name!r}: nothing is known of it; expected cpu or {', '.join(GPUS)}"
        ) from None


def speedup(workers: int, serial: float = SERIAL_FEATURES) -> float:
    """How many times as fast `workers` threads are as one (Amdahl's law)."""
    return workers / (1 + serial * (workers - 1))
