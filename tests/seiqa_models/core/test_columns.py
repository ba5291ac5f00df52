"""Feature columns: what counts as a scalar, what as a dense block, what as neither."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from seiqa_models.core.columns import dense_matrix, is_dense, scalar_matrix, split_columns
from seiqa_models.core.errors import TableError

MATRIX = np.arange(12, dtype=np.float32).reshape(4, 3)


def test_dense_matrix_gives_back_the_rows(dense_column):
    series = dense_column(MATRIX)
    assert is_dense(series)
    assert dense_matrix(series).dtype == np.float32
    np.testing.assert_array_equal(dense_matrix(series), MATRIX)


def test_dense_matrix_of_shuffled_filtered_and_joined_rows(dense_column):
    series = dense_column(MATRIX)
    np.testing.assert_array_equal(dense_matrix(series.iloc[[2, 0]]), MATRIX[[2, 0]])
    np.testing.assert_array_equal(dense_matrix(series.iloc[1:3]), MATRIX[1:3])
    joined = pd.concat([series.iloc[2:], series.iloc[:1]])
    np.testing.assert_array_equal(dense_matrix(joined), MATRIX[[2, 3, 0]])
    assert dense_matrix(series.iloc[:0]).shape == (0, 3)


def test_dense_block_survives_parquet(dense_column, tmp_path):
    table = pd.DataFrame({"block": dense_column(MATRIX)})
    table.to_parquet(tmp_path / "table.parquet")
    back = pd.read_parquet(tmp_path / "table.parquet", dtype_backend="pyarrow")
    np.testing.assert_array_equal(dense_matrix(back["block"]), MATRIX)


def test_missing_and_non_finite_blocks_name_column_and_row(dense_column):
    with_gap = dense_column(MATRIX).reindex([0, 1, 99])
    with pytest.raises(TableError, match=r"'block' is missing in 1 of 3 rows"):
        dense_matrix(with_gap)
    broken = MATRIX.copy()
    broken[2, 1] = np.nan
    with pytest.raises(TableError, match=r"'block' is not finite in 1 rows, first 2"):
        dense_matrix(dense_column(broken))


def test_split_columns_accepts_real_numbers_and_blocks(dense_column):
    X = pd.DataFrame({"a": [1.0] * 4, "b": dense_column(MATRIX), "c": [1, 2, 3, 4]})
    assert split_columns(X) == (["a", "c"], ["b"])


@pytest.mark.parametrize(
    "values",
    [
        ["x", "y"],
        [True, False],
        [1j, 2j],
        pd.to_datetime(["2020-01-01", "2020-01-02"]),
        pd.Series([[1.0], [2.0]], dtype=pd.ArrowDtype(pa.list_(pa.float32()))),
        pd.Series([[1.0], [2.0]], dtype=pd.ArrowDtype(pa.list_(pa.float64(), 1))),
    ],
    ids=["text", "bool", "complex", "date", "ragged list", "list of doubles"],
)
def test_split_columns_names_a_column_of_another_type(values):
    with pytest.raises(TableError, match="'odd' has type"):
        split_columns(pd.DataFrame({"fine": [1.0, 2.0], "odd": values}))


def test_split_columns_refuses_repeated_and_unnamed_columns():
    with pytest.raises(TableError, match="'a' appears more than once"):
        split_columns(pd.DataFrame([[1.0, 2.0]], columns=["a", "a"]))
    with pytest.raises(TableError, match="column 0 has no text"):
        split_columns(pd.DataFrame([[1.0]]))


def test_nullable_scalars_become_nan():
    X = pd.DataFrame({"a": pd.array([1.5, None], dtype="Float64")})
    np.testing.assert_array_equal(scalar_matrix(X, ["a"]), [[1.5], [np.nan]])
