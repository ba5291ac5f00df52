"""Rows as a stack or its parts read them, whatever their type: frames, arrays or lists."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator
from sklearn.utils import column_or_1d
from sklearn.utils.validation import check_array, check_is_fitted, validate_data

from seiqa_models.core.arrays import FloatMatrix
from seiqa_models.core.errors import TableError


def frame_of(X: Any) -> pd.DataFrame:
    """A DataFrame with names unchanged; unnamed columns are called ``x0``, ``x1``, …

    Raises
    ------
    ValueError
        An array is not numeric, not [n, columns], or has no columns.
    """
    if isinstance(X, pd.DataFrame):
        named = any(isinstance(name, str) for name in X.columns)
        return X if named else X.set_axis(_generated(X.shape[1]), axis=1)
    values = check_array(
        X, dtype=np.float64, ensure_all_finite=False, ensure_min_samples=0,
        estimator="SeiqaRegressor",
    )  # fmt: skip
    return pd.DataFrame(values, columns=_generated(values.shape[1]))


def one_column(y: ArrayLike | None) -> ArrayLike:
    """Labels [n], from [n, 1] with scikit-learn's warning.

    Raises
    ------
    ValueError
        There are none, or they have several columns.
    """
    if y is None:
        raise ValueError("SeiqaRegressor requires y to be passed, but the target y is None")
    return column_or_1d(np.asarray(y), warn=True) if np.asarray(y).ndim == 2 else y


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
        There are no rows, or columns are missing.
    ValueError
        An array has more or fewer columns than were seen in ``fit``.
    """
    frame = frame_of(X)
    if not len(frame):
        raise TableError("the table has no rows: there is nothing to predict")
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


def known_rows(estimator: BaseEstimator, X: Any, fitted: str) -> FloatMatrix:
    """Rows for a fitted estimator to predict or transform, float64 [n, p], checked.

    A stack hands its parts finite float64 matrices. scikit-learn's checks take .2 ms to accept one,
    and the parts of a stack make some 40 of them, which for a single row was a third of the time.

    Parameters
    ----------
    estimator : BaseEstimator
        Knows its number of columns, ``n_features_in_``.
    X : array-like [n, p]
    fitted : str
        An attribute that ``fit`` sets.

    Raises
    ------
    NotFittedError
        The estimator has no such attribute.
    ValueError, TypeError
        X is not numeric, not finite, not [n, p], or empty.
    """
    attributes = vars(estimator)
    as_wanted = (
        type(X) is np.ndarray
        and X.dtype == np.float64
        and X.ndim == 2
        and X.size > 0
        and X.shape[1] == attributes.get("n_features_in_")
        and fitted in attributes
        and "feature_names_in_" not in attributes  # else a matrix lacks the names
        and np.isfinite(X).all()
    )
    if not as_wanted:
        check_is_fitted(estimator, fitted)
        X = validate_data(estimator, X, dtype=np.float64, reset=False)
    rows: FloatMatrix = X
    return rows


def _generated(columns: int) -> list[str]:
    return [f"x{number}" for number in range(columns)]
