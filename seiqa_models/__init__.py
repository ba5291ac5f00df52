"""Feature table and labels in, one honest quality score out.

The public names are loaded on first use, so that importing the package costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from seiqa_models.evaluation.evaluate import Evaluation, evaluate
    from seiqa_models.scorer import Scorer
    from seiqa_models.stack.regressor import SeiqaRegressor

__all__ = ["Evaluation", "Scorer", "SeiqaRegressor", "evaluate"]

_HOMES = {
    "Evaluation": "evaluation.evaluate",
    "Scorer": "scorer",
    "SeiqaRegressor": "stack.regressor",
    "evaluate": "evaluation.evaluate",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
