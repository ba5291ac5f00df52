"""Columns: the two kinds of feature column, and the names of prediction columns.

Features are scalars, or dense blocks kept as one Arrow column each; a column's name,
``<extractor>__<view>__<output>``, identifies its group. In a table of held-out predictions each
learner has a column named after it, so no learner can use one of the names below.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
import pyarrow as pa

from seiqa_models.core.arrays import FloatMatrix
from seiqa_models.core.errors import TableError

SCORED = ("score", "low", "high", "unfamiliar", "agree", "edited")
"""Columns that :meth:`seiqa_models.stack.regressor.SeiqaRegressor.predict_interval` returns."""

CONSENSUS, AGREEMENT = "agreed_score", "agreement"
"""The consensus of the feature columns, and how far they agree."""

FALLBACK, FALLBACK_SHARE = "fallback_score", "fallback_share"
"""What the best feature columns say, and its share in the score of a row unlike the known ones."""

BEYOND_SHARE = "beyond_share"
"""Share of the consensus in the score of a row that is worse than nearly all known ones."""

UNRELATED = "unrelated"
"""How surely the degraded picture shows nothing of the reference, 0..1."""

EDITED_SHARE = "edited_share"
"""How surely a part of the degraded picture was removed, covered, replaced or rewritten, 0..1."""

INNER = (FALLBACK, FALLBACK_SHARE, BEYOND_SHARE, UNRELATED, EDITED_SHARE)
"""Steps on the way to a score, which no table of results has."""

COMPETITORS = ("best_single", "greedy", "index_only", "at_home", "as_itself", CONSENSUS)
"""Other predictions for the same rows, with which the stack is compared."""

ROW = ("pair_id", "mos", "group_id", "fold")
"""Known facts about a row."""

RESULT_COLUMNS = frozenset({*SCORED, *COMPETITORS, *INNER, *ROW, AGREEMENT})


def feature_group(column: str) -> str:
    """The extractor that a column comes from; a column from elsewhere is its own group.

    >>> feature_group("ssim__max512__mean"), feature_group("PSNR")
    ('ssim', 'PSNR')
    """
    return column.partition("__")[0] or column


def is_dense(series: pd.Series) -> bool:
    """Whether the column is a dense block, of type fixed_size_list<float32>[d]."""
    if not isinstance(series.dtype, pd.ArrowDtype):
        return False
    arrow_type = series.dtype.pyarrow_dtype
    return bool(pa.types.is_fixed_size_list(arrow_type) and arrow_type.value_type == pa.float32())


def dense_matrix(series: pd.Series) -> np.typing.NDArray[np.float32]:
    """A dense block as float32 [n, d].

    Raises
    ------
    TableError
        The column is not a dense block, or a row of it is missing or not finite: unlike a scalar,
        an embedding has no sensible substitute.
    """
    if not is_dense(series):
        raise TableError(
            f"column {series.name!r} has type {series.dtype}, expected fixed_size_list<float32>"
        )
    column = pa.chunked_array(pa.array(series.array))
    size = column.type.list_size
    if column.null_count:
        raise TableError(
            f"dense block {series.name!r} is missing in {column.null_count} of {len(series)} "
            "rows: extract it for every row or drop the column"
        )
    parts = [chunk.flatten().to_numpy(zero_copy_only=False) for chunk in column.chunks]
    flat = np.concatenate([np.empty(0, np.float32), *parts])
    matrix: np.typing.NDArray[np.float32] = flat.reshape(len(series), size)
    finite = np.isfinite(matrix).all(axis=1)
    if not finite.all():
        row = series.index[int(np.argmin(finite))]
        raise TableError(
            f"dense block {series.name!r} is not finite in {int((~finite).sum())} rows, first "
            f"{row!r}: extract it again or drop the column"
        )
    return matrix


def split_columns(X: pd.DataFrame) -> tuple[list[str], list[str]]:
    """Names of the scalar columns and of the dense blocks, each in table order.

    A scalar is any real number type (integers and floats; NaN means undefined). Booleans, text,
    dates and lists of varying length are refused.

    Raises
    ------
    TableError
        Column names repeat or are not text, or a column is of neither kind; it is named.
    """
    if not X.columns.is_unique:
        twice = X.columns[X.columns.duplicated()][0]
        raise TableError(f"column {twice!r} appears more than once: column names must be unique")
    unnamed = [name for name in X.columns if not isinstance(name, str)]
    if unnamed:
        raise TableError(f"column {unnamed[0]!r} has no text as its name: rename it")
    scalars: list[str] = []
    dense: list[str] = []
    for name in X.columns:
        series = X[name]
        if is_dense(series):
            dense.append(name)
        elif is_real(series):
            scalars.append(name)
        else:
            raise TableError(
                f"column {name!r} has type {series.dtype}, expected float or "
                "fixed_size_list<float32>: drop it from the features or convert it"
            )
    return scalars, dense


def scalar_matrix(X: pd.DataFrame, names: list[str]) -> FloatMatrix:
    """The named scalar columns as float64 [n, len(names)]; missing values become NaN.

    Raises
    ------
    TableError
        A column holds something else than numbers.
    """
    try:
        return X[names].to_numpy(dtype=np.float64, na_value=np.nan)
    except (TypeError, ValueError) as error:
        odd = next(name for name in names if not is_real(X[name]))
        raise TableError(
            f"column {odd!r} has type {X[odd].dtype}, expected numbers: convert it"
        ) from error


def is_real(series: pd.Series) -> bool:
    """Whether the column holds real numbers, and no booleans."""
    kinds = pd.api.types
    return bool(
        kinds.is_numeric_dtype(series.dtype)
        and not kinds.is_bool_dtype(series.dtype)
        and not kinds.is_complex_dtype(series.dtype)
    )
