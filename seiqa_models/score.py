"""Score: a number that knows how far it can be trusted and where it came from."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import Any

COVERAGE = 0.9
"""Share of new pairs whose label lies between a score's `low` and `high`, as aimed at."""


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
    contributions : dict of float
        What each feature group (extractor) adds, and "baseline", the score of a typical pair.
        They sum to the score before it was clipped to the scale. Worked out when first asked for.
    """

    low: float
    high: float
    unfamiliar: bool
    agree: bool

    def __new__(
        cls,
        value: float,
        *,
        low: float,
        high: float,
        unfamiliar: bool,
        agree: bool,
        explain: Callable[[], dict[str, float]],
    ) -> Score:
        score = super().__new__(cls, value)
        score.low, score.high = float(low), float(high)
        score.unfamiliar, score.agree = bool(unfamiliar), bool(agree)
        score._explain = explain
        return score

    _explain: Callable[[], dict[str, float]]

    @cached_property
    def contributions(self) -> dict[str, float]:
        return self._explain()

    def __repr__(self) -> str:
        doubt = ", unfamiliar" if self.unfamiliar else ""
        return f"{self:.4f} ({self.low:.2f} to {self.high:.2f}, {100 * COVERAGE:g} %{doubt})"

    __str__ = float.__repr__  # in files and formatted text it is the number

    def __reduce__(self) -> tuple[Any, ...]:
        """A copy holds the contributions and not the model that they were worked out with."""
        state = {"low": self.low, "high": self.high}
        state |= {"unfamiliar": self.unfamiliar, "agree": self.agree}
        return _restore, (float(self), state, self.contributions)


def _restore(value: float, state: dict[str, Any], contributions: dict[str, float]) -> Score:
    return Score(value, **state, explain=contributions.copy)
