"""Feature ablation: what a group is worth left out and alone, on the folds of the evaluation."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pandas as pd
import pytest

from seiqa_models.core.errors import TableError
from seiqa_models.evaluation.ablation import feature_ablation
from seiqa_models.evaluation.evaluate import evaluate
from seiqa_models.stack.regressor import SeiqaRegressor


@pytest.fixture
def named(make_table):
    """One extractor with all of the signal, in a scalar and a dense block, and one of noise."""
    X, y, groups = make_table(d=20)
    noise = np.random.default_rng(5).normal(size=(len(X), 2))
    X = pd.DataFrame(
        {
            "chaff__a__x": noise[:, 0],
            "good__a__embedding": X["embedding"],
            "good__b__similarity": X["similarity"],
            "chaff__a__y": noise[:, 1],
        },
        index=X.index,
    )
    return X, y, groups


def ablated(*table: Any, **options: Any) -> dict[str, Any]:
    """What `feature_ablation` finds, as plain dictionaries."""
    return feature_ablation(*table, **options).model_dump()


def test_the_group_with_the_signal_is_missed_and_does_well_alone(named):
    result = ablated(*named, learner="ridge", n_splits=3)
    assert result["learner"] == "ridge"
    assert list(result["groups"]) == ["chaff", "good"]
    good, chaff = result["groups"]["good"], result["groups"]["chaff"]
    assert good["columns"] == chaff["columns"] == 2
    assert good["alone"] > 0.95 > 0.4 > good["without"]
    assert good["alone"] == chaff["without"]
    assert good["without"] == chaff["alone"]
    assert result["all"] == pytest.approx(good["alone"], abs=0.02)


@pytest.mark.parametrize("ordered", [False, True])
def test_every_column_together_scores_as_the_learner_does_in_the_evaluation(named, ordered):
    X, y, groups = named
    order = np.arange(len(X))[::-1] if ordered else None
    regressor = SeiqaRegressor(learners=("svr",), n_splits=2, random_state=2)
    expected = evaluate(regressor, X, y, groups, order, n_splits=4, seed=2).to_dict()
    result = ablated(X, y, groups, order, learner="svr", n_splits=4, seed=2)
    assert result["all"] == pytest.approx(expected["learners"]["svr"]["final"], abs=1e-9)


def test_a_learner_that_can_use_kinds_is_given_them(named):
    X, y, groups = named
    kinds = np.tile(["blur", "jpeg"], len(X) // 2)
    regressor = SeiqaRegressor(learners=("gp",), n_splits=2)
    expected = evaluate(regressor, X, y, groups, kinds=kinds, n_splits=3).to_dict()
    result = ablated(X, y, groups, learner="gp", kinds=kinds, n_splits=3)
    assert result["all"] == pytest.approx(expected["learners"]["gp"]["final"], abs=1e-9)
    without = ablated(X, y, groups, learner="gp", n_splits=3)
    assert result["all"] != pytest.approx(without["all"], abs=1e-6)


def test_directions_are_told_as_in_the_evaluation(named):
    X, y, groups = named
    directions = {"good__b__similarity": -1, "chaff__a__x": 1}
    regressor = SeiqaRegressor(learners=("nonnegative",), n_splits=2, directions=directions)
    expected = evaluate(regressor, X, y, groups, n_splits=3).to_dict()
    result = ablated(X, y, groups, learner="nonnegative", directions=directions, n_splits=3)
    assert result["all"] == pytest.approx(expected["learners"]["nonnegative"]["final"], abs=1e-9)
    without = ablated(X, y, groups, learner="nonnegative", n_splits=3)
    assert without["groups"]["good"]["alone"] > result["groups"]["good"]["alone"]


def test_the_result_hangs_neither_on_jobs_nor_on_the_order_of_columns(named):
    X, y, groups = named
    seen = []
    first = ablated(
        X,
        y,
        groups,
        learner="gp",
        n_splits=3,
        on_fit=lambda done, total: seen.append((done, total)),
    )
    assert seen == [(done, 15) for done in range(1, 16)]
    second = ablated(X[X.columns[::-1]], y, groups, learner="gp", n_splits=3, n_jobs=2)
    assert json.dumps(first, allow_nan=False) == json.dumps(second, allow_nan=False)


def test_one_group_leaves_nothing_without_it(named):
    X, y, groups = named
    result = ablated(X.filter(like="good"), y, groups, learner="ridge", n_splits=3)
    assert result["groups"] == {"good": {"columns": 2, "without": None, "alone": result["all"]}}


def test_constant_columns_have_no_score_of_their_own(named):
    X, y, groups = named
    X = X.assign(still__a__x=1.0, still__a__y=np.nan)
    result = ablated(X, y, groups, learner="ridge", n_splits=3)
    assert result["groups"]["still"] == {"columns": 2, "without": result["all"], "alone": None}


def test_columns_that_are_constant_in_some_training_parts_still_count_in_the_others(named):
    X, y, groups = named
    one = groups == "ref0"
    X = X.assign(rare__a__x=np.where(one, y, 0.0))
    alone = ablated(X, y, groups, learner="ridge", n_splits=6)["groups"]["rare"]["alone"]
    assert isinstance(alone, float)
    assert np.isfinite(alone)


def test_too_few_groups_of_rows_are_refused(named):
    X, y, groups = named
    few = groups <= "ref1"
    with pytest.raises(TableError, match="only 2 groups"):
        ablated(X[few], y[few], groups[few], learner="ridge")
