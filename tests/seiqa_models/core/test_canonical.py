"""Codes and rows in an order of their own."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from seiqa_models.core.canonical import canonical_rows, codes_of
from seiqa_models.core.checks import check_training_table


@pytest.mark.parametrize(
    ("values", "codes"),
    [
        (["b", "a", "b"], [1, 0, 1]),
        (np.array([3.0, 1.0, np.nan]), [1, 0, -1]),
        (pd.Series(["10", "2", None], dtype="str"), [0, 1, -1]),
        ([1, "1", "a", 2], [0, 2, 3, 1]),
    ],
)
def test_codes_follow_the_order_of_the_values(values, codes):
    found, names = codes_of(values)
    assert found.tolist() == codes
    assert len(names) == len(set(codes) - {-1})


def test_groups_come_first_then_labels_then_the_content():
    X = pd.DataFrame({"a": [0.3, 0.1, 0.2, 0.1, np.nan]}, index=list("vwxyz"))
    y = np.array([2.0, 2.0, 1.0, 2.0, 2.0])
    groups = np.array([0, 0, 1, 0, 0])
    rows = canonical_rows(X, y, groups)
    assert rows[-1] == 2
    equal = [row for row in rows if row in (1, 3)]
    assert equal == [1, 3]
    for seed in range(5):
        new = np.random.default_rng(seed).permutation(5)
        again = canonical_rows(X.iloc[new], y[new], groups[new])
        assert X.index[new[again]].tolist() == X.index[rows].tolist()


def test_dense_blocks_tell_rows_apart(dense_column):
    matrix = np.array([[1, 2], [1, 3], [1, 1]], np.float32)
    X = pd.DataFrame({"block": dense_column(matrix)})
    y = np.zeros(3)
    one = matrix[canonical_rows(X, y, None)]
    two = matrix[::-1][canonical_rows(X.iloc[::-1].reset_index(drop=True), y, None)]
    np.testing.assert_array_equal(one, two)


def test_a_table_in_canonical_order_stays_as_it_is(make_table):
    X, y, groups = make_table()
    table, rows = check_training_table(X, y, groups).in_canonical_order()
    np.testing.assert_array_equal(table.y, y.to_numpy()[rows])
    again, same = table.in_canonical_order()
    np.testing.assert_array_equal(same, np.arange(len(y)))
    assert again.X is table.X or again.X.equals(table.X)
