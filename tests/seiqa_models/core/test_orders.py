"""Constructed orders: which rows take part, and what they stand for."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from seiqa_models.core.checks import check_training_table
from seiqa_models.core.errors import TableError
from seiqa_models.core.orders import MARGIN, Orders


def made(groups: list[str], donors: list[str] | None = None) -> Orders:
    """Four rows a group: a copy, two that are ordered, one that is gone."""
    rows = [group for group in groups for _ in range(4)]
    givers = rows.copy()
    for at, donor in enumerate(donors or groups):
        givers[4 * at + 3] = donor
    above = 4 * np.arange(len(groups)) + 1
    index = [f"{group}{number}" for group in groups for number in range(4)]
    X = pd.DataFrame({"b": np.arange(len(rows), dtype=float), "a": 1.0}, index=index)
    ends = np.tile([1, 0, 0, -1], len(groups))
    return Orders(X, np.array(rows), np.array(givers), above, above + 1, ends)


def test_rows_made_of_another_groups_pictures_go_with_either() -> None:
    orders = made(["x", "y"], donors=["y", "y"])
    kept = orders.within(np.array(["x"]))
    assert kept.X.index.tolist() == ["x0", "x1", "x2"]
    assert list(zip(kept.above, kept.below, strict=True)) == [(1, 2)]
    assert kept.ends.tolist() == [1, 0, 0]
    assert len(orders.within(np.array(["y"])).X) == 4
    assert len(orders.within(np.array(["z"])).above) == 0


def test_a_training_part_keeps_the_orders_of_its_groups_alone() -> None:
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
    assert set(zip(first.above, first.below, strict=True)) == set(
        zip(second.above, second.below, strict=True)
    )


def test_what_is_wrong_is_one_line() -> None:
    X = pd.DataFrame({"a": np.arange(4.0), "c": 1.0})
    orders = made(["x", "y"])
    with pytest.raises(TableError, match="constructed orders need the groups"):
        check_training_table(X, np.arange(4.0), orders=orders)
    with pytest.raises(TableError, match="constructed orders lack column 'c'"):
        check_training_table(X, np.arange(4.0), ["x", "x", "y", "y"], orders=orders)
    large = replace(orders, X=orders.X.assign(c=1e31))
    with pytest.raises(TableError, match="no feature is beyond"):
        check_training_table(X, np.arange(4.0), ["x", "x", "y", "y"], orders=large)


def test_targets_keep_the_orders_and_move_no_further_than_that() -> None:
    orders = made(["x", "y"])
    predicted = np.array([2.0, 1.0, 2.0, 3.0, 2.0, 4.0, 1.0, 3.0])
    found = orders.targets(predicted, (0.0, 5.0), spread=2.0)
    margin = 2 * MARGIN
    assert found[[0, 4]].tolist() == [5, 5]
    assert found[[3, 7]].tolist() == [0, 0]
    middle = 1.5  # of the two rows in the wrong order, which share the correction
    assert found[1:3] == pytest.approx([middle + margin / 2, middle - margin / 2], abs=1e-2)
    assert found[5:7].tolist() == [4, 1]  # in the right order already


def test_targets_of_a_chain_are_the_nearest_that_keep_it() -> None:
    X = pd.DataFrame({"a": np.zeros(3)})
    groups = np.array(["x"] * 3)
    orders = Orders(X, groups, groups, np.array([0, 1]), np.array([1, 2]), np.zeros(3, np.intp))
    found = orders.targets(np.array([1.0, 2.0, 3.0]), (-9.0, 9.0), spread=1.0)
    assert found == pytest.approx([2 + MARGIN, 2, 2 - MARGIN], abs=1e-2)


def test_what_is_not_gone_stays_above_the_bottom() -> None:
    orders = made(["x"])
    found = orders.targets(np.full(4, -3.0), (0.0, 5.0), spread=2.0)
    assert found[1:3].min() >= 2 * MARGIN > found[3] == 0
