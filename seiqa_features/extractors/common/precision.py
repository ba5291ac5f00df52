"""The precision in which an extractor computes on a device (torch)."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext

import torch

from seiqa_features.extractors.specs import Precision


def computing_in(precision: Precision, device: str) -> AbstractContextManager[object]:
    """Context of a batch in that precision; float32 is the same arithmetic on every device."""
    if precision != "float32":
        return torch.autocast(torch.device(device).type, getattr(torch, precision))
    if device == "cpu":
        return nullcontext()
    # By default cuDNN rounds float32 to TF32, which has a 10-bit mantissa.
    return torch.backends.cudnn.flags(enabled=True, deterministic=True, allow_tf32=False)
