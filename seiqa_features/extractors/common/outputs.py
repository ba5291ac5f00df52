"""Outputs shared by several families; without torch, since listing extractors reads the specs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from seiqa_features.extractors.specs import DISTANCE, SIMILARITY, Output

TOP = (1, 5, 10)
"""Numbers of most probable entries that `drift.distribution_drift` compares."""


def drift_outputs(prefix: str) -> dict[str, Output]:
    """The outputs of `drift.distribution_drift` with this prefix."""
    return {
        f"{prefix}_jsd": DISTANCE,
        **{f"{prefix}_top{k}": replace(SIMILARITY, differentiable=False) for k in TOP},
        f"{prefix}_top_change": Output(identity=0.0, differentiable=True),
        f"{prefix}_entropy_change": Output(identity=0.0, differentiable=True),
    }


def matching_outputs(prefix: str) -> dict[str, Output]:
    """The outputs of `matching.match`, each name after the prefix."""
    return {
        **{
            f"{prefix}{name}_{statistic}": replace(SIMILARITY, symmetric=False)
            for name in ("kept", "found", "near")
            for statistic in ("mean", "q05")
        },
        f"{prefix}transport": DISTANCE,
    }


TOKEN_SIMILARITIES = (
    "patch_mean", "patch_min", "patch_q01", "patch_q05", "patch_q10", "patch_q25",
    "mid1_mean", "mid1_q05", "mid2_mean", "mid2_q05", "mid3_mean", "mid3_q05",
    "mean_token_cosine",
)  # fmt: skip
TOKEN_DIFFERENCES = (
    "patch_std", "patch_skewness", "patch_kurtosis", "patch_gap",
    "mid1_std", "mid2_std", "mid3_std",
)  # fmt: skip


def token_outputs() -> dict[str, Output]:
    """The outputs of `tokens.compare` for any network, without those for attention."""
    return {
        **dict.fromkeys(TOKEN_SIMILARITIES, SIMILARITY),
        **dict.fromkeys(TOKEN_DIFFERENCES, replace(DISTANCE, better=None)),
        "region_cosine": replace(SIMILARITY, differentiable=False),
        "region_share": Output(identity=0.0, symmetric=True),
        "region_deficit": replace(DISTANCE, differentiable=False),
        **matching_outputs("last_"),
        "grid": Output(dim=64, identity=1.0, symmetric=True),
    }


def deepest(stages: Sequence[str]) -> Sequence[str]:
    """Those that are matched: earlier ones have too many positions and less semantic content."""
    return stages[-2:]


def stage_outputs(stages: Sequence[str]) -> dict[str, Output]:
    """The outputs of `stages.compare` for these maps, without those for classes."""
    outputs: dict[str, Output] = {}
    for stage in stages:
        for statistic in ("mean", "q05", "pooled"):
            outputs[f"{stage}_{statistic}"] = SIMILARITY
        outputs[f"{stage}_distance"] = DISTANCE
    for stage in deepest(stages):
        outputs |= matching_outputs(f"{stage}_")
    return outputs
