"""Score: a predicted number with its interval and an explanation."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from seiqa_models.core.errors import TableError
from seiqa_models.score_html import score_html
from seiqa_models.stack.regressor import SeiqaRegressor

if TYPE_CHECKING:
    from PIL.Image import Image

COVERAGE = 0.9
"""Intended share of new pairs whose label is between a score's `low` and `high`."""


NUMBERS, FLAGS = ["score", "low", "high"], ["unfamiliar", "agree", "edited"]
"""Columns of a table of scores: float64 numbers and boolean flags."""


def predicted_scores(
    regressor: SeiqaRegressor, table: pd.DataFrame, collection: str | None
) -> pd.DataFrame:
    """Table of scores [n] of the rows of a feature table, as the observers of a collection.

    Raises
    ------
    TableError
        The model gives a number that is not finite.
    """
    if table.empty:
        return no_scores(table.index)
    predicted = regressor.predict_interval(table, coverage=COVERAGE, collection=collection)
    if not np.isfinite(predicted[NUMBERS].to_numpy()).all():
        raise TableError("the bundle gives a score that is not finite; train again")
    return predicted[[*NUMBERS, *FLAGS]].astype(dict.fromkeys(FLAGS, "boolean"))


def no_scores(index: pd.Index) -> pd.DataFrame:
    """An empty table of scores with one row per entry of the index."""
    unknown = pd.array([pd.NA] * len(index), dtype="boolean")
    columns = {**dict.fromkeys(NUMBERS, math.nan), **dict.fromkeys(FLAGS, unknown)}
    return pd.DataFrame(columns, index=index)


def settled(
    predicted: pd.DataFrame, index: pd.Index, identical: set[str], top: float
) -> pd.DataFrame:
    """Scores of the pairs in `index`: as predicted, or certain if identical."""
    return settle_identical(predicted.reindex(index), index.isin(identical), top)


def settle_identical(scores: pd.DataFrame, identical: ArrayLike, top: float) -> pd.DataFrame:
    """Set pairs of equal pixels to the top of the scale, with an interval of zero width.

    For these pairs the absence of loss is a fact, not a prediction.

    Parameters
    ----------
    scores : pd.DataFrame [n]
        score, plus low, high and the flags if there are intervals.
    identical : ArrayLike [n]
        Whether a row's two pictures have the same pixels.
    top : float
        The highest score of the bundle.
    """
    rows = np.asarray(identical, dtype=bool)
    settled = scores.copy()
    settled.loc[rows, [name for name in NUMBERS if name in scores]] = top
    for flag, settled_as in zip(FLAGS, (False, True, False), strict=True):
        if flag in scores:
            settled.loc[rows, flag] = settled_as
    return settled


class Score(float):
    """A predicted score, on the scale of the training labels.

    It is a float with these additional attributes:

    Attributes
    ----------
    low, high : float
        Ends of the prediction interval, which contains the label for a share `COVERAGE` of new
        pairs.
    unfamiliar : bool
        Whether the pair is unlike everything the model was trained on; if so, its interval is
        wider.
    agree : bool
        Whether the metrics agree on the pair. If not, the score relies on the trained model
        alone, without the metrics' consensus, and its interval is wider.
    edited : bool
        Whether a part of the picture was probably removed, covered, replaced or rewritten. False if
        the model did not learn from constructed orders.
    identical : bool
        Whether the two pictures have the same pixels: the score is then the top of the scale, its
        interval has zero width, and "baseline" is the only contribution.
    scale : (float, float) or None
        Lowest and highest score of the model.
    like : str or None
        Which degradations get such scores from the model, in words; None if the bundle does not
        say, and for identical pictures.
    contributions : dict of float
        What each feature group (extractor) adds, and "baseline", the score of a typical pair.
        They sum to the score before it was clipped to the scale. Computed on first access.
    heat_map : PIL.Image.Image or None
        Where structure or colour was lost, over the degraded picture. Drawn on first access; None
        for identical pictures, and if by then the scorer has scored many other pairs.

    In a notebook it is displayed on its scale, with its interval, contributions and heat map.
    """

    low: float
    high: float
    unfamiliar: bool
    agree: bool
    edited: bool
    identical: bool
    scale: tuple[float, float] | None
    like: str | None

    def __new__(
        cls,
        value: float,
        *,
        low: float,
        high: float,
        unfamiliar: bool,
        agree: bool,
        edited: bool = False,
        identical: bool = False,
        scale: tuple[float, float] | None = None,
        like: str | None = None,
        explain: Callable[[], dict[str, float]],
        draw: Callable[[], Image | None] = lambda: None,
    ) -> Score:
        """Create a score; `explain` and `draw` are called on first access to what they return."""
        score = super().__new__(cls, value)
        score.low, score.high = float(low), float(high)
        score.unfamiliar, score.agree = bool(unfamiliar), bool(agree)
        score.edited, score.identical = bool(edited), bool(identical)
        score.scale, score.like = scale, like
        score._explain, score._draw = explain, draw
        return score

    _explain: Callable[[], dict[str, float]]
    _draw: Callable[[], Image | None]

    @classmethod
    def of_identical(cls, scale: tuple[float, float]) -> Score:
        """The score of two pictures with the same pixels: the top of the scale, with certainty."""
        top = scale[1]
        return cls(
            top, low=top, high=top, unfamiliar=False, agree=True, identical=True, scale=scale,
            explain=lambda: {"baseline": top},
        )  # fmt: skip

    @cached_property
    def contributions(self) -> dict[str, float]:
        """What each feature group adds, and "baseline", the score of a typical pair."""
        return self._explain()

    @cached_property
    def heat_map(self) -> Image | None:
        """Where structure or colour was lost, over the degraded picture, if it can be drawn."""
        return self._draw()

    def __repr__(self) -> str:
        said = "".join(f", {fact}" for fact in self.facts)
        return f"{self:.4f} ({self.low:.2f} to {self.high:.2f}, {100 * COVERAGE:g} %{said})"

    @property
    def facts(self) -> list[str]:
        """Which of "unfamiliar", "edited" and "identical" apply."""
        return [name for name in ("unfamiliar", "edited", "identical") if getattr(self, name)]

    def _repr_html_(self) -> str:
        return score_html(
            self,
            interval=(self.low, self.high),
            scale=self.scale,
            like=self.like,
            coverage=COVERAGE,
            facts=self.facts,
            contributions=self.contributions,
            heat_map=self.heat_map,
        )

    __str__ = float.__repr__  # files and formatted text contain just the number

    def __reduce__(self) -> tuple[Any, ...]:
        """Make copies hold contributions and heat map instead of what they are made from."""
        names = ("low", "high", *FLAGS, "identical", "scale", "like")
        kept = {name: getattr(self, name) for name in names}
        return _restore, (float(self), kept, self.contributions, self.heat_map)


def _restore(
    value: float, kept: dict[str, Any], contributions: dict[str, float], heat_map: Image | None
) -> Score:
    return Score(value, **kept, explain=contributions.copy, draw=lambda: heat_map)
