"""Rows as a DataFrame, whatever their type: scikit-learn also takes arrays and lists."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_array, validate_data

from seiqa_models.core.errors import TableError


def frame_of(X: Any) -> pd.DataFrame:
    """A DataFrame with names unchanged; unnamed columns are called ``x0``, ``x1``, …

    Raises
    ------
    ValueError
        An array is not numeric, not [n, columns], or empty.
    """
    if isinstance(X, pd.DataFrame):
        named = any(isinstance(name, str) for name in X.columns)
        return X if named else X.set_axis(_generated(X.shape[1]), axis=1)
    values = check_array(X, dtype=np.float64, ensure_all_finite=False, estimator="SeiqaRegressor")
    return pd.DataFrame(values, columns=_generated(values.shape[1]))


def note_features(estimator: BaseEstimator, X: Any) -> None:
    """Set ``n_features_in_``, and ``feature_names_in_`` where X has names that are all text."""
    names = {type(name) for name in getattr(X, "columns", ())}
    if str not in names or len(names) == 1:  # mixed types are refused later, by name
        validate_data(estimator, X, skip_check_array=True)


def known_frame(estimator: BaseEstimator, X: Any, needed: list[str]) -> pd.DataFrame:
    """The columns of X that a fitted estimator needs, in that order.

    Columns of a DataFrame are found by name, and others are ignored. Those of an array must be in
    the order seen in ``fit``.

    Raises
    ------
    TableError
        Columns are missing.
    ValueError
        An array has more or fewer columns than were seen in ``fit``.
    """
    frame = frame_of(X)
    has_names = frame is X
    if has_names:
        missing = [name for name in needed if name not in frame.columns]
        if not missing:
            return frame[needed]
        if hasattr(estimator, "feature_names_in_"):
            shown = ", ".join(missing[:3]) + (", …" if len(missing) > 3 else "")
            raise TableError(
                f"{len(missing)} of {len(needed)} feature columns are missing ({shown}): "
                "the model was trained with them, extract the same features"
            )
    validate_data(estimator, X, skip_check_array=True, reset=False)
    names = getattr(estimator, "feature_names_in_", _generated(frame.shape[1]))
    known: pd.DataFrame = frame.set_axis(names, axis=1)[needed]
    return known


def _generated(columns: int) -> list[str]:
    return [f"x{number}" for number in range(columns)]
