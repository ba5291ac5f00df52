"""The suite of relations: the pairs to score, which must score higher, and which ones do.

Every relation compares two degraded versions of one photograph. None needs human judgement: nothing
is better than an identical copy, a harmless change beats an erased object, a picture that can still
be recognised beats one that shows something else, and of two strengths of one distortion the weaker
wins.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import pandas as pd
from PIL import Image

from pipelines.sense.distortions import jpeg
from pipelines.sense.edits import DAMAGING, DOSES, GONE, HARMLESS, RECOGNISABLE
from pipelines.sense.lettering import OTHER_PRICE, PRICE, labelled
from pipelines.sense.scenes import Scene, scenes
from seiqa_features.progress import Progress, unwatched

CLASSES = (
    "identity on top",
    "harmless above damaging",
    "harmless above gone",
    "recognisable above gone",
    "damaging above gone",
    "weaker above stronger",
    "same text above changed text",
)


@dataclass(frozen=True)
class Relation:
    """`above` must score higher than `below`; both are names of one scene's pairs."""

    kind: str
    scene: str
    above: str
    below: str


PAIRS_PER_SCENE = (
    3 + sum(map(len, (HARMLESS, DAMAGING, RECOGNISABLE, GONE))) + sum(map(len, DOSES.values()))
)
"""The identity and two labelled pairs, one pair per edit, and one per dose."""


class Scores(Protocol):
    """Anything that scores many pairs, as `seiqa_models.scorer.Scorer` does."""

    def score_many(
        self,
        pairs: Sequence[Image.Image],
        dist: Sequence[Image.Image],
        *,
        on_pair: Progress = unwatched,
    ) -> pd.DataFrame:
        """Scores of pairs, one row each."""
        ...


def pictures_of(scene: Scene) -> dict[str, tuple[Image.Image, Image.Image]]:
    """Every pair of a scene by name: (reference, degraded)."""
    singles = {**HARMLESS, **DAMAGING, **RECOGNISABLE, **GONE}
    doses = {f"{kind} {i}": edit for kind, ladder in DOSES.items() for i, edit in enumerate(ladder)}
    pairs = {"identity": (scene.picture, scene.picture.copy())}
    for number, (name, edit) in enumerate({**singles, **doses}.items()):
        pairs[name] = (scene.picture, edit(scene, np.random.default_rng(number)))
    priced = labelled(scene.picture, PRICE)
    changed = labelled(scene.picture, OTHER_PRICE)
    tagged = Scene(scene.name, priced, scene.subject, scene.others)
    pairs["text kept"] = (priced, jpeg(80)(tagged, np.random.default_rng(0)))
    pairs["text changed"] = (priced, changed)
    return pairs


def relations(scene: Scene) -> Iterator[Relation]:
    """Every relation of a scene."""
    orders = {
        "harmless above damaging": (HARMLESS, DAMAGING),
        "harmless above gone": (HARMLESS, GONE),
        "recognisable above gone": (RECOGNISABLE, GONE),
        "damaging above gone": (DAMAGING, GONE),
    }
    others = [*HARMLESS, *DAMAGING, *RECOGNISABLE, *GONE]
    yield from (Relation("identity on top", scene.name, "identity", name) for name in others)
    for kind, (above, below) in orders.items():
        yield from (Relation(kind, scene.name, a, b) for a in above for b in below)
    for kind, ladder in DOSES.items():
        for i in range(len(ladder) - 1):
            names = f"{kind} {i}", f"{kind} {i + 1}"
            yield Relation("weaker above stronger", scene.name, *names)
    yield Relation("same text above changed text", scene.name, "text kept", "text changed")


def shares_of(held: pd.DataFrame) -> dict[str, float]:
    """The share of relations that hold, 0..1, by class in the order of `CLASSES`, and their mean.

    Parameters
    ----------
    held : DataFrame
        Result of `held_relations`.

    Returns
    -------
    dict of float
        By class, and ``mean`` over the classes.
    """
    by_class = held.groupby("kind")["held"].mean()
    found = {kind: float(by_class[kind]) for kind in CLASSES}
    return {**found, "mean": float(np.mean(list(found.values())))}


def held_relations(
    scorer: Scores, photographs: int | None = None, *, on_pair: Progress = unwatched
) -> pd.DataFrame:
    """Every relation with both scores.

    Parameters
    ----------
    scorer : Scorer
        Or anything with its ``score_many``.
    photographs : int, optional
        How many of the suite's photographs to use, starting with the first [all].
    on_pair : callable, optional
        Called with (pairs scored, pairs in all).

    Returns
    -------
    DataFrame
        kind, scene, above, below (text), high and low, the scores of the two (float64), and held.
    """
    chosen = scenes()[:photographs]
    rows = []
    for number, scene in enumerate(chosen):  # one at a time: all pictures together take a gigabyte

        def on_scene(done: int, total: int, number: int = number) -> None:
            on_pair(number * total + done, len(chosen) * total)

        pairs = pictures_of(scene)
        refs, dists = zip(*pairs.values(), strict=True)
        values = scorer.score_many(refs, dists, on_pair=on_scene)["score"]
        scores = dict(zip(pairs, values.to_numpy(np.float64), strict=True))
        rows += [
            {**vars(r), "high": scores[r.above], "low": scores[r.below]} for r in relations(scene)
        ]
    table = pd.DataFrame(rows)
    # Nothing beats the top of the scale: if both are there, the order is kept.
    table["held"] = (table["high"] > table["low"]) | (
        (table["kind"] == "identity on top") & (table["high"] >= table["low"])
    )
    return table
