"""Learners × representations: names, contract of every combination, hostile tables."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from seiqa_models.core.columns import (
    AGREEMENT,
    BEYOND_SHARE,
    CONSENSUS,
    EDITED_SHARE,
    FALLBACK,
    FALLBACK_SHARE,
    UNRELATED,
)
from seiqa_models.core.errors import TableError
from seiqa_models.core.metrics import srocc
from seiqa_models.learners.registry import LEARNERS
from seiqa_models.stack.pool.fitted import check_members
from seiqa_models.stack.regressor import SeiqaRegressor
from seiqa_models.stack.representations import (
    ALL,
    REPRESENTATIONS,
    Member,
    make_representation,
    member,
    representation,
)

FORMS = [*REPRESENTATIONS, "1", "3"]


@pytest.fixture
def wide():
    """More columns than rows: 40 rows of 60 noisy views of one quality."""
    rng = np.random.default_rng(0)
    y = rng.uniform(0, 5, 40)
    columns = {f"m{i:02}": (-1) ** i * y + rng.normal(scale=1.0, size=40) for i in range(60)}
    return pd.DataFrame(columns), y, np.arange(40) // 8


@pytest.mark.parametrize("form", FORMS)
def test_every_learner_reads_every_representation_of_more_columns_than_rows(form, wide):
    X, y, groups = wide
    names = [f"{name}@{form}" for name in LEARNERS if not name.startswith("runner_up_")]
    stack = SeiqaRegressor(names, n_splits=2, fusion="mean").fit(X, y, groups)
    predictions = stack.predict_learners(X)
    shares = [FALLBACK_SHARE, BEYOND_SHARE, UNRELATED, EDITED_SHARE]
    further = [CONSENSUS, AGREEMENT, FALLBACK, *shares]
    assert list(predictions) == [*names, *further]
    assert np.isfinite(predictions).all(axis=None)
    assert min(srocc(y, predictions[name]) for name in names) > 0.5
    assert srocc(y, stack.oof_[names].mean(axis=1)) > 0.9


def test_names_of_members():
    assert member("gp") == Member("gp", ALL) == member("gp@all")
    assert member("catboost@8") == Member("catboost", "8")


@pytest.mark.parametrize(
    ("names", "line"),
    [
        ([], "expected one or more different names"),
        (["gp", "gp"], "expected one or more different names"),
        (["gp@8", "catbost@8"], "unknown learner 'catbost': did you mean 'catboost'"),
        (["gp@al"], "unknown representation 'al': did you mean 'all'"),
        (
            ["gp@0"],
            "unknown representation '0': known are all, dense, and the number of components",
        ),
        (["gp@-1"], "unknown representation '-1'"),
    ],
)
def test_members_that_are_not_there_are_one_line(names, line):
    with pytest.raises(ValueError, match=line) as told:
        check_members(names)
    assert "\n" not in str(told.value)


def test_a_name_is_registered_once_and_is_no_number():
    for name in (ALL, "dense", "12"):
        with pytest.raises(ValueError, match=f"representation '{name}' is registered twice"):
            representation(name)(lambda: make_representation(ALL))


def test_fewer_rows_than_components_is_one_line(wide):
    X, y, groups = wide
    with pytest.raises(
        TableError, match="30 components need as many rows, and a training part has 16"
    ) as told:
        SeiqaRegressor(("ridge@30",), n_splits=2).fit(X, y, groups // 3)
    assert "\n" not in str(told.value)


def test_columns_all_equal_and_one_reference_are_one_line(wide):
    X, y, groups = wide
    with pytest.raises(TableError, match="every feature column is constant"):
        SeiqaRegressor(("ridge", "svr@2")).fit(X * 0, y, groups)
    with pytest.raises(TableError, match="all rows are in one group"):
        SeiqaRegressor(("ridge", "svr@2")).fit(X, y, groups * 0)


def test_known_directions_reach_learners_and_components(wide):
    X, y, groups = wide
    directions = {name: 1 if i % 2 == 0 else -1 for i, name in enumerate(X)}
    stack = SeiqaRegressor(("monotone@2", "nonnegative"), n_splits=2, directions=directions)
    stack.fit(X, -y, groups)  # labels upside down: what is known of the columns stands
    assert stack.learners_["nonnegative"][0].signs_.tolist() == list(directions.values())
    assert stack.representations_["2"].ranks_.signs_.tolist() == list(directions.values())
    assert stack.learners_["monotone@2"].directions == [1, 0]
    assert srocc(y, stack.representations_["2"].transform(X.to_numpy())[:, 0]) > 0.9
