"""The nested estimate: honest against traps, complete, the same for any number of jobs."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LinearRegression, Ridge

from seiqa_models.core.checks import check_training_table
from seiqa_models.core.columns import dense_matrix
from seiqa_models.core.errors import TableError
from seiqa_models.core.metrics import final_score, srocc
from seiqa_models.evaluation.evaluate import evaluate
from seiqa_models.evaluation.figures import inducing_learners, sampled_learners
from seiqa_models.learners.registry import LEARNERS, make_learner
from seiqa_models.stack.pool import cross_fitting
from seiqa_models.stack.pool.fitting import fit_pool
from seiqa_models.stack.regressor import SeiqaRegressor

QUICK = SeiqaRegressor(learners=("ridge", "svr"), n_splits=3)


def test_figures_are_complete_consistent_and_json_ready(make_table):
    X, y, groups = make_table()
    result = evaluate(QUICK, X, y, groups)
    figures = json.loads(json.dumps(result.to_dict(), allow_nan=False))
    assert set(figures) == {
        *("honest", "naive", "gap", "learners", "best_single", "index_only", "weights"),
        *("seconds", "seconds_per_row", "n", "groups", "splitter", "label", "gain", "transfer"),
        *("greedy", "prediction_interval", "calibrated", "without_kinds"),
        *("consensus", "purpose", "at_home", "as_itself", "sampled"),
        *("inner_folds", "inducing"),
    }
    assert (figures["purpose"], figures["at_home"]) == ("home", None)
    assert figures["n"] == 48
    assert figures["groups"] == 6
    assert figures["splitter"] == "5 folds by group"
    assert figures["index_only"] is None
    assert figures["gap"] == figures["naive"]["final"] - figures["honest"]["final"]
    assert figures["honest"]["final"] == pytest.approx(final_score(y, result.predictions["score"]))
    assert set(figures["learners"]) == {"ridge", "svr"}
    assert figures["weights"]["final"] == result.regressor.weights_
    assert sum(figures["weights"]["mean"].values()) == pytest.approx(1)
    assert figures["label"] == pytest.approx({"mean": y.mean(), "min": y.min(), "max": y.max()})
    low, high = figures["honest"]["interval"]
    assert low < figures["honest"]["final"] < high
    assert figures["seconds_per_row"] > 0
    assert set(figures["gain"]) == {"best_single", "ridge", "svr"}
    assert figures["gain"]["svr"]["difference"] == pytest.approx(
        figures["honest"]["final"] - figures["learners"]["svr"]["final"]
    )
    assert figures["transfer"] is figures["without_kinds"] is None
    interval = figures["prediction_interval"]
    mos, low, high = (result.predictions[name] for name in ("mos", "low", "high"))
    assert interval["coverage"] == ((low <= mos) & (mos <= high)).mean()
    assert interval["mean_width"] == pytest.approx((high - low).mean())
    assert interval["unfamiliar"] == result.predictions["unfamiliar"].mean()
    assert interval["transfer"] is None
    assert figures["calibrated"] is (len(result.regressor.calibration_.x_) > 1)


def test_intervals_are_judged_on_unseen_kinds_too(make_table):
    X, y, groups = make_table(n_groups=6, rows=12)
    kinds = np.tile(np.repeat(["blur", "jpeg", "noise"], 4), 6)
    interval = evaluate(QUICK, X, y, groups, kinds=kinds).to_dict()["prediction_interval"]
    assert set(interval["transfer"]) == {"coverage", "mean_width", "unfamiliar"}
    assert 0.5 < interval["transfer"]["coverage"] <= 1


def test_greedy_selection_of_one_learner_is_that_learner(make_table):
    X, y, groups = make_table()
    alone = SeiqaRegressor(learners=("ridge",), n_splits=3, calibrate=False)
    figures = evaluate(alone, X, y, groups).to_dict()
    assert figures["greedy"] == figures["learners"]["ridge"]
    assert figures["calibrated"] is None


def test_predictions_table(make_table):
    X, y, groups = make_table()
    predictions = evaluate(QUICK, X, y, groups).predictions
    scored = ["score", "low", "high", "unfamiliar", "agree", "edited"]
    assert list(predictions.columns) == ["mos", "group_id", "fold", *scored, "ridge", "svr"]
    assert predictions.index.equals(X.index)
    np.testing.assert_array_equal(predictions["group_id"], groups)
    assert (predictions.groupby("group_id")["fold"].nunique() == 1).all()


def test_final_regressor_is_fitted_on_all_rows_and_the_given_one_is_untouched(make_table):
    X, y, groups = make_table()
    result = evaluate(QUICK, X, y, groups)
    alone = SeiqaRegressor(**QUICK.get_params()).fit(X, y, groups)
    np.testing.assert_array_equal(result.regressor.predict(X), alone.predict(X))
    assert not hasattr(QUICK, "weights_")


def test_nothing_of_a_held_out_fold_is_seen(make_table):
    """Turning the held-out labels round leaves every prediction of that fold as it was."""
    X, y, groups = make_table(d=60)
    first = evaluate(QUICK, X, y, groups, n_splits=3)
    fold = (first.predictions["fold"] == 1).to_numpy()
    second = evaluate(QUICK, X, y.where(~fold, 5 - y), groups, n_splits=3)
    held_out = ["score", "ridge", "svr"]
    pd.testing.assert_frame_equal(
        first.predictions.loc[fold, held_out], second.predictions.loc[fold, held_out]
    )
    names = [result.to_dict()["best_single"]["names"][1] for result in (first, second)]
    assert names[0] == names[1]
    assert not first.predictions.loc[~fold, "score"].equals(second.predictions.loc[~fold, "score"])


def test_labels_without_meaning_are_not_predicted(make_table):
    """The trap: more embedding columns than rows, labels shuffled across groups."""
    honest = []
    for seed in range(4):
        X, y, groups = make_table(n_groups=10, d=300, seed=seed)
        noise = np.random.default_rng(seed).permutation(y)
        honest.append(evaluate(QUICK, X, noise, groups).to_dict()["honest"]["srocc"])
    assert abs(np.mean(honest)) < 0.2


def test_memory_of_neighbouring_files_is_measured():
    """Labels drift with file order and the feature is noise: order tells, the stack does not."""
    rng = np.random.default_rng(0)
    order = np.arange(90)
    y = np.sin(order / 5) + 0.1 * rng.normal(size=90)
    X = pd.DataFrame({"noise": rng.normal(size=90)})
    figures = evaluate(QUICK, X, y, order, order).to_dict()
    assert figures["splitter"] == "5 contiguous blocks of file order, groups kept together"
    assert set(figures["index_only"]) == set(figures["honest"])
    assert abs(figures["honest"]["srocc"]) < 0.5


def test_best_single_is_chosen_and_oriented_in_the_training_part(make_table):
    X, y, groups = make_table()
    figures = evaluate(QUICK, X[["chaff", "distance"]], y, groups).to_dict()
    assert figures["best_single"]["names"] == ["distance"] * 5
    assert figures["best_single"]["name"] == "distance"
    assert srocc(y, X["distance"]) < -0.9
    assert figures["best_single"]["srocc"] > 0.85


def test_meta_features_that_saw_their_own_labels_are_worthless_when_nested(make_table):
    """d > n: plain Ridge repeats any labels in training. The naive claim soars, ours does not."""
    X, _, groups = make_table(n_groups=12, rows=10, d=400)
    noise = np.random.default_rng(0).normal(size=120)
    embedding = dense_matrix(X["embedding"])
    plain = Ridge(alpha=1.0).fit(embedding, noise).predict(embedding)
    assert srocc(noise, plain) > 0.95
    figures = evaluate(QUICK, X[["embedding"]], noise, groups).to_dict()
    assert figures["honest"]["srocc"] < 0.3
    assert figures["naive"]["srocc"] < 0.3


def test_a_new_kind_of_distortion_costs_what_it_costs(make_table):
    """A feature reads one kind upside down: learned from other groups, not from other kinds."""
    X, y, groups = make_table(n_groups=10, rows=9)
    kinds = np.tile(["blur", "noise", "jpeg"], 30)
    X["noisy"] = (kinds == "noise").astype(float)
    X["feature"] = np.where(kinds == "noise", 5 - X["similarity"], X["similarity"])
    table = X[["feature", "noisy"]]
    result = evaluate(QUICK, table, y, groups, kinds=kinds, n_splits=3)
    figures = json.loads(json.dumps(result.to_dict()))
    transfer = figures["transfer"]
    assert figures["honest"]["srocc"] > 0.85
    assert transfer["by_group"] == figures["honest"]
    assert transfer["srocc"] < figures["honest"]["srocc"] - 0.2
    assert transfer["kinds"]["noise"]["srocc"] < -0.8 < 0.8 < transfer["kinds"]["blur"]["srocc"]
    assert (transfer["n"], transfer["fits"]) == (90, 9)
    assert set(transfer["learners"]) == {"ridge", "svr"}
    assert set(transfer["best_single"]) == set(figures["honest"])


def test_a_learner_that_uses_kinds_is_compared_with_itself_without_kinds(make_table):
    X, y, groups = make_table(n_groups=6, rows=12)
    X = X[["similarity", "distance", "chaff"]]
    kinds = np.tile(["blur", "noise"], 36)
    X["distance"] *= np.where(kinds == "noise", -1, 1)
    stack = SeiqaRegressor(learners=("gp", "ridge"), n_splits=3)
    told = evaluate(stack, X, y, groups, kinds=kinds).to_dict()
    without_kinds = evaluate(stack, X, y, groups).to_dict()["learners"]["gp"]
    assert set(told["without_kinds"]) == {"gp"}
    found = dict(told["without_kinds"]["gp"])
    gain = found.pop("gain")
    assert found == without_kinds
    assert gain["difference"] == pytest.approx(told["honest"]["final"] - without_kinds["final"])
    assert told["learners"]["gp"]["final"] != without_kinds["final"]


def test_without_learners_that_use_kinds_there_is_nothing_to_compare(make_table):
    X, y, groups = make_table(n_groups=6, rows=12)
    figures = evaluate(QUICK, X, y, groups, kinds=np.tile(["blur", "noise"], 36)).to_dict()
    assert figures["without_kinds"] == {}


def test_kinds_that_cannot_be_left_out_are_refused(make_table):
    X, y, groups = make_table(n_groups=3, rows=4)
    with pytest.raises(TableError, match="there are 1 kinds"):
        evaluate(QUICK, X, y, groups, kinds=["blur"] * 12)
    with pytest.raises(TableError, match="2 rows have no kind"):
        evaluate(QUICK, X, y, groups, kinds=["blur", "jpeg"] * 5 + [None, None])
    one_label_per_kind = np.tile([1.0, 5.0], 6)
    with pytest.raises(TableError, match="no kind can be left out: what remains of the other"):
        evaluate(QUICK, X, one_label_per_kind, groups, kinds=["blur", "jpeg"] * 6)


def test_learners_fitted_on_a_sample_are_named():
    names = ("gp", "ordinal", "svr", "extra_trees", "ridge")
    pool = {name: make_learner(name, random_state=0) for name in names}
    assert sampled_learners(pool, 3000) == {}
    assert sampled_learners(pool, 3001) == {"ordinal": 3000}
    kernels = {"ordinal": 3000, "svr": 5000}
    assert sampled_learners(pool, 10_000) == kernels
    assert sampled_learners(pool, 10_001) == {**kernels, "extra_trees": 10_000}


def test_processes_that_only_a_subset_of_rows_defines_are_named():
    names = ("gp", "noise_aware", "gp@8", "svr")
    pool = {name: make_learner(name.partition("@")[0], random_state=0) for name in names}
    assert inducing_learners(pool, 10_000) == {}
    assert inducing_learners(pool, 10_001) == {"gp": 1200, "gp@8": 1200}


def test_with_many_rows_a_stack_has_fewer_inner_folds_and_says_so(make_table, monkeypatch):
    X, y, groups = make_table()
    regressor = SeiqaRegressor(learners=("ridge",), n_splits=5)
    assert evaluate(regressor, X, y, groups).figures.inner_folds is None
    monkeypatch.setattr(cross_fitting, "MANY_ROWS", len(y) - 1)
    assert evaluate(regressor, X, y, groups).figures.inner_folds is None  # groups are few
    monkeypatch.setattr(cross_fitting, "MANY_GROUPS", 6)
    few = evaluate(regressor, X, y, groups)
    assert few.figures.inner_folds == 2
    two = evaluate(regressor.set_params(n_splits=2), X, y, groups)
    assert two.figures.inner_folds is None
    assert np.array_equal(few.regressor.oof_, two.regressor.oof_)
    # The outer folds have fewer rows, and so all five inner folds.
    assert few.predictions["score"].tolist() != two.predictions["score"].tolist()


def test_learners_know_the_groups_when_they_choose_rows(make_table, monkeypatch):
    X, y, groups = make_table()
    table, _ = check_training_table(X, y, groups).in_canonical_order()
    given = []

    class Noting(LinearRegression):
        def fit(self, X, y, groups=None):
            given.append(groups)
            return super().fit(X, y)

    monkeypatch.setitem(LEARNERS, "noting", lambda *_: Noting())
    fit_pool(table, ["noting"], 0)
    assert np.array_equal(given[0], table.groups)


def test_table_of_dense_blocks_only(make_table):
    X, y, groups = make_table(d=20)
    figures = evaluate(QUICK, X[["embedding"]], y, groups).to_dict()
    assert figures["honest"]["srocc"] > 0.9
    assert figures["best_single"]["names"] == [None] * 5


def test_same_figures_for_any_number_of_jobs(make_table):
    X, y, groups = make_table(d=20)
    regressor = SeiqaRegressor(learners=("ridge", "lightgbm"), n_splits=3)
    done = []
    one = evaluate(regressor, X, y, groups, on_fold=lambda *counts: done.append(counts))
    two = evaluate(regressor, X, y, groups, n_jobs=2)
    assert done == [(k, 6) for k in range(1, 7)]
    pd.testing.assert_frame_equal(one.predictions, two.predictions, check_exact=True)
    timings = {"seconds", "seconds_per_row"}
    first, second = one.to_dict(), two.to_dict()
    assert {k: first[k] for k in first.keys() - timings} == {
        k: second[k] for k in second.keys() - timings
    }


def test_three_groups_are_enough_and_two_are_not(make_table):
    X, y, groups = make_table(n_groups=3, rows=4)
    figures = evaluate(QUICK, X, y, groups).to_dict()
    assert figures["splitter"] == "3 folds by group"
    with pytest.raises(TableError, match=r"only 2 groups.*at least 3"):
        evaluate(QUICK, X, y, np.repeat(["a", "b"], 6))
    with pytest.raises(TableError, match="all rows are in one group"):
        evaluate(QUICK, X, y, ["a"] * 12)
    with pytest.raises(TableError, match="has 3 labelled rows, at least 10"):
        evaluate(QUICK, X.iloc[:3], y[:3], ["a", "b", "c"])


def test_a_seed_is_a_whole_number(make_table):
    with pytest.raises(ValueError, match="seed is 'one', expected a whole number from 0"):
        evaluate(QUICK, *make_table(), seed="one")


def test_abroad_says_what_home_would_have_had(make_table):
    X, y, groups = make_table()
    learners = ("ridge", "svr", "svr@1")
    home = evaluate(SeiqaRegressor(learners, n_splits=3), X, y, groups, n_splits=3)
    abroad = SeiqaRegressor(learners, n_splits=3, purpose="abroad")
    figures = evaluate(abroad, X, y, groups, n_splits=3).figures
    assert figures.purpose == "abroad"
    assert figures.at_home is not None
    assert figures.at_home.final == home.figures.honest.final
    assert figures.consensus.gate == 0.5
    assert 0.4 < figures.consensus.agree <= 1
    assert figures.weights is not None
    assert figures.weights.final == pytest.approx(dict.fromkeys(learners, 1 / 3))
