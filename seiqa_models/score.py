"""Score: a predicted number with its interval and an explanation."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

COVERAGE = 0.9
"""Intended share of new pairs whose label lies between a score's `low` and `high`."""


def settle_identical(scores: pd.DataFrame, identical: ArrayLike, top: float) -> pd.DataFrame:
    """The scores, those of pairs of equal pixels at the top of the scale, with no doubt left.

    That nothing was lost is a fact and no prediction: no model is asked, however unlike its
    training the picture is.

    Parameters
    ----------
    scores : pd.DataFrame [n]
        score, and low, high, unfamiliar and agree where there are intervals.
    identical : ArrayLike [n]
        Whether a row's two pictures have the same pixels.
    top : float
        The highest score that the bundle gives.
    """
    rows = np.asarray(identical, dtype=bool)
    settled = scores.copy()
    settled.loc[rows, [name for name in ("score", "low", "high") if name in scores]] = top
    for flag, settled_as in (("unfamiliar", False), ("agree", True)):
        if flag in scores:
            settled.loc[rows, flag] = settled_as
    return settled


class Score(float):
    """A predicted score, on the scale of the training labels.

    It is a float, and holds besides:

    Attributes
    ----------
    low, high : float
        Ends of the prediction interval, which holds the label of `COVERAGE` of new pairs.
    unfamiliar : bool
        Whether the pair is unlike everything the model was trained on; its interval is wider.
    agree : bool
        Whether the metrics agree on the pair. Where they do not, the score rests on what was
        learned from other pictures alone, and its interval is wider.
    identical : bool
        Whether the two pictures have the same pixels: the score is then the highest there is, its
        interval has no width, and "baseline" is all that there is of contributions.
    contributions : dict of float
        What each feature group (extractor) adds, and "baseline", the score of a typical pair.
        They sum to the score before it was clipped to the scale. Worked out when first asked for.
    """

    low: float
    high: float
    unfamiliar: bool
    agree: bool
    identical: bool

    def __new__(
        cls,
        value: float,
        *,
        low: float,
        high: float,
        unfamiliar: bool,
        agree: bool,
        identical: bool = False,
        explain: Callable[[], dict[str, float]],
    ) -> Score:
        """Make a score; `explain` gives its contributions when first asked."""
        score = super().__new__(cls, value)
        score.low, score.high = float(low), float(high)
        score.unfamiliar, score.agree = bool(unfamiliar), bool(agree)
        score.identical = bool(identical)
        score._explain = explain
        return score

    _explain: Callable[[], dict[str, float]]

    @cached_property
    def contributions(self) -> dict[str, float]:
        """What each feature group adds, and "baseline", the score of a typical pair."""
        return self._explain()

    def __repr__(self) -> str:
        facts = {"unfamiliar": self.unfamiliar, "identical": self.identical}
        said = "".join(f", {fact}" for fact, holds in facts.items() if holds)
        return f"{self:.4f} ({self.low:.2f} to {self.high:.2f}, {100 * COVERAGE:g} %{said})"

    __str__ = float.__repr__  # in files and formatted text it is the number

    def __reduce__(self) -> tuple[Any, ...]:
        """A copy holds the contributions and not the model that they were worked out with."""
        names = ("unfamiliar", "agree", "identical")
        facts = {name: getattr(self, name) for name in names}
        return _restore, (float(self), self.low, self.high, facts, self.contributions)


def _restore(
    value: float, low: float, high: float, facts: dict[str, bool], contributions: dict[str, float]
) -> Score:
    return Score(value, low=low, high=high, **facts, explain=contributions.copy)
