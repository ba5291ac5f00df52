"""SeiqaRegressor: scikit-learn manners, honesty inside, determinism, hostile tables."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone

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
from seiqa_models.core.metrics import plcc, srocc
from seiqa_models.fusions.bounded import BoundedFusion
from seiqa_models.learners.registry import LEARNERS
from seiqa_models.stack.regressor import SeiqaRegressor

QUICK = ("ridge", "svr")
MIXED = ("gp", "lightgbm", "ranker", "monotone", "consensus", "catboost@2", "extra_trees@2")
"""A bit of everything that the default pool has."""


def quick(**settings) -> SeiqaRegressor:
    return SeiqaRegressor(**{"learners": QUICK, **settings})


def test_parameters_are_kept_for_clone():
    settings = {"learners": ("svr",), "n_splits": 3, "fusion": "mean", "label_range": (0, 5)}
    regressor = clone(SeiqaRegressor(**settings))
    assert {key: regressor.get_params()[key] for key in settings} == settings
    regressor.set_params(fusion=BoundedFusion()).set_params(fusion__shrinkage=0.0)
    assert clone(regressor).fusion.shrinkage == 0.0


def test_learns_new_groups_from_scalars_and_blocks(make_table):
    X, y, groups = make_table(n_groups=10, d=40)
    train, test = groups < "ref7", groups >= "ref7"
    regressor = quick().fit(X[train], y[train], groups=groups[train])
    assert srocc(y[test], regressor.predict(X[test])) > 0.95
    assert "embedding__ridge" in regressor.preparation_.columns_
    assert regressor.features_ == sorted(X.columns)


def test_weights_and_out_of_fold_predictions(make_table):
    X, y, groups = make_table()
    regressor = quick(fusion=BoundedFusion(max_weight=0.6)).fit(X, y, groups)
    assert list(regressor.weights_) == list(QUICK)
    assert sum(regressor.weights_.values()) == pytest.approx(1)
    assert max(regressor.weights_.values()) <= 0.6
    shares = [FALLBACK_SHARE, BEYOND_SHARE, UNRELATED, EDITED_SHARE]
    further = [CONSENSUS, AGREEMENT, FALLBACK, *shares]
    assert list(regressor.oof_.columns) == [*QUICK, *further]
    assert regressor.oof_.index.equals(X.index)
    assert np.isfinite(regressor.oof_).all(axis=None)


def test_out_of_fold_predictions_do_not_see_the_rows_own_labels(make_table):
    X, y, groups = make_table(n_groups=4, d=60)
    one = groups == "ref2"
    changed = y.where(~one, -y)
    first = quick(n_splits=4).fit(X, y, groups).oof_
    second = quick(n_splits=4).fit(X, changed, groups).oof_
    pd.testing.assert_frame_equal(first[one], second[one])
    constant = [BEYOND_SHARE, UNRELATED, EDITED_SHARE]
    assert (first[~one] != second[~one]).drop(columns=constant).all(axis=None)


def test_same_bytes_for_any_column_order_and_number_of_jobs(make_table):
    X, y, groups = make_table(d=30)
    one = quick(learners=MIXED, n_splits=2).fit(X, y, groups)
    two = quick(learners=MIXED, n_splits=2, n_jobs=2).fit(X[X.columns[::-1]], y, groups)
    np.testing.assert_array_equal(one.oof_, two.oof_)
    assert one.weights_ == two.weights_
    np.testing.assert_array_equal(one.predict(X[X.columns[::-1]]), two.predict(X))


def test_predictions_stay_within_the_label_range(make_table):
    X, y, groups = make_table()
    extreme = X.assign(similarity=X["similarity"] * 100)
    trained = quick().fit(X, y, groups).predict(extreme)
    assert trained.dtype == np.float64
    assert y.min() <= trained.min() <= trained.max() <= y.max()
    narrow = quick(label_range=(1, 4)).fit(X, y, groups).predict(extreme)
    assert 1 <= narrow.min() <= narrow.max() <= 4


def test_calibration_straightens_and_keeps_the_order(make_table):
    X, y, groups = make_table(n_groups=10, rows=40)
    wide = (-1e9, 1e9)
    bent = np.exp(1.5 * y)
    plain = quick(learners=("ridge",), calibrate=False, label_range=wide).fit(X, bent, groups)
    calibrated = quick(learners=("ridge",), label_range=wide).fit(X, bent, groups)
    assert srocc(plain.predict(X), calibrated.predict(X)) == pytest.approx(1)
    assert plcc(bent, calibrated.fuse(plain.oof_)) > plcc(bent, plain.fuse(plain.oof_))


def test_calibration_leaves_the_weights_alone(make_table):
    X, y, groups = make_table(n_groups=10, rows=40)
    bent = np.exp(1.5 * y)
    plain = quick(calibrate=False).fit(X, bent, groups)
    assert plain.weights_ == quick().fit(X, bent, groups).weights_


def test_runner_ups_fusion_is_within_reach(make_table):
    X, y, groups = make_table()
    fusion = BoundedFusion(max_weight=0.5, shrinkage=100.0, srocc_share=0.75)
    regressor = quick(fusion=fusion, consensus=False, calibrate=False).fit(X, y, groups)
    np.testing.assert_allclose(list(regressor.weights_.values()), 0.5, atol=1e-6)
    fused = regressor.oof_[[*QUICK]].mean(axis=1).clip(*regressor.label_range_)
    np.testing.assert_allclose(regressor.fuse(regressor.oof_), fused, atol=1e-6)


def test_a_stack_whose_fusion_has_no_weights(make_table):
    X, y, groups = make_table()
    regressor = quick(fusion="stacking").fit(X, y, groups)
    assert regressor.weights_ is None
    assert srocc(y, regressor.predict(X)) > 0.95


@pytest.mark.parametrize("fusion", [BoundedFusion, 3, object()])
def test_what_is_no_fusion_is_refused(make_table, fusion):
    with pytest.raises(ValueError, match="expected a name or an unfitted fusion"):
        quick(fusion=fusion).fit(*make_table())


def test_missing_columns_are_named_and_extra_ones_ignored(make_table):
    X, y, groups = make_table()
    regressor = quick().fit(X, y, groups)
    with pytest.raises(TableError, match=r"1 of 3 feature columns are missing \(chaff\)"):
        regressor.predict(X.drop(columns="chaff"))
    np.testing.assert_array_equal(regressor.predict(X.assign(extra=1.0)), regressor.predict(X))


def test_holes_constants_and_infinities_are_survived(make_table):
    X, y, groups = make_table()
    X = X.assign(constant=1.0, empty=np.nan)
    X.loc[X.index[::3], "chaff"] = np.nan
    X.loc[X.index[5], "similarity"] = np.inf
    regressor = quick().fit(X, y, groups)
    assert "constant" not in regressor.preparation_.columns_
    assert "empty" not in regressor.preparation_.columns_
    assert np.isfinite(regressor.predict(X)).all()


@pytest.mark.parametrize("learners", [QUICK, MIXED, tuple(sorted(LEARNERS))])
def test_two_groups_are_enough_for_every_learner(make_table, learners):
    """An outer fold of three groups leaves two; each inner training part then is one group."""
    X, y, groups = make_table(n_groups=2, rows=5, d=20)
    regressor = SeiqaRegressor(learners=learners).fit(X, y, groups)
    assert np.isfinite(regressor.predict(X)).all()


def test_fold_with_one_label_falls_back_to_its_mean(make_table):
    X, _, groups = make_table(n_groups=2, rows=5)
    y = np.where(groups == "ref0", 1.0, 3.0)
    regressor = SeiqaRegressor(learners=("catboost", "svr")).fit(X, y, groups)
    own = regressor.oof_[["catboost", "svr"]]
    np.testing.assert_array_equal(own, np.repeat([[3.0], [1.0]], 5, axis=0) * [1, 1])


def test_rows_without_groups_and_blocks_of_file_order(make_table):
    X, y, _ = make_table()
    alone = np.arange(len(y))
    in_order = quick().fit(X, y, alone, order=alone)
    shuffled = quick().fit(X, y, alone)
    assert not np.array_equal(in_order.oof_, shuffled.oof_)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda X, y, g: (X.iloc[:3], y[:3], g[:3]), "has 3 labelled rows"),
        (lambda X, y, g: (X, y, ["a" for _ in g]), "all rows are in one group"),
        (lambda X, y, g: (X, y.where(y.index != "pair004"), g), "first in row 'pair004'"),
        (lambda X, y, g: (X, y * np.inf, g), "labels are missing or not finite"),
        (lambda X, y, g: (X, y * 0 + 2, g), "every label is 2"),
        (lambda X, y, g: (X, y.astype(object).replace(y.iloc[0], "good"), g), "not all numbers"),
        (lambda X, y, g: (X, y + 1j, g), "not all numbers: they have type complex128"),
        (
            lambda X, y, g: (X, pd.to_datetime(y, unit="s"), g),
            "not all numbers: they have type dat",
        ),
        (lambda X, y, g: (X, y * 1e300, g), r"label .* in row 'pair.*': none is beyond ±1e\+30"),
        (lambda X, y, g: (X, y[:-1], g), r"labels have shape \(47,\)"),
        (lambda X, y, g: (X, y, g[:-1]), "groups have 47 values"),
        (lambda X, y, _: (X, y, "scene"), "groups are a str, expected a value for each of 48 rows"),
        (lambda X, y, g: (X, y, list(zip(g, g, strict=True))), "groups are a list, expected"),
        (lambda X, y, g: (X, y, [None, *g[1:]]), "1 rows have no group"),
        (lambda X, y, g: (X[[]], y, g), "no feature column"),
        (lambda X, y, g: (X * 0, y, g), "every feature column is constant"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_unusable_tables_are_refused_in_one_line(make_table, change, message):
    X, y, groups = change(*make_table())
    with pytest.raises(TableError, match=message) as caught:
        quick().fit(X, y, groups)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"learners": "ridge"}, "learners is 'ridge', expected names in a list"),
        ({"learners": ("ridge", None)}, "expected names in a list"),
        ({"learners": None}, "learners is None, expected names in a list"),
        ({"n_splits": 2.5}, "n_splits is 2.5, expected a whole number of at least 2"),
        ({"n_splits": "3"}, "n_splits is '3', expected a whole number of at least 2"),
        ({"label_range": (5, 0)}, r"label_range is \(5, 0\), expected \(lowest, highest\)"),
        ({"label_range": (float("nan"), 5)}, "expected .lowest, highest"),
        ({"label_range": "0..5"}, r"label_range is '0..5', expected \(lowest, highest\)"),
        ({"label_range": 5}, "label_range is 5, expected"),
        ({"label_range": (0, float("inf"))}, r"label_range is \(0, inf\), expected"),
        ({"directions": {"sharp": 2}}, r"directions\['sharp'\] is 2, expected 1 if higher"),
        ({"directions": {"sharp": "up"}}, r"directions\['sharp'\] is 'up', expected 1"),
        ({"directions": [1, 1]}, r"directions is \[1, 1\], expected a mapping, 1 or -1 by column"),
        ({"directions": {0: 1}}, r"directions is \{0: 1\}, expected a mapping"),
        ({"calibrate": "no"}, "calibrate is 'no', expected True or False"),
        ({"consensus": 0}, "consensus is 0, expected True or False"),
        ({"random_state": "one"}, "random_state is 'one', expected a whole number from 0"),
        ({"random_state": None}, "random_state is None, expected a whole number from 0"),
        ({"random_state": 2**31}, "random_state is 2147483648, expected a whole number"),
        ({"n_jobs": 0}, "n_jobs is 0, expected a number of processes"),
        ({"n_jobs": 1.5}, "n_jobs is 1.5, expected a number of processes"),
        ({"scale": 5}, "scale is 5, expected the name of a collection"),
        ({"identity": {"LIVE": "best"}}, r"identity\['LIVE'\] is 'best', expected a finite number"),
    ],
)
def test_unusable_parameters_are_named(make_table, settings, message):
    with pytest.raises(ValueError, match=message):
        quick(**settings).fit(*make_table())


def test_a_range_of_labels_may_be_an_array(make_table):
    assert quick(label_range=np.array([-9, 9])).fit(*make_table()).label_range_ == (-9.0, 9.0)


def test_rows_that_cannot_be_predicted_are_named(make_table):
    X, y, groups = make_table()
    stack = quick().fit(X, y, groups)
    for rows in (X[:0], np.zeros((0, X.shape[1]))):
        with pytest.raises(TableError, match="the table has no rows: there is nothing to predict"):
            stack.predict(rows)
    name = X.columns[0]
    with pytest.raises(TableError, match=f"^column '{name}' has type .*, expected numbers"):
        stack.predict_interval(X.assign(**{name: "sharp"}))


@pytest.mark.parametrize("learners", [(), ("svr", "svr")])
def test_learners_must_be_different_names(make_table, learners):
    with pytest.raises(ValueError, match="one or more different names"):
        quick(learners=learners).fit(*make_table())


@pytest.fixture
def agreeing():
    """A stack that learned from columns which agree, and pairs with a relation never seen."""
    rng = np.random.default_rng(0)
    y = rng.uniform(0, 5, 120)
    X = pd.DataFrame({f"m{i}": y + 0.3 * rng.normal(size=120) for i in range(8)})
    stack = quick(purpose="abroad", calibrate=False).fit(X, y, np.arange(120) // 10)
    return stack, X.assign(m0=X["m0"] + 1, m1=X["m1"] - 1), y


def test_pairs_unlike_all_others_are_scored_by_the_best_columns(agreeing):
    stack, odd, y = agreeing
    odd = odd[(y > 2) & (y < 4)]
    found, predicted = stack.predict_interval(odd), stack.predict_learners(odd)
    share = predicted[FALLBACK_SHARE]
    np.testing.assert_allclose(found["fallback"], share)  # abroad all of it
    assert share.median() > 10 * stack.oof_[FALLBACK_SHARE].median()
    assert share.max() > 0.2
    never = stack.fuse_unclipped(predicted.assign(**{FALLBACK_SHARE: 0.0}))
    expected = (1 - share) * never + share * predicted[FALLBACK]
    np.testing.assert_allclose(stack.fuse_unclipped(predicted), expected)


def test_pairs_that_are_also_worse_than_nearly_all_others_are_scored_by_the_consensus(agreeing):
    stack, odd, y = agreeing
    found, predicted = stack.predict_interval(odd), stack.predict_learners(odd)
    share = predicted[BEYOND_SHARE]
    assert share[y < 0.5].max() > 0.5
    assert share[y > 2].max() == 0
    best = stack.fuse_unclipped(predicted.assign(**{BEYOND_SHARE: 0.0}))
    expected = (1 - share) * best + share * predicted[CONSENSUS]
    np.testing.assert_allclose(stack.fuse_unclipped(predicted), expected)
    assert (found["fallback"] >= share).all()
