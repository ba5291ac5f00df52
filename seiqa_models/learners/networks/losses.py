"""Losses of the networks: over pairs of rows, and over ordered levels.

The two over pairs take tensors [b, 1], a batch's predictions and its targets, and return a scalar
tensor. If `together`, a bool tensor [b, b], is given, only pairs for which it is True are compared:
scores from different laboratories do not show which picture is better. torch is imported only when
a loss is computed.
"""

from __future__ import annotations

from typing import Any

MSE_WEIGHT = 0.25
RANK_WEIGHT = 0.80

_EPSILON = 1e-6
"""Keeps square roots and norms away from zero, where their gradients are unbounded."""


def softplus_loss(prediction: Any, target: Any, together: Any = None) -> Any:
    """The runner-up's loss (LoViF 2026 SeIQA, arXiv 2604.11207).

        0.25 · mean (f_i - y_i)² + 0.80 · mean softplus(-(f_i - f_j) · sign(y_i - y_j))

    with the second mean over all pairs with y_i ≠ y_j.
    """
    from torch.nn import functional

    squared = functional.mse_loss(prediction, target)
    sign = (target - target.T).sign()
    if together is not None:
        sign = sign * together
    ordered = sign.abs()
    # Weights of 0 and 1 instead of indexing the ordered pairs, which would copy them one by one.
    wrong_way = functional.softplus(-(prediction - prediction.T) * sign) * ordered
    return MSE_WEIGHT * squared + RANK_WEIGHT * wrong_way.sum() / ordered.sum().clamp_min(1)


def fidelity_loss(prediction: Any, target: Any, together: Any = None) -> Any:
    """The winner's loss (same paper), ½ · (1 - PLCC) + ½ · mean fidelity over pairs i ≠ j.

    With p = Φ(f_i - f_j), the chance that i is preferred under unit noise, and g = ½ (sign(y_i -
    y_j) + 1), the fidelity of a pair is 1 - √(p·g) - √((1-p)(1-g)). Neither part depends on the
    level of the predictions; only PLCC ignores their scale. A single row costs ½.
    """
    import torch

    f, y = prediction - prediction.mean(), target - target.mean()
    plcc = (f * y).sum() / (f.norm() * y.norm() + _EPSILON)
    apart = ~torch.eye(len(target), dtype=torch.bool, device=target.device)
    if together is not None:
        apart = apart & together
    p = torch.special.ndtr((prediction - prediction.T)[apart])
    g = ((target - target.T).sign()[apart] + 1) / 2
    pairs = 1 - (p * g + _EPSILON).sqrt() - ((1 - p) * (1 - g) + _EPSILON).sqrt()
    return (1 - plcc) / 2 + pairs.sum() / (2 * max(len(pairs), 1))


def ordinal_loss(logits: Any, level: Any) -> Any:
    """DSS-SQA's loss: cross-entropy of the rounded level, plus squared error of the expected one.

    Parameters
    ----------
    logits : Tensor
        [b, levels].
    level : Tensor
        [b, 1], labels on the scale of the levels, 0..levels - 1, not rounded.

    Returns
    -------
    Tensor
        Scalar.
    """
    import torch
    from torch.nn import functional

    chosen = functional.cross_entropy(logits, level[:, 0].round().long())
    numbers = torch.arange(logits.shape[1], dtype=logits.dtype, device=logits.device)
    expected = logits.softmax(dim=1) @ numbers
    return chosen + functional.mse_loss(expected, level[:, 0])
