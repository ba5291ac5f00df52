"""Columns that reveal the label or the experiment, which no feature of new pictures can do."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from seiqa_models.audit.twins import MIN_VALUES, twins
from seiqa_models.core.arrays import FloatMatrix, FloatVector
from seiqa_models.core.canonical import codes_of
from seiqa_models.core.columns import is_dense, is_real, scalar_matrix

_EXPERIMENT = {
    "category", "deviation", "dist", "distorted", "distortion", "dmos", "file", "filename", "fold",
    "group", "id", "image", "img", "index", "kind", "label", "level", "levels", "mos", "name",
    "no", "number", "order", "param", "parameter", "parameters", "path", "picture", "raters",
    "ratings", "ref", "reference", "row", "scene", "score", "sd", "severity", "split", "std",
    "stdev", "subset", "type", "unnamed", "var", "variance", "votes",
}  # fmt: skip
"""A column whose name consists only of these words and numbers describes the experiment."""


def find_leaks(
    X: pd.DataFrame, y: FloatVector, groups: ArrayLike, *, label: str = "mos"
) -> dict[str, str]:
    """Columns that should not be features, each with a short reason.

    These are text and dates, names that describe the experiment or start with the label's name,
    columns that count the rows, and twins of the label: |SROCC| or |PLCC| of at least .995 over all
    rows, or |PLCC| of at least .995 within groups of 5 or more rows (a mean over the other rows of
    the group, as in target encoding, is the row's own label inverted) or between the means of 10 or
    more groups.

    Parameters
    ----------
    X : DataFrame [n, columns]
        Dense blocks are judged by name only.
    y : float64 [n]
        Labels; rows with NaN are ignored.
    groups : array-like [n]
        Rows of one reference image have the same value.
    label : str
        Name of the label column.
    """
    reasons = {str(name): _by_name(str(name), label) for name in X.columns}
    numbers = []
    for name in X.columns:
        if reasons[str(name)] or is_dense(X[name]):
            continue
        if is_real(X[name]):
            numbers.append(name)
        else:
            reasons[str(name)] = _no_number(X[name])
    values = scalar_matrix(X, numbers)
    followers = twins(values, y, codes_of(groups)[0])
    counts = _counts(values)
    for position, name in enumerate(numbers):
        counted = "a count of the rows" if counts[position] else None
        reasons[str(name)] = counted or followers.get(position)
    return {name: reason for name, reason in reasons.items() if reason is not None}


def _no_number(column: pd.Series) -> str:
    """The reason for a column that is not numeric, with its first non-numeric cell."""
    if not pd.api.types.is_string_dtype(column.dtype):
        return f"no number but {column.dtype}"
    odd = column.notna() & pd.to_numeric(column, errors="coerce").isna()
    examples = [cell for cell in column[odd] if str(cell).strip()]
    return f"no number but text such as {examples[0]!r}" if examples else "no number but text"


def _by_name(name: str, label: str) -> str | None:
    words = set(re.findall(r"[a-z]+", name.lower()))
    if name.lower().startswith(label.lower()) and not name[len(label) :][:1].isalpha():
        return "named after the label"
    if words and words <= _EXPERIMENT:
        return "describes the experiment"
    return None


def _counts(values: FloatMatrix) -> NDArray[np.bool_]:
    """Which columns rise or fall by the same amount from row to row."""
    if len(values) < MIN_VALUES:
        return np.zeros(values.shape[1], dtype=bool)
    with np.errstate(all="ignore"):  # not finite, or so far apart that the difference is not
        steps = np.diff(values, axis=0)
    even = (steps == steps[0]).all(axis=0) & (steps[0] != 0)
    counted: NDArray[np.bool_] = even & np.isfinite(steps[0])
    return counted
