"""Fusions: learners' out-of-fold predictions → one score. Importing this registers ours."""

from seiqa_models.fusions import bagged, bounded, stacking, weighted
from seiqa_models.fusions.registry import FUSIONS, fusion, list_fusions, make_fusion

__all__ = [
    "FUSIONS",
    "bagged",
    "bounded",
    "fusion",
    "list_fusions",
    "make_fusion",
    "stacking",
    "weighted",
]
