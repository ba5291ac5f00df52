"""Folds that hold out a kind of distortion and a part of the references at once."""

from __future__ import annotations

import numpy as np
import pytest

from seiqa_models.core.errors import TableError
from seiqa_models.core.splits import fold_of_rows, make_folds
from seiqa_models.core.transfer import transfer_folds, unseen_folds


def test_training_part_has_neither_kind_nor_reference_of_the_held_out_rows():
    groups = np.repeat(np.arange(6), 12)
    kinds = np.tile(np.repeat(["blur", "jpeg", "noise", "shift"], 3), 6)
    folds = make_folds(groups, n_splits=3, seed=0)
    cells = transfer_folds(folds, kinds)
    assert len(cells) == 4 * 3
    for train, test in cells:
        assert len(set(kinds[test])) == 1
        assert not set(kinds[test]) & set(kinds[train])
        assert not set(groups[test]) & set(groups[train])
    held_out = np.concatenate([test for _, test in cells])
    assert sorted(held_out) == list(range(72))


def test_many_kinds_cost_one_fit_each_and_take_turns_at_the_folds():
    groups = np.repeat(np.arange(10), 40)
    kinds = np.tile(np.arange(40), 10)
    folds = make_folds(groups, n_splits=5, seed=0)
    cells = transfer_folds(folds, kinds)
    assert len(cells) == 40
    fold_of_row = fold_of_rows(folds)
    used = [int(fold_of_row[test[0]]) for _, test in cells]
    assert np.bincount(used).tolist() == [8] * 5


def test_a_kind_that_a_fold_lacks_makes_no_cell():
    folds = make_folds([0, 0, 1, 1, 2, 2], n_splits=3, seed=0)
    cells = transfer_folds(folds, ["a", "b", "a", "b", "a", "a"])
    assert len(cells) == 5


def test_a_kind_of_few_references_is_held_out_wherever_it_is():
    groups = np.repeat(np.arange(10), 20)
    kinds = np.tile(np.arange(20), 10)
    kinds[(kinds == 7) & (groups != 3)] = 6
    cells = transfer_folds(make_folds(groups, n_splits=5, seed=0), kinds)
    assert sorted(int(kinds[test[0]]) for _, test in cells) == list(range(20))


def test_few_kinds_meet_as_many_folds_as_twelve_fits_allow():
    groups = np.repeat(np.arange(5), 6)
    kinds = np.tile(np.arange(6), 5)
    folds = make_folds(groups, n_splits=5, seed=0)
    cells = transfer_folds(folds, kinds)
    assert [int(kinds[test[0]]) for _, test in cells] == [0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5]
    assert len(np.unique(np.concatenate([test for _, test in cells]))) == 12


def test_columns_that_hold_no_kinds_are_refused():
    folds = make_folds(np.arange(61), n_splits=3, seed=0)
    with pytest.raises(TableError, match="there are 61 kinds, expected 2 to 60"):
        transfer_folds(folds, np.arange(61))
    with pytest.raises(TableError, match="kinds have 3 values, the table has 61 rows"):
        transfer_folds(folds, ["a", "b", "c"])


def test_unseen_folds_hold_out_kinds_and_references_in_as_many_fits_as_there_are_folds():
    groups = np.repeat(np.arange(6), 12)
    kinds = np.tile(np.repeat(np.arange(4), 3), 6)
    folds = make_folds(groups, n_splits=3, seed=0)
    cells = unseen_folds(folds, kinds, seed=1)
    assert len(cells) == 3
    held_out = np.concatenate([test for _, test in cells])
    assert len(np.unique(held_out)) == len(held_out) > 0
    assert set(kinds[held_out]) == set(range(4))
    for (train, test), (fold_train, fold_test) in zip(cells, folds, strict=True):
        assert not set(kinds[test]) & set(kinds[train])
        assert set(train) < set(fold_train)
        assert set(test) < set(fold_test)
    shuffled = [unseen_folds(folds, kinds, seed=seed)[0][1].tolist() for seed in range(5)]
    assert len({tuple(rows) for rows in shuffled}) > 1


def test_a_single_kind_leaves_nothing_to_learn_from():
    folds = make_folds([0, 0, 1, 1, 2, 2], n_splits=3, seed=0)
    assert unseen_folds(folds, np.zeros(6, dtype=int), seed=0) == []
