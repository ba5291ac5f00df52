"""Every registered fusion keeps the protocol; the registry finds those of installed packages."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import skops.io
from sklearn.base import clone
from sklearn.utils.estimator_checks import parametrize_with_checks

from seiqa_models.core.metrics import final_score
from seiqa_models.fusions import FUSIONS, fusion, make_fusion
from seiqa_models.fusions.protocol import Fusion
from seiqa_models.stack.regressor import SeiqaRegressor
from seiqa_models.trust import TRUSTED_TYPES

NAMES = sorted(FUSIONS)


def out_of_fold(*, seed=0):
    n = 120
    rng = np.random.default_rng(seed)
    y = rng.uniform(0, 5, n)
    noise = {"ridge": 0.3, "gp": 0.5, "svr": 2.0}
    P = pd.DataFrame({name: y + level * rng.normal(size=n) for name, level in noise.items()})
    return P, y, np.arange(n) // 8


def test_names_of_the_fusions():
    assert {"bagged", "bounded", "greedy", "mean", "best_single", "stacking"} <= set(NAMES)


@parametrize_with_checks([make_fusion(name) for name in NAMES])
def test_scikit_learn_contract(estimator, check):
    check(estimator)


@pytest.mark.parametrize("name", NAMES)
def test_scores_are_in_the_unit_of_the_labels(name):
    P, y, groups = out_of_fold()
    fitted = make_fusion(name).fit(P, y, groups)
    assert isinstance(fitted, Fusion)
    fresh, truth, _ = out_of_fold(seed=1)
    score = fitted.predict(fresh)
    assert (score.shape, score.dtype) == (truth.shape, np.float64)
    assert final_score(truth, score) > 0.9
    assert np.abs(score.mean() - truth.mean()) < 0.3
    assert final_score(y, fitted.predict(P)) >= final_score(y, P["svr"])


@pytest.mark.parametrize("name", NAMES)
def test_weights_where_there_are_any_are_those_of_a_mean(name):
    P, y, groups = out_of_fold()
    fitted = make_fusion(name).fit(P, y, groups)
    weights = getattr(fitted, "weights_", None)
    if weights is None:
        return
    assert weights.shape == (3,)
    assert weights.min() >= 0
    assert weights.sum() == pytest.approx(1)
    np.testing.assert_allclose(fitted.predict(P), P.to_numpy() @ weights)


@pytest.mark.parametrize("name", NAMES)
def test_columns_go_by_their_names(name):
    P, y, groups = out_of_fold()
    fitted = make_fusion(name).fit(P, y, groups)
    with pytest.raises(ValueError, match="feature names"):
        fitted.predict(P[["svr", "gp", "ridge"]])


@pytest.mark.parametrize("name", NAMES)
def test_same_input_same_fusion_also_after_a_round_trip_through_skops(name):
    P, y, groups = out_of_fold()
    one = make_fusion(name).fit(P, y, groups)
    two = clone(one).fit(P, y, groups)
    loaded = skops.io.loads(skops.io.dumps(one), trusted=list(TRUSTED_TYPES))
    for other in (two, loaded):
        np.testing.assert_array_equal(other.predict(P), one.predict(P))


@pytest.mark.parametrize("name", NAMES)
def test_one_learner_or_rows_of_one_score(name):
    P, y, groups = out_of_fold()
    alone = make_fusion(name).fit(P[["gp"]], y, groups).predict(P[["gp"]])
    assert np.corrcoef(alone, P["gp"])[0, 1] == pytest.approx(1)
    constant = P.assign(gp=1.0, ridge=1.0, svr=1.0)
    assert np.isfinite(make_fusion(name).fit(constant, y, groups).predict(constant)).all()


@pytest.mark.parametrize("name", NAMES)
def test_a_stack_uses_it(name, make_table):
    X, y, groups = make_table(n_groups=8)
    stack = SeiqaRegressor(("ridge", "svr"), fusion=name, n_splits=3).fit(X, y, groups)
    assert type(stack.blend_.fusion_) is type(make_fusion(name))
    weights = stack.weights_
    assert weights is None or list(weights) == ["ridge", "svr"]
    assert final_score(y, stack.predict(X)) > 0.9


def test_what_is_not_there_is_named_with_what_is():
    with pytest.raises(ValueError, match="unknown fusion 'bouned': did you mean 'bounded'"):
        make_fusion("bouned")
    with pytest.raises(ValueError, match=r"'bounded' has no parameter 'max': it has max_weight"):
        make_fusion("bounded", max=0.4)
    with pytest.raises(ValueError, match=r"'mean' has no parameter 'rounds': it has none"):
        make_fusion("mean", rounds=3)


def test_a_name_is_registered_once():
    with pytest.raises(ValueError, match="fusion 'mean' is registered twice"):
        fusion("mean")(dict)
