"""Outputs that several families declare; no torch, because specs are read to list extractors."""

from __future__ import annotations

from seiqa_features.extractors.specs import Output

TOP = (1, 5, 10)
"""How many of the most probable entries `drift.distribution_drift` looks at."""


def drift_outputs(prefix: str) -> dict[str, Output]:
    """What `drift.distribution_drift` returns with that prefix."""
    return {
        f"{prefix}_jsd": Output(identity=0.0, symmetric=True),
        **{f"{prefix}_top{k}": Output(identity=1.0, symmetric=True) for k in TOP},
        f"{prefix}_top_change": Output(identity=0.0),
        f"{prefix}_entropy_change": Output(identity=0.0),
    }


def matching_outputs(prefix: str) -> dict[str, Output]:
    """What `matching.match` returns, each name after the prefix."""
    return {
        **{
            f"{prefix}{name}_{statistic}": Output(identity=1.0)
            for name in ("kept", "found", "near")
            for statistic in ("mean", "q05")
        },
        f"{prefix}transport": Output(identity=0.0, symmetric=True),
    }
