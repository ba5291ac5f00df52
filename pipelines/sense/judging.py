"""The suite of relations as part of training, at limited cost."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from pipelines.runs.metrics import Sense
from pipelines.sense.scenes import scenes
from pipelines.sense.suite import PAIRS_PER_SCENE, Scores, held_relations, shares_of
from pipelines.settings import Settings
from seiqa_features.errors import SeiqaError
from seiqa_features.progress import Progress, unwatched

if TYPE_CHECKING:
    from seiqa_models.stack.regressor import SeiqaRegressor

SECONDS = 60.0
"""Time budget of the suite in a training, estimated from the feature cost of training pairs."""

OFF = "the setting sense is off"


def judge_stack(
    settings: Settings,
    regressor: SeiqaRegressor,
    recipe: dict[str, Any],
    seconds_per_pair: float | None,
    *,
    on_pair: Progress = unwatched,
) -> tuple[Sense | None, str | None]:
    """Test a fitted stack on as many of the suite's photographs as the time allows.

    Parameters
    ----------
    regressor : SeiqaRegressor
        Fitted on the recipe's features.
    recipe : dict
        As stored in a bundle.
    seconds_per_pair : float, optional
        Time for the features of a training pair; None if unknown.

    Returns
    -------
    tuple[Sense | None, str | None]
        The result, or why it was left out. Failures here do not abort the training.
    """
    from seiqa_models.bundle import Bundle
    from seiqa_models.core.errors import TableError
    from seiqa_models.scorer import Scorer

    if not settings.sense:
        return None, OFF
    photographs = affordable(seconds_per_pair)
    if not photographs:
        return None, (
            f"one photograph would take {PAIRS_PER_SCENE * (seconds_per_pair or 0.0):.0f} s, more"
            f" than {SECONDS:.0f}; run `seiqa sense --bundle …` on its own"
        )
    try:
        scorer = Scorer(
            Bundle(regressor, recipe, {}), workers=settings.workers, runtime=settings.runtime()
        )
        return judge(scorer, photographs, on_pair=on_pair), None
    except (SeiqaError, TableError) as error:
        return None, " ".join(str(error).split())


def affordable(seconds_per_pair: float | None) -> int:
    """How many of the suite's photographs can be scored in `SECONDS`; 0 if not even one."""
    if not seconds_per_pair:
        return len(scenes())
    return min(len(scenes()), int(SECONDS / (PAIRS_PER_SCENE * seconds_per_pair)))


def judge(scorer: Scores, photographs: int, *, on_pair: Progress = unwatched) -> Sense:
    """The share of relations that a scorer keeps on the given number of photographs."""
    started = time.perf_counter()
    table = held_relations(scorer, photographs, on_pair=on_pair)
    shares = shares_of(table)
    mean = shares.pop("mean")
    counts = table["kind"].value_counts()
    return Sense(
        shares=shares,
        relations={kind: int(counts[kind]) for kind in shares},
        mean=mean,
        photographs=photographs,
        seconds=time.perf_counter() - started,
    )
