"""Image pairs → feature table. Features come from images and networks, never from labels.

The public names are loaded on first use, so that importing the package is fast.

===================  ==========================================================================
`extract`            metrics and other features of one pair or of many, in one call
`create_metric`      a metric as a differentiable function of batches of tensors
`list_extractors`    names of all extractors and metrics
`load_pairs`         the pairs of a data set as one validated table
===================  ==========================================================================
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from seiqa_features.api.features import extract
    from seiqa_features.api.metric import Metric, create_metric
    from seiqa_features.datasets import load_pairs
    from seiqa_features.extractors.registry import list_extractors

    __version__: str

__all__ = ["Metric", "create_metric", "extract", "list_extractors", "load_pairs"]

_HOMES = {
    "Metric": "api.metric",
    "create_metric": "api.metric",
    "extract": "api.features",
    "list_extractors": "extractors.registry",
    "load_pairs": "datasets",
}


def __getattr__(name: str) -> Any:
    if name == "__version__":
        return import_module("importlib.metadata").version("seiqa")
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__"])
