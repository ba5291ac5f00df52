"""The honest estimate of a stack that learns from several collections."""

from __future__ import annotations

import numpy as np
import pytest

from seiqa_models.core.errors import TableError
from seiqa_models.evaluation.evaluate import evaluate
from seiqa_models.stack.regressor import SeiqaRegressor

QUICK = ("ridge", "svr")


@pytest.fixture
def two(make_table):
    """X, labels on two scales, groups, names, and the quality on the scale of the first."""
    X, y, groups = make_table(n_groups=12, rows=20)
    names = np.where(np.isin(groups, sorted(set(groups))[::3]), "lab B", "lab A")
    return X, np.where(names == "lab B", 10 + 8 * y, y), groups, names, y.to_numpy()


def test_labels_are_compared_on_the_scale_of_the_scores(two) -> None:
    X, y, groups, names, quality = two
    result = evaluate(SeiqaRegressor(QUICK), X, y, groups, collections=names)
    assert result.figures.honest.srocc > 0.9
    assert result.regressor.scales_["scale"] == "lab A"
    np.testing.assert_allclose(result.predictions["mos"], quality, atol=0.5)
    assert list(result.predictions.index) == list(X.index)
    assert result.figures.label.max < 10
    assert result.figures.best_single.srocc > 0.8
    assert result.figures.as_itself.srocc > 0.9
    cells = [(cell.judged_on, cell.scored_as) for cell in result.by_collection]
    assert cells == [("lab A", None), ("lab A", "lab A"), ("lab B", None), ("lab B", "lab B")]
    assert all(cell.srocc > 0.85 and not cell.left_out for cell in result.by_collection)


def test_one_collection_alone_changes_nothing(make_table) -> None:
    X, y, groups = make_table(n_groups=6, rows=8)
    alone = evaluate(SeiqaRegressor(QUICK), X, y, groups)
    named = evaluate(SeiqaRegressor(QUICK), X, y, groups, collections=["A"] * len(y))
    one, other = alone.to_dict(), named.to_dict()
    for figures in (one, other):
        del figures["seconds"], figures["seconds_per_row"]
    assert one == other


def test_a_collection_too_small_for_folds_is_refused_before_any_fit(two) -> None:
    X, y, groups, names, _ = two
    small = np.where(np.isin(groups, ["ref1", "ref2"]), "lab C", names)
    with pytest.raises(TableError, match=r"held out, collection lab C has 20 labelled rows of 1 s"):
        evaluate(SeiqaRegressor(QUICK), X, y, groups, collections=small)
