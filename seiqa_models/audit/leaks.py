"""Columns that reveal the label or the experiment, which no feature of new pictures can do."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from seiqa_models.core.arrays import FloatVector, Rows
from seiqa_models.core.canonical import codes_of
from seiqa_models.core.columns import is_dense, split_columns
from seiqa_models.core.errors import TableError
from seiqa_models.core.metrics import plcc, srocc

TWIN = 0.995
"""A column counts as a twin of the label at or above this |SROCC| or |PLCC| with it. The best
metrics reach .98 with MOS; with six-level labels even a perfect score reaches only .984."""

_MIN_VALUES = 10
"""Correlations over fewer rows or groups prove nothing."""

_MIN_GROUP = 5
"""In smaller groups a good metric may well be proportional to the label."""

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
    codes = codes_of(groups)[0]
    reasons = {str(name): _reason(X[name], y, codes, label) for name in X.columns}
    return {name: reason for name, reason in reasons.items() if reason is not None}


def _reason(column: pd.Series, y: FloatVector, codes: Rows, label: str) -> str | None:
    by_name = _by_name(str(column.name), label)
    if by_name or is_dense(column):
        return by_name
    try:
        split_columns(column.to_frame())
    except TableError:
        return _no_number(column)
    values = column.to_numpy(dtype=np.float64, na_value=np.nan)
    if _counts(values):
        return "a count of the rows"
    known = np.isfinite(values) & np.isfinite(y)
    return _twin(values[known], y[known], codes[known])


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


def _counts(values: FloatVector) -> bool:
    if len(values) < _MIN_VALUES or not np.isfinite(values).all():
        return False
    return bool(np.ptp(np.diff(values)) == 0 and np.ptp(values) > 0)


def _twin(values: FloatVector, y: FloatVector, codes: Rows) -> str | None:
    if len(values) < _MIN_VALUES:
        return None
    alike = max(abs(srocc(y, values)), abs(plcc(y, values)))
    if alike >= TWIN:
        return "the label's twin"
    both = pd.DataFrame({"value": values, "y": y}).groupby(codes)
    means = both.mean()
    if len(means) == len(values):
        return None
    if _alike_within(both, values, y, codes) >= TWIN:
        return "the label's twin within groups"
    if len(means) >= _MIN_VALUES and abs(plcc(means["y"], means["value"])) >= TWIN:
        return "the groups' mean label"
    return None


def _alike_within(both: Any, values: FloatVector, y: FloatVector, codes: Rows) -> float:
    """Mean |PLCC| over groups of 5 or more rows, weighted by their size; 0 if there are too few."""
    centre, spread = both.mean().loc[codes], both.std(ddof=0).loc[codes]
    judged = (both.size().loc[codes] >= _MIN_GROUP).to_numpy() & (spread > 0).all(axis=1).to_numpy()
    if judged.sum() < _MIN_VALUES:
        return 0.0
    product = (values - centre["value"].to_numpy()) * (y - centre["y"].to_numpy())
    norm = (spread["value"] * spread["y"]).to_numpy()
    return abs(float(np.mean(product[judged] / norm[judged])))
