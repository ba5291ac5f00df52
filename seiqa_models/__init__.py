"""From a feature table and labels to one honest quality score.

The public names are loaded on first use, so that importing the package costs nothing.

==================  ===========================================================================
`Scorer`            scores image pairs with a trained model, or with the built-in one
`Score`             what it returns: a number with its interval and its contributions
`ScoreMetric`       the mean score of an evaluation loop: update, compute, reset
`SeiqaRegressor`    the stack as a scikit-learn regressor, for any table of features
`Orders`            unlabelled rows whose order is known, as additional training data
`evaluate`          an honest estimate of it, and the stack fitted on all rows: an `Evaluation`
`list_learners`     the learners by name; `make_learner` makes one
`list_fusions`      the fusions by name; `make_fusion` makes one
`save_bundle`       a fitted stack on disk, without pickle; `load_bundle` reads it
==================  ===========================================================================
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from seiqa_models.bundle import load_bundle, save_bundle
    from seiqa_models.core.orders import Orders
    from seiqa_models.evaluation.evaluate import Evaluation, evaluate
    from seiqa_models.fusions.registry import list_fusions, make_fusion
    from seiqa_models.learners.registry import list_learners, make_learner
    from seiqa_models.metric import ScoreMetric
    from seiqa_models.score import Score
    from seiqa_models.scorer import Scorer
    from seiqa_models.stack.regressor import SeiqaRegressor

    __version__: str

__all__ = [
    "Evaluation",
    "Orders",
    "Score",
    "ScoreMetric",
    "Scorer",
    "SeiqaRegressor",
    "evaluate",
    "list_fusions",
    "list_learners",
    "load_bundle",
    "make_fusion",
    "make_learner",
    "save_bundle",
]

_HOMES = {
    "Evaluation": "evaluation.evaluate",
    "Orders": "core.orders",
    "Score": "score",
    "ScoreMetric": "metric",
    "Scorer": "scorer",
    "SeiqaRegressor": "stack.regressor",
    "evaluate": "evaluation.evaluate",
    "list_fusions": "fusions",
    "list_learners": "learners.registry",
    "load_bundle": "bundle",
    "make_fusion": "fusions",
    "make_learner": "learners.registry",
    "save_bundle": "bundle",
}


def __getattr__(name: str) -> Any:
    if name == "__version__":
        return import_module("importlib.metadata").version("seiqa")
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__"])
