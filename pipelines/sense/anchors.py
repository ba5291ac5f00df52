"""Anchors of a fitted model: its own scores of training references that a program degraded."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from pipelines.sense.distortions import Edit, blur, jpeg
from pipelines.sense.judging import SECONDS
from pipelines.sense.orders import LONGEST_SIDE, Reference
from pipelines.sense.scenes import Scene, opened
from pipelines.settings import Settings
from seiqa_features.datasets.pairs import Found, Pair
from seiqa_features.errors import SeiqaError
from seiqa_features.progress import Progress, unwatched
from seiqa_features.scratch import scratch
from seiqa_models.anchors import Ladder
from seiqa_models.bundle import Bundle
from seiqa_models.core.errors import TableError
from seiqa_models.scorer import Scorer

logger = logging.getLogger(__name__)

REFERENCES = 6
"""Maximum number of references degraded."""

LADDERS: dict[tuple[str, str], dict[float, Edit]] = {
    ("JPEG quality", ""): {q: jpeg(q) for q in (90, 75, 60, 40, 30, 20, 10, 5)},
    ("blur of σ", "px"): {sigma: blur(sigma) for sigma in (0.5, 1, 2, 4, 8)},
}
"""(name, unit) → dose → edit, from the weakest to the strongest."""

PAIRS = REFERENCES * sum(map(len, LADDERS.values()))


def find_anchors(
    settings: Settings,
    bundle: Bundle,
    references: Sequence[Reference],
    seconds_per_pair: float | None = None,
    *,
    on_pair: Progress = unwatched,
) -> list[Ladder] | None:
    """The model's median score of every dose of every ladder.

    Parameters
    ----------
    bundle : Bundle
        The fitted model.
    references : sequence of Reference
        Training references; up to `REFERENCES` are used.
    seconds_per_pair : float, optional
        Time for the features of a training pair; None if unknown.

    Returns
    -------
    list of Ladder or None
        None, with a logged reason, if it would take longer than `SECONDS` or a picture cannot be
        scored. Failures here do not abort the training.
    """
    if (seconds := PAIRS * (seconds_per_pair or 0.0)) > SECONDS:
        logger.warning("scores are not put into words: %d pairs would take %.0f s", PAIRS, seconds)
        return None
    try:
        scorer = Scorer(bundle, workers=settings.workers, runtime=settings.runtime())
        return _measure(scorer, references[:REFERENCES], settings.cache, on_pair)
    except (SeiqaError, TableError) as error:
        logger.warning("scores are not put into words: %s", " ".join(str(error).split()))
        return None


def _measure(
    scorer: Scorer, references: Sequence[Reference], cache: Path, on_pair: Progress
) -> list[Ladder]:
    with scratch("anchors") as folder:
        found = Found(folder)
        for number, reference in enumerate(references):
            found.pairs += _written(reference, folder / f"{number}")
        names = (None, *scorer.bundle.regressor.collections_)
        scores = {
            name: scorer.scoring_as(name).score_pairs(found, cache=cache, on_pair=on_pair)[0]
            for name in names
        }
    return [_ladder(name, unit, scores, len(references)) for name, unit in LADDERS]


def _written(reference: Reference, folder: Path) -> list[Pair]:
    """The pairs of one reference; pair_id is ``<name>/<dose>/<pixel key>``."""
    folder.mkdir()
    picture = opened(reference.path, LONGEST_SIDE)
    scene, rng = Scene(reference.key, picture, (0, 0, 1, 1), ()), np.random.default_rng(0)
    ref = folder / "reference.png"
    picture.save(ref, compress_level=1)
    pairs: list[Pair] = []
    for (name, _), ladder in LADDERS.items():
        for dose, edit in ladder.items():
            path = folder / f"{len(pairs)}.png"
            edit(scene, rng).save(path, compress_level=1)
            pair_id = f"{name}/{dose:g}/{reference.key}"
            pairs.append(Pair(pair_id, ref, path, "train", group=reference.group))
    return pairs


def _ladder(
    name: str, unit: str, scores: dict[str | None, pd.DataFrame], references: int
) -> Ladder:
    def median(score: pd.Series, dose: float) -> float:
        return round(float(score[score.index.str.startswith(f"{name}/{dose:g}/")].median()), 4)

    medians = {
        whose: [median(table["score"], dose) for dose in LADDERS[name, unit]]
        for whose, table in scores.items()
    }
    return Ladder(
        name=name,
        unit=unit,
        doses=[float(dose) for dose in LADDERS[name, unit]],
        scores=medians.pop(None),
        as_collections={str(whose): values for whose, values in medians.items()},
        references=references,
    )
