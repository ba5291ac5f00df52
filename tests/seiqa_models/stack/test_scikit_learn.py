"""SeiqaRegressor in scikit-learn: its checks, arrays and names, groups by metadata routing."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import pandas as pd
import pytest
from sklearn import config_context
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.model_selection import GridSearchCV, GroupKFold, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

from seiqa_models.core.errors import GroupsWarning, TableError
from seiqa_models.fusions.bounded import BoundedFusion
from seiqa_models.learners.registry import LEARNERS
from seiqa_models.stack.regressor import SeiqaRegressor

QUICK = ("ridge",)

EXPECTED = {
    "check_fit2d_1sample": "the error says how many labelled rows a stack needs, in our words",
}


@pytest.mark.filterwarnings("ignore::seiqa_models.core.errors.GroupsWarning")
@parametrize_with_checks(
    [SeiqaRegressor(QUICK, n_splits=2)], expected_failed_checks=lambda _: EXPECTED
)
def test_scikit_learns_checks(estimator, check):
    check(estimator)


# --- arrays and names -------------------------------------------------------------------------


def test_arrays_and_lists_give_what_a_table_gives(make_table):
    X, y, groups = make_table()
    wide = pd.concat([X.add_suffix(str(i)) for i in range(4)], axis=1)
    wide.columns = [f"x{i}" for i in range(12)]
    from_table = SeiqaRegressor(QUICK).fit(wide, y, groups)
    from_array = SeiqaRegressor(QUICK).fit(wide.to_numpy(), y.to_numpy(), groups)
    assert from_array.n_features_in_ == from_table.n_features_in_ == 12
    assert from_table.feature_names_in_.tolist() == list(wide.columns)
    assert not hasattr(from_array, "feature_names_in_")
    expected = from_table.predict(wide)
    for rows in (wide.to_numpy(), wide.to_numpy().tolist(), pd.DataFrame(wide.to_numpy())):
        np.testing.assert_array_equal(from_array.predict(rows), expected)
    assert from_array.predict_interval(wide.to_numpy()).shape == (len(y), 8)


def test_an_array_for_a_model_with_names_counts_in_the_order_of_fit(make_table):
    X, y, groups = make_table()
    fitted = SeiqaRegressor(QUICK).fit(X[["similarity", "chaff", "distance"]], y, groups)
    values = X[["similarity", "chaff", "distance"]].to_numpy()
    with pytest.warns(UserWarning, match="X does not have valid feature names"):
        np.testing.assert_array_equal(fitted.predict(values), fitted.predict(X))
    few = pytest.raises(ValueError, match="X has 2 features, but SeiqaRegressor is expecting 3")
    with few, pytest.warns(UserWarning, match="valid feature names"):
        fitted.predict(values[:, :2])
    with pytest.raises(TableError, match=r"1 of 3 feature columns are missing \(chaff\)"):
        fitted.predict(X[["similarity", "distance"]])


def test_a_mixture_of_names_is_refused(make_table):
    X, y, groups = make_table()
    with pytest.raises(TableError, match="column 7 has no text as its name"):
        SeiqaRegressor(QUICK).fit(X.rename(columns={"chaff": 7}), y, groups)


@pytest.mark.parametrize("learner", ["gp", "ridge", "monotone"])
def test_a_global_wish_for_dataframes_changes_nothing(make_table, learner):
    X, y, groups = make_table()
    expected = SeiqaRegressor((learner,), n_splits=2).fit(X, y, groups).predict(X)
    with config_context(transform_output="pandas"):
        fitted = SeiqaRegressor((learner,), n_splits=2).fit(X, y, groups)
        np.testing.assert_array_equal(fitted.predict(X), expected)


# --- metadata ---------------------------------------------------------------------------------


class Told(RegressorMixin, BaseEstimator):
    """A learner that writes down which kinds it was told."""

    said: ClassVar[list[list[int] | None]] = []

    def fit(self, X, y, kinds=None):  # noqa: ARG002
        self.said.append(None if kinds is None else sorted(set(kinds)))
        self.mean_ = float(np.mean(y))
        return self

    def predict(self, X):
        return X[:, 0] + self.mean_


@pytest.fixture
def told(monkeypatch):
    """Learners that use kinds, alone and as the last step of a pipeline."""
    Told.said.clear()
    monkeypatch.setitem(LEARNERS, "told", lambda *_: Told())
    monkeypatch.setitem(LEARNERS, "step", lambda *_: make_pipeline(StandardScaler(), Told()))
    return Told.said


@pytest.fixture
def split_groups(monkeypatch):
    """How often a fit inside split the rows of a group; the groups that make_folds was given."""
    from seiqa_models.stack.pool import cross_fitting

    seen = []
    real = cross_fitting.make_folds

    def noting(groups, *args, **kwargs):
        seen.append(len(np.unique(groups)))
        return real(groups, *args, **kwargs)

    monkeypatch.setattr(cross_fitting, "make_folds", noting)
    return seen


def test_without_routing_a_lost_group_is_not_silent(make_table):
    X, y, groups = make_table()
    with pytest.warns(GroupsWarning, match=r"enable_metadata_routing=True"):
        cross_val_score(SeiqaRegressor(QUICK), X, y, groups=groups, cv=GroupKFold(3))
    SeiqaRegressor(QUICK).fit(X, y, groups=range(len(X)))


def test_groups_arrive_in_cross_validation(make_table, split_groups):
    X, y, groups = make_table(n_groups=6)
    with config_context(enable_metadata_routing=True):
        scores = cross_val_score(
            SeiqaRegressor(QUICK), X, y, cv=GroupKFold(3), params={"groups": groups}
        )
    assert scores.min() > 0.8
    assert split_groups == [4, 4, 4]


def test_groups_arrive_in_a_search_over_fusions_and_their_parameters(make_table, split_groups):
    X, y, groups = make_table(n_groups=6)
    stack = SeiqaRegressor(("ridge", "svr"), n_splits=2, fusion=BoundedFusion())
    grid = {"fusion__max_weight": [0.5, 1.0]}
    with config_context(enable_metadata_routing=True):
        search = GridSearchCV(stack, grid, cv=GroupKFold(2)).fit(X, y, groups=groups)
    assert search.best_params_["fusion__max_weight"] in (0.5, 1.0)
    assert split_groups == [3, 3, 3, 3, 6]


def test_groups_order_and_kinds_arrive_in_a_pipeline(make_table, split_groups, told):
    X, y, groups = make_table(n_groups=6)
    kinds = np.resize([1, 2], len(y))
    pipeline = make_pipeline(StandardScaler(), SeiqaRegressor(("told", "step"), n_splits=2))
    with config_context(enable_metadata_routing=True):
        pipeline.fit(X, y, groups=groups, order=np.arange(len(y)), kinds=kinds)
    assert split_groups == [6]
    assert told.count([0, 1]) == 6
    assert told.count(None) == 0


def test_what_is_not_wanted_can_be_refused(make_table, split_groups):
    X, y, groups = make_table(n_groups=6)
    with config_context(enable_metadata_routing=True):
        stack = SeiqaRegressor(QUICK, n_splits=2).set_fit_request(groups=False)
        with pytest.warns(GroupsWarning):
            cross_val_score(stack, X, y, cv=GroupKFold(2), params={"groups": groups})
    assert split_groups == [24, 24]


def test_without_kinds_learners_are_told_none(make_table, told):
    X, y, groups = make_table()
    SeiqaRegressor(("told", "step"), n_splits=2).fit(X, y, groups)
    assert set(map(str, told)) == {"None"}


def test_no_fit_parameter_has_two_underscores():
    names = SeiqaRegressor.fit.__annotations__
    assert {"groups", "order", "kinds"} <= set(names)
    assert not [name for name in names if "__" in name]
