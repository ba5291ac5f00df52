"""Labels and groups that cannot be learned from, said of the whole table."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from seiqa_models.core.errors import TableError
from seiqa_models.core.readiness import require_folds, require_labels
from seiqa_models.core.splits import make_folds
from seiqa_models.evaluation.evaluate import evaluate
from seiqa_models.stack.regressor import SeiqaRegressor

LABELS = np.random.default_rng(0).uniform(0, 5, 60).round(2)
NAMES = [f"row {k}" for k in range(60)]


def groups_of(*sizes: int) -> list[str]:
    return [name for name, size in zip("abcdefgh", sizes, strict=False) for _ in range(size)]


def test_good_labels_pass() -> None:
    for labels in (LABELS, LABELS * 1e6 - 5, [0.0] * 30 + [1.0] * 30, [5.0] * 59 + [4.0]):
        require_labels(labels, NAMES)


@pytest.mark.parametrize(
    ("labels", "said"),
    [
        (LABELS[:9], "there are 9 labelled rows for training, at least 10 are needed"),
        (np.full(60, 3.0), "every label is 3: nothing can be learned from one value"),
        ([1e9, *LABELS[1:]], r"label 1e\+09 of row 0 is far from the other 59, which lie in 0\.0"),
        (
            [*LABELS[:57], -999, -999, 1e300],
            "label -999 of row 57 and 2 more is far from the other",
        ),
    ],
)
def test_bad_labels_are_refused(labels: list[float], said: str) -> None:
    with pytest.raises(TableError, match=said):
        require_labels(labels, NAMES)


def test_many_labels_far_off_are_another_scale_and_no_slip() -> None:
    require_labels([*LABELS[:30], *(LABELS[30:] + 1e6)], NAMES)


@pytest.mark.parametrize(
    ("sizes", "said"),
    [
        ((57, 1, 1, 1), r"^57 of 60 rows are in one group \(that of row 0\): 4 groups are too"
         r" uneven for 5 folds\. With 57 rows held out there are only 3 rows to learn from, and 4"),
        ((30, 30), "there are only 2 groups .* needs at least 3"),
        ((60,), "all rows are in one group"),
    ],
)  # fmt: skip
def test_uneven_groups_are_said_of_the_whole_table(sizes: tuple[int, ...], said: str) -> None:
    with pytest.raises(TableError, match=said):
        require_folds(LABELS, groups_of(*sizes), names=NAMES, n_splits=5, seed=0)


def test_blocks_of_file_order_are_judged_as_they_are_cut() -> None:
    groups = groups_of(50, 3, 3, 4)
    with pytest.raises(TableError, match="4 groups are too uneven for 2 folds"):
        require_folds(LABELS, [*groups[:57], "b", "c", "a"][:60], np.arange(60),
                      names=NAMES, n_splits=2, seed=0)  # fmt: skip
    assert require_folds(LABELS, groups, names=NAMES, n_splits=4, seed=0) > 0


def test_labels_of_one_value_beside_one_group() -> None:
    labels = np.where(np.arange(60) < 20, LABELS, 3.0)
    with pytest.raises(TableError, match="there are only rows that all have the label 3;"):
        require_folds(labels, groups_of(20, 20, 20), names=NAMES, n_splits=3, seed=0)


def test_the_smallest_part_is_that_of_an_inner_fold() -> None:
    groups = np.repeat(np.arange(6), 10)
    sizes = []
    for train, _ in make_folds(groups, n_splits=3, seed=0):
        inner = make_folds(groups[train], n_splits=3, seed=0)
        sizes += [len(part) for part, _ in inner]
    found = require_folds(LABELS, groups, names=NAMES, n_splits=3, seed=0)
    assert found == min(sizes) == 20


def test_what_is_not_refused_can_be_evaluated() -> None:
    """The check is as strict as it has to be, and no stricter."""
    rng = np.random.default_rng(3)
    outcomes = set()
    for draw in range(8):
        sizes = rng.choice([1, 1, 2, 8], 4)
        sizes[0] += max(0, 10 - sizes.sum())
        groups = np.repeat(np.arange(4), sizes)
        X = pd.DataFrame(rng.normal(size=(len(groups), 2)), columns=["a", "b"])
        y = rng.normal(size=len(groups))
        order = np.arange(len(groups)) if draw % 2 else None
        regressor = SeiqaRegressor(learners=("ridge", "single"), n_splits=5)
        refused = ""
        try:
            require_folds(y, groups, order, names=range(len(groups)), n_splits=5, seed=0)
        except TableError as error:
            refused = str(error)
        if refused:
            with pytest.raises(TableError, match="too uneven for 5 folds"):
                evaluate(regressor, X, y, groups, order)
        else:
            evaluate(regressor, X, y, groups, order)
        outcomes.add("refused" if refused else "evaluated")
    assert outcomes == {"refused", "evaluated"}
