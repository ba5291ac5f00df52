"""Outputs that several families declare; no torch, because specs are read to list extractors."""

from __future__ import annotations

from dataclasses import replace

from seiqa_features.extractors.specs import DISTANCE, SIMILARITY, Output

TOP = (1, 5, 10)
"""How many of the most probable entries `drift.distribution_drift` looks at."""


def drift_outputs(prefix: str) -> dict[str, Output]:
    """What `drift.distribution_drift` returns with that prefix."""
    return {
        f"{prefix}_jsd": DISTANCE,
        **{f"{prefix}_top{k}": replace(SIMILARITY, differentiable=False) for k in TOP},
        f"{prefix}_top_change": Output(identity=0.0, differentiable=True),
        f"{prefix}_entropy_change": Output(identity=0.0, differentiable=True),
    }


def matching_outputs(prefix: str) -> dict[str, Output]:
    """What `matching.match` returns, each name after the prefix."""
    return {
        **{
            f"{prefix}{name}_{statistic}": replace(SIMILARITY, symmetric=False)
            for name in ("kept", "found", "near")
            for statistic in ("mean", "q05")
        },
        f"{prefix}transport": DISTANCE,
    }
