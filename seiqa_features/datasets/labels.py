"""A cell of a label column as a number, or one line that says why it is none."""

from __future__ import annotations

import math

from seiqa_features.errors import DataError
from seiqa_features.tabular.numbers import read_number

ROUNDING = 1e-6
"""Fraction of the label range by which single precision may push a label past its limits."""


def parse_label(
    text: object, *, where: str, label_range: tuple[float, float] | None = None
) -> float:
    """Convert a cell to a label.

    A label outside the range only by rounding, such as 5.0000001 for 0 to 5, is clipped to it.

    Raises
    ------
    DataError
        Why it is no label; the line begins with `where`.
    """
    low, high = label_range or (-math.inf, math.inf)
    expected = f"a number from {low:g} to {high:g}" if label_range else "a finite number"
    value = read_number(str(text))
    if value is None:
        raise DataError([f"{where}: label {text!r} is not a number"])
    if math.isnan(value):
        raise DataError([f"{where}: no label ({text!r}); expected {expected}"])
    rounding = ROUNDING * (high - low) if label_range else 0.0
    if not math.isfinite(value) or not low - rounding <= value <= high + rounding:
        raise DataError([f"{where}: label {value:.8g} is out of range; expected {expected}"])
    return min(max(value, low), high)
