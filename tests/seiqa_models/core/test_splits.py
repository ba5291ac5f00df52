"""Fold properties, for any groups and any order."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seiqa_models.core.errors import TableError
from seiqa_models.core.splits import (
    describe_folds,
    fold_of_rows,
    laboratory_folds,
    make_folds,
    spread_folds,
)

group_lists = st.lists(st.integers(0, 12), min_size=2, max_size=60).filter(
    lambda groups: len(set(groups)) >= 2
)


@settings(deadline=None, max_examples=80)
@given(groups=group_lists, n_splits=st.integers(2, 7), ordered=st.booleans())
def test_every_row_is_held_out_once_and_no_group_is_split(groups, n_splits, ordered):
    codes = np.array(groups)
    order = np.arange(len(codes)) if ordered else None
    folds = make_folds(codes, order, n_splits=n_splits, seed=0)
    assert 2 <= len(folds) <= min(n_splits, len(set(groups)))
    if not ordered:
        assert len(folds) == min(n_splits, len(set(groups)))
    held_out = np.concatenate([test for _, test in folds])
    np.testing.assert_array_equal(np.sort(held_out), np.arange(len(codes)))
    numbers = fold_of_rows(folds)
    assert all((numbers[test] == number).all() for number, (_, test) in enumerate(folds))
    for train, test in folds:
        assert len(train)
        assert len(test)
        assert not set(codes[train]) & set(codes[test])
        np.testing.assert_array_equal(np.union1d(train, test), np.arange(len(codes)))
        assert (np.diff(train) > 0).all()
        assert (np.diff(test) > 0).all()


def test_groups_of_equal_size_give_balanced_folds():
    folds = make_folds(np.repeat(np.arange(10), 7), n_splits=5, seed=1)
    assert [len(test) for _, test in folds] == [14] * 5


def test_one_large_group_gets_a_fold_of_its_own():
    folds = make_folds([0] * 50 + [1] * 5 + [2] * 5 + [3] * 5, n_splits=2, seed=0)
    assert sorted(len(test) for _, test in folds) == [15, 50]


def test_seed_decides_the_folds_and_nothing_else():
    groups = np.arange(40)

    def of(seed: int) -> list[list[int]]:
        return [test.tolist() for _, test in make_folds(groups, n_splits=4, seed=seed)]

    assert of(0) == of(0)
    assert of(0) != of(1)


def test_single_rows_with_order_become_contiguous_blocks():
    order = np.random.default_rng(0).permutation(50)
    folds = make_folds(np.arange(50), order, n_splits=5, seed=0)
    for number, (_, test) in enumerate(folds):
        assert sorted(order[test]) == list(range(10 * number, 10 * number + 10))


def test_groups_stay_whole_in_blocks():
    groups = np.tile(["a", "b"], 10)
    folds = make_folds(groups, np.arange(20), n_splits=5, seed=0)
    assert [set(groups[test]) for _, test in folds] == [{"a"}, {"b"}]


def test_description():
    by_group = make_folds([0, 1, 2], n_splits=5, seed=0)
    assert describe_folds(by_group) == "3 folds by group"
    assert describe_folds(by_group, [0, 1, 2]) == (
        "3 contiguous blocks of file order, groups kept together"
    )


def test_one_group_cannot_be_split():
    with pytest.raises(TableError, match="one group"):
        make_folds(["a", "a"], n_splits=2, seed=0)
    with pytest.raises(ValueError, match="n_splits is 1"):
        make_folds([0, 1], n_splits=1, seed=0)


def test_groups_of_every_collection_are_spread_over_the_folds():
    """A small collection keeps rows in every training part; a shared group stays in one fold."""
    groups = np.repeat(np.arange(13), 4)
    collections = np.where(groups >= 10, 1, 0)
    collections[groups == 3] = [0, 0, 1, 1]
    folds = spread_folds(groups, collections, first=0, n_splits=3, seed=0)
    assert len(folds) == 3
    for train, test in folds:
        assert not set(groups[train]) & set(groups[test])
        assert set(collections[train]) == {0, 1}
    assert sorted(np.concatenate([test for _, test in folds])) == list(range(len(groups)))


def test_a_collection_is_left_out_with_the_groups_that_it_shares():
    groups = np.repeat(np.arange(8), 3)
    collections = np.array([0] * 9 + [1] * 9 + [2] * 6)
    collections[1] = 1  # group 0 is in two of them
    folds = make_folds(groups, n_splits=4, seed=0)
    cells = laboratory_folds(folds, groups, collections)
    assert sorted(np.concatenate([test for _, test in cells])) == list(range(len(groups)))
    for train, test in cells:
        assert len(set(collections[test])) == 1
        assert not set(collections[train]) & set(collections[test])
        assert not set(groups[train]) & set(groups[test])
    assert sum(collections[test[0]] == 2 for _, test in cells) == 1
