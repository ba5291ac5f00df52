"""Constructed orders: which rows take part."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from seiqa_models.core.checks import check_training_table
from seiqa_models.core.errors import TableError
from seiqa_models.core.orders import Orders

ABOVE = [(0, 3), (1, 3), (0, 2)]


def made(groups: list[str], donors: list[str] | None = None) -> Orders:
    """Four rows a group: two that show the reference, an edited one and one of something else."""
    rows = [group for group in groups for _ in range(4)]
    givers = rows.copy()
    for at, donor in enumerate(donors or groups):
        givers[4 * at + 3] = donor
    index = [f"{group}{number}" for group in groups for number in range(4)]
    X = pd.DataFrame({"b": np.arange(len(rows), dtype=float), "a": 1.0}, index=index)
    gone = np.tile([False, False, False, True], len(groups))
    pairs = np.array([(4 * k + a, 4 * k + b) for k in range(len(groups)) for a, b in ABOVE])
    return Orders(X, np.array(rows), np.array(givers), gone, np.roll(gone, -1), pairs)


def named(orders: Orders) -> list[tuple[str, str]]:
    """The pairs by the names of their rows."""
    return [(orders.X.index[above], orders.X.index[below]) for above, below in orders.pairs]


def test_rows_made_of_another_groups_pictures_go_with_either() -> None:
    orders = made(["x", "y"], donors=["y", "y"])
    kept = orders.within(np.array(["x"]))
    assert kept.X.index.tolist() == ["x0", "x1", "x2"]
    assert not kept.gone.any()
    assert named(kept) == [("x0", "x2")]
    assert kept.edited.tolist() == [False, False, True]
    assert orders.within(np.array(["y"])).gone.tolist() == [False, False, False, True]
    assert len(orders.within(np.array(["z"])).X) == 0


def test_a_training_part_keeps_the_rows_of_its_groups_alone() -> None:
    X = pd.DataFrame({"a": np.arange(6.0), "b": 1.0})
    groups = ["x", "x", "y", "y", "w", "w"]
    orders = made(["x", "y", "unknown"])
    table = check_training_table(X, np.arange(6.0), groups, orders=orders)
    assert table.orders is not None
    assert list(table.orders.X.columns) == ["a", "b"]
    assert table.orders.groups.tolist() == [1] * 4 + [2] * 4  # w, x, y
    part = table.take(np.array([0, 1, 4])).orders
    assert part is not None
    assert part.X.index.tolist() == ["x0", "x1", "x2", "x3"]
    assert sorted(named(part)) == [("x0", "x2"), ("x0", "x3"), ("x1", "x3")]


def test_the_order_of_rows_does_not_matter() -> None:
    X = pd.DataFrame({"a": np.arange(4.0), "b": 1.0})
    orders = made(["x", "y"])
    shuffled = orders.take(np.array([5, 2, 0, 7, 1, 3, 6, 4]))
    first, second = (
        check_training_table(X, np.arange(4.0), ["x", "x", "y", "y"], orders=some).orders
        for some in (orders, shuffled)
    )
    assert first is not None
    assert second is not None
    pd.testing.assert_frame_equal(first.X, second.X)
    assert first.gone.tolist() == second.gone.tolist()
    assert first.edited.tolist() == second.edited.tolist()
    np.testing.assert_array_equal(first.pairs, second.pairs)
    assert len(first.pairs) == 6


def test_what_is_wrong_is_one_line() -> None:
    X = pd.DataFrame({"a": np.arange(4.0), "c": 1.0})
    orders = made(["x", "y"])
    with pytest.raises(TableError, match="constructed orders need the groups"):
        check_training_table(X, np.arange(4.0), orders=orders)
    with pytest.raises(TableError, match="constructed orders lack column 'c'"):
        check_training_table(X, np.arange(4.0), ["x", "x", "y", "y"], orders=orders)
    for wrong in (8, -1):
        beyond = replace(orders, X=orders.X.assign(c=1.0), pairs=np.array([[0, wrong]]))
        with pytest.raises(TableError, match=f"names row {wrong}, expected 0 to 7"):
            check_training_table(X, np.arange(4.0), ["x", "x", "y", "y"], orders=beyond)
    large = replace(orders, X=orders.X.assign(c=1e31))
    with pytest.raises(TableError, match="no feature is beyond"):
        check_training_table(X, np.arange(4.0), ["x", "x", "y", "y"], orders=large)
