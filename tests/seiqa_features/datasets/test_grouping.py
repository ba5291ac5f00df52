"""Groups that share equal rows are one."""

from __future__ import annotations

import numpy as np
import pandas as pd

from seiqa_features.datasets.grouping import joined_groups


def test_groups_that_share_nothing_stay() -> None:
    assert joined_groups(["b", "a", "b"], [1, 2, 3]) == ["b", "a", "b"]
    assert joined_groups([], []) == []


def test_what_is_shared_joins_through_others() -> None:
    groups = ["d", "c", "c", "b", "b", "a", "z"]
    shared = ["x", "x", "y", "y", "w", "v", "u"]
    assert joined_groups(groups, shared) == ["b", "b", "b", "b", "b", "a", "z"]


def test_order_of_rows_does_not_matter() -> None:
    groups, shared = ["c", "a", "b", "a"], [1, 1, 2, 2]
    forwards = joined_groups(groups, shared)
    assert forwards == ["a"] * 4
    assert joined_groups(groups[::-1], shared[::-1]) == forwards[::-1]


def test_a_column_and_an_array_are_as_good_as_lists() -> None:
    groups = ["d", "c", "c", "b", "b", "a", "z"]
    shared = [0, 0, 1, 1, 2, 3, 4]
    joined = joined_groups(pd.Series(groups, dtype="str"), np.array(shared))
    assert joined == joined_groups(groups, shared)
