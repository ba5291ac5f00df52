"""Contributions: the axioms of Shapley values, against brute force, exact and sampled."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pandas as pd
import pytest

from seiqa_models.core.errors import TableError
from seiqa_models.evaluation.contributions import contributions
from seiqa_models.stack.regressor import SeiqaRegressor


def linear(X, y, groups) -> SeiqaRegressor:
    """A stack whose score before clipping is linear in the columns, however far its member goes."""
    stack = SeiqaRegressor(("ridge",), n_splits=3, consensus=False, calibrate=False)
    stack.fit(X, y, groups).blend_.bounds_ = None
    return stack


def bent(X, y, groups) -> SeiqaRegressor:
    """A stack of default learners and a calibration, with interactions of every order."""
    return SeiqaRegressor(learners=("gp", "ridge"), n_splits=3).fit(X, y, groups)


def slopes(regressor: SeiqaRegressor) -> dict[str, float]:
    """What one unit of each prepared column adds to a linear stack's score."""
    scaler, model = (step for _, step in regressor.learners_["ridge"].steps)
    return dict(zip(regressor.preparation_.columns_, model.coef_ / scaler.scale_, strict=True))


def scores_before_clipping(regressor: SeiqaRegressor, X: pd.DataFrame) -> np.ndarray:
    return regressor.fuse_unclipped(regressor.predict_learners(X))


@pytest.fixture
def make_wide(make_table):
    """``make_wide(n_groups)``: that many extractors, two columns each, of falling use."""

    def make(n_extractors: int):
        X, y, groups = make_table(n_groups=10)
        rng = np.random.default_rng(1)
        columns = {
            f"metric{i:02}__s{j}__mean": np.tanh(y - i / 3)
            + 0.1 * (i + j) * rng.normal(size=len(y))
            for i in range(n_extractors)
            for j in range(2)
        }
        return pd.DataFrame(columns, index=X.index), y, groups

    return make


@pytest.mark.parametrize("n_extractors", [3, 12])
def test_rows_sum_to_the_score_before_clipping(make_wide, n_extractors):
    X, y, groups = make_wide(n_extractors)
    regressor = bent(X, y, groups)
    table = contributions(regressor, X.iloc[5:11])
    assert table.index.equals(X.index[5:11])
    assert list(table.columns) == [*(f"metric{i:02}" for i in range(n_extractors)), "baseline"]
    scores = scores_before_clipping(regressor, X.iloc[5:11])
    np.testing.assert_allclose(table.sum(axis=1), scores, rtol=0, atol=1e-9)
    assert table["baseline"].nunique() == 1


def test_scores_beyond_the_label_range_are_explained_too(make_table):
    X, y, groups = make_table()
    regressor = linear(X, y, groups)
    regressor.label_range_ = (2.0, 3.0)
    total = contributions(regressor, X).sum(axis=1)
    assert total.max() > 3.5
    np.testing.assert_allclose(total.clip(2.0, 3.0), regressor.predict(X))


def test_a_linear_stack_gives_coefficient_times_distance_from_the_median(make_table):
    X, y, groups = make_table()
    regressor = linear(X, y, groups)
    table = contributions(regressor, X)
    for name, slope in slopes(regressor).items():
        np.testing.assert_allclose(table[name], slope * (X[name] - X[name].median()), atol=1e-9)


def test_exact_values_are_the_mean_over_every_order_of_joining(make_wide):
    X, y, groups = make_wide(3)
    regressor, row = bent(X, y, groups), X.iloc[[7]]
    steps = dict.fromkeys(["metric00", "metric01", "metric02"], 0.0)
    for order in permutations(steps):
        mixed = X.median().to_frame().T
        before = scores_before_clipping(regressor, mixed)[0]
        for name in order:
            mine = [column for column in X if column.startswith(name)]
            mixed[mine] = row[mine].to_numpy()
            after = scores_before_clipping(regressor, mixed)[0]
            steps[name] += (after - before) / 6
            before = after
    assert min(abs(step) for step in steps.values()) > 0.01
    assert contributions(regressor, row).iloc[0].drop("baseline").to_dict() == pytest.approx(steps)


def test_groups_that_say_the_same_share_alike(make_table):
    X, y, groups = make_table()
    X = X.rename(columns={"similarity": "twin__a__x"}).assign(other__a__x=X["similarity"])
    table = contributions(bent(X, y, groups), X)
    assert table["twin"].abs().max() > 0.1
    np.testing.assert_allclose(table["twin"], table["other"], atol=1e-9)


@pytest.mark.parametrize("n_extractors", [3, 12])
def test_what_says_nothing_gets_nothing(make_wide, n_extractors):
    X, y, groups = make_wide(n_extractors)
    regressor = bent(X.assign(constant=1.0), y, groups)
    rows = X.iloc[:4].assign(constant=9.0)
    rows.loc[:, ["metric00__s0__mean", "metric00__s1__mean"]] = np.nan
    table = contributions(regressor, rows)
    assert (table["constant"] == 0).all()
    np.testing.assert_allclose(table["metric00"], 0, atol=1e-12)
    assert (table["metric01"] != 0).all()


def test_sampled_values_are_near_the_exact_ones(make_wide, monkeypatch):
    X, y, groups = make_wide(8)
    regressor, rows = bent(X, y, groups), X.iloc[:10]
    exact = contributions(regressor, rows)
    monkeypatch.setattr("seiqa_models.evaluation.contributions._EXACT_GROUPS", 1)
    sampled = contributions(regressor, rows)
    error = (sampled - exact).drop(columns="baseline").to_numpy()
    assert 0 < np.abs(error).max() < 0.03 * exact.drop(columns="baseline").abs().to_numpy().max()


def test_both_directions_share_pairwise_interactions_exactly(make_wide, monkeypatch):
    X, y, groups = make_wide(5)
    regressor, rows = linear(X, y, groups), X.iloc[:10]
    monkeypatch.setattr(regressor, "fuse_unclipped", lambda predictions: predictions["ridge"] ** 2)
    exact = contributions(regressor, rows)
    monkeypatch.setattr("seiqa_models.evaluation.contributions._EXACT_GROUPS", 1)
    monkeypatch.setattr("seiqa_models.evaluation.contributions._ORDERS", 1)
    np.testing.assert_allclose(contributions(regressor, rows), exact, atol=1e-9)


def test_dense_blocks_count_for_their_extractor(make_table):
    X, y, groups = make_table(d=20)
    X = X.rename(columns={"embedding": "clip__s224__difference", "distance": "clip__s224__cosine"})
    regressor = linear(X, y, groups)
    table = contributions(regressor, X)
    assert list(table.columns) == ["chaff", "clip", "similarity", "baseline"]
    slope = slopes(regressor)
    values = regressor.preparation_.transform(X) - regressor.preparation_.medians_
    away = pd.DataFrame(values, index=X.index, columns=regressor.preparation_.columns_)
    clip = ["clip__s224__cosine", "clip__s224__difference__ridge"]
    expected = sum(slope[name] * away[name] for name in clip)
    np.testing.assert_allclose(table["clip"], expected, atol=1e-9)


def test_a_row_is_explained_alike_in_any_company_and_in_any_batch(make_wide, monkeypatch):
    X, y, groups = make_wide(12)
    regressor = bent(X, y, groups)
    together = contributions(regressor, X.iloc[:5])
    pd.testing.assert_frame_equal(together, contributions(regressor, X.iloc[:5]))
    pd.testing.assert_frame_equal(
        together.iloc[[3]], contributions(regressor, X.iloc[[3]]), rtol=0, atol=1e-12
    )
    other = contributions(regressor, X.iloc[:5], seed=1)
    assert (other["metric03"] != together["metric03"]).all()
    monkeypatch.setattr("seiqa_models.evaluation.contributions._BATCH", 100)
    pd.testing.assert_frame_equal(
        together, contributions(regressor, X.iloc[:5]), rtol=0, atol=1e-12
    )


def test_a_group_that_is_called_baseline_is_refused(make_table):
    X, y, groups = make_table()
    X = X.rename(columns={"chaff": "baseline"})
    with pytest.raises(TableError, match=r"'baseline'.*rename the column"):
        contributions(linear(X, y, groups), X)


def test_a_missing_column_is_named(make_table):
    X, y, groups = make_table()
    with pytest.raises(TableError, match=r"1 of 3 feature columns are missing \(distance\)"):
        contributions(linear(X, y, groups), X.drop(columns="distance"))
