"""What a run took on its machine: seconds and peak memory of features, fine-tuning and training."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from pipelines.runs.folder import FEATURES_META, read_json
from pipelines.runs.metrics import Metrics
from pipelines.runs.record import Record, read_record
from seiqa_features.extractors.multimodal.finetuned import PREFIX
from seiqa_features.spending import Spent
from seiqa_models.finetune.members import read_spent

FINETUNED = f"{PREFIX}:"


@dataclass(frozen=True)
class Effort:
    """What a run took on its machine; None where that is not known.

    Attributes
    ----------
    seconds_per_pair : float | None
        Features and prediction of one pair, as noted when they were computed.
    training_seconds : float | None
        Training, and fine-tuning of the models among its features.
    gigabytes, gpu_gigabytes : float | None
        Highest peak of features, fine-tuning and training; see `seiqa_features.spending.Spent`. Not
        known if the features had been computed for another run.
    """

    seconds_per_pair: float | None
    training_seconds: float | None
    gigabytes: float | None
    gpu_gigabytes: float | None


def read_effort(folder: Path, metrics: Metrics) -> Effort:
    """What a trained run took, from its record and the logs of its fine-tuned features."""
    record = read_record(folder) or Record()
    learning = [record.training.spent if record.training else None]
    seconds, extracting = None, list[Spent | None]()
    if record.features is not None:
        features = read_json(folder / FEATURES_META)
        seconds = features["seconds_per_pair"] + metrics.seconds_per_row
        extracting = [record.features.spent]
        learning += [
            read_spent(Path(name.removeprefix(FINETUNED)))
            for name in features["recipe"]["features"]
            if name.startswith(FINETUNED)
        ]
    everything = [*extracting, *learning]
    return Effort(
        seconds_per_pair=seconds,
        training_seconds=_total([part.seconds if part else None for part in learning], sum),
        gigabytes=_total([part.gigabytes if part else None for part in everything], max),
        gpu_gigabytes=_total([part.gpu_gigabytes if part else None for part in everything], max),
    )


def _total(parts: list[float | None], combine: Callable[[list[float]], float]) -> float | None:
    """Parts combined; None if one of them is not known."""
    known = [part for part in parts if part is not None]
    return combine(known) if len(known) == len(parts) else None
