"""Anchors: degradations of rising strength, with the scores that the model itself gives them.

A score of 3.1 says little to somebody who sees it for the first time; that the model gives such
scores to JPEG files of quality 20 says more. Anchors are no opinions of people.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Self

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, model_validator

Text = Annotated[str, Field(max_length=40)]

SOURCE = "by this model's own scores"
"""Follows a comparison, so that nobody takes it for an opinion of people."""

MEANING = (
    "Medians of the model's own scores of {references} training references that a program degraded."
    " They are not people's scores."
)


class Ladder(BaseModel):
    """One distortion in several strengths.

    Attributes
    ----------
    name, unit : str
        Before and after a strength, as in "blur of σ" 2 "px".
    doses : list of float
        From the weakest to the strongest.
    scores : list of float
        The median score of each over the references.
    as_collections : dict of list of float
        The same as the observers of each of several collections.
    references : int
        Pictures that were degraded.
    """

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)

    name: Text
    unit: Text = ""
    doses: list[FiniteFloat] = Field(min_length=2, max_length=100)
    scores: list[FiniteFloat]
    as_collections: dict[str, list[FiniteFloat]] = {}
    references: int = Field(ge=1)

    @model_validator(mode="after")
    def _require_a_score_each(self) -> Self:
        if any(len(x) != len(self.doses) for x in (self.scores, *self.as_collections.values())):
            raise ValueError("every dose needs a score")
        return self

    def say(self, place: int) -> str:
        """The dose at a place, in words."""
        return f"{self.name} {self.doses[place]:g}{self.unit and f' {self.unit}'}"

    def compare(self, score: float, collection: str | None = None) -> str | None:
        """Between which doses a score is, in words.

        Where the scores do not fall from dose to dose, all doses that the score may stand for are
        in between. None if these are all of them, or the collection's scores are not known.
        """
        found = self.scores if collection is None else self.as_collections.get(collection)
        if found is None:
            return None
        scores = np.array(found)
        if (same := np.flatnonzero(scores == score)).size == 1:
            return f"like {self.say(int(same[0]))}"
        below, above = np.flatnonzero(scores <= score), np.flatnonzero(scores >= score)
        weaker = int(below[0]) - 1 if below.size else len(scores) - 1
        stronger = int(above[-1]) + 1 if above.size else 0
        if weaker < 0:
            return f"milder than {self.say(stronger)}" if stronger < len(scores) else None
        if stronger == len(scores):
            return f"worse than {self.say(weaker)}"
        first = f"{self.name} {self.doses[weaker]:g}"
        return f"like {first} to {self.doses[stronger]:g}{self.unit and f' {self.unit}'}"


def in_words(ladders: Sequence[Ladder], score: float, collection: str | None = None) -> str | None:
    """Where a score stands on each ladder, in one line; None if there is nothing to compare with.

    Parameters
    ----------
    ladders : sequence of Ladder
        Of the model that gave the score.
    score : float
    collection : str, optional
        The collection whose observers' score it is.
    """
    said = [said for ladder in ladders if (said := ladder.compare(score, collection)) is not None]
    return f"{', '.join(said)} ({SOURCE})" if said else None
