"""Order means nothing: permuted rows give the same folds, predictions, figures and bytes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from seiqa_models.bundle import MODEL_FILE, save_bundle
from seiqa_models.core.orders import Orders
from seiqa_models.evaluation.ablation import feature_ablation
from seiqa_models.evaluation.evaluate import Evaluation, evaluate
from seiqa_models.stack.regressor import SeiqaRegressor

STACK = SeiqaRegressor(("lightgbm", "ridge", "gp"), n_splits=2)
CARD = {"label_kind": "MOS"}


def shuffled(rows: int) -> np.ndarray:
    return np.random.default_rng(1).permutation(rows)


def bundle_bytes(regressor: SeiqaRegressor, folder: Path) -> bytes:
    save_bundle(folder, regressor, recipe={}, card=CARD)
    return (folder / MODEL_FILE).read_bytes()


def figures(evaluation: Evaluation) -> dict[str, object]:
    """Everything but what a clock says."""
    found = evaluation.to_dict()
    return {name: found[name] for name in found if not name.startswith("seconds")}


@pytest.fixture
def case(make_table):
    """Labels of few levels, so that many rows tie, and two rows of one group twice."""
    X, y, groups = make_table(n_groups=4, rows=8, d=6)
    twice = np.arange(len(y))
    twice[[1, 13]] = 0, 12
    X = X.iloc[twice].set_axis(X.index)
    order = 100.0 - twice
    kinds = np.resize(["blur", "noise", "jpeg"], len(y))[twice]
    return X, pd.Series(y.round().to_numpy()[twice], X.index), groups, order, kinds


@pytest.mark.parametrize("given", ["groups", "order", "kinds"])
def test_permuted_rows_give_the_same_estimate_and_the_same_bytes(case, given, tmp_path):
    X, y, groups, order, kinds = case
    more = {"order": {"order": order}, "kinds": {"kinds": kinds}}.get(given, {})
    new = shuffled(len(y))
    one = evaluate(STACK, X, y, groups, n_splits=2, **more)
    moved = {name: values[new] for name, values in more.items()}
    columns = list(X.columns)[::-1]
    two = evaluate(STACK, X.iloc[new][columns], y.iloc[new], groups[new], n_splits=2, **moved)
    assert two.predictions.index.equals(X.index[new])
    pd.testing.assert_frame_equal(two.predictions.loc[X.index], one.predictions, check_exact=True)
    assert two.regressor.oof_.index.equals(X.index[new])
    pd.testing.assert_frame_equal(two.regressor.oof_.loc[X.index], one.regressor.oof_)
    assert figures(one) == figures(two)
    saved = [bundle_bytes(e.regressor, tmp_path / str(i)) for i, e in enumerate((one, two))]
    assert saved[0] == saved[1]


def test_permuted_rows_of_collections_with_orders_give_the_same_bytes(make_table, tmp_path):
    X, y, groups = make_table(n_groups=12, rows=5, d=4)
    collections = np.resize(np.repeat(["north", "south"], 5), len(y))
    y = y.mask(collections == "south", 20 * y)
    scenes = np.repeat([f"ref{g}" for g in range(12)], 2)
    shown = X.iloc[np.repeat(np.arange(0, 60, 5), 2)].set_axis([f"made{i}" for i in range(24)])
    gone = np.resize([True, False, False], 24)
    orders = Orders(shown, scenes, scenes, gone, np.roll(gone, 1))
    stack = SeiqaRegressor(("ridge",), n_splits=2, scale="north")
    saved = []
    for name, new, made in (
        ("one", np.arange(60), np.arange(24)),
        ("two", shuffled(60), shuffled(24)),
    ):
        stack.fit(
            X.iloc[new],
            y.iloc[new],
            groups[new],
            collections=collections[new],
            orders=orders.take(made),
        )
        assert stack.unrelated_ is not None
        assert stack.edited_ is not None
        assert set(stack.scales_["maps"]) == {"north", "south"}
        saved.append(bundle_bytes(stack, tmp_path / name))
    assert saved[0] == saved[1]


def test_rows_without_groups_in_any_order_give_the_same_bytes(case, tmp_path):
    X, y, *_ = case
    new = shuffled(len(y))
    stack = SeiqaRegressor(("ridge", "svr"))
    with pytest.warns(UserWarning, match="groups"):
        one = stack.fit(X, y)
    saved = bundle_bytes(one, tmp_path / "one")
    first = one.oof_
    with pytest.warns(UserWarning, match="groups"):
        two = stack.fit(X.iloc[new], y.iloc[new])
    assert bundle_bytes(two, tmp_path / "two") == saved
    pd.testing.assert_frame_equal(two.oof_.loc[X.index], first)


def test_other_features_do_not_change_the_folds(case):
    X, y, groups, *_ = case
    folds = [
        evaluate(SeiqaRegressor(("ridge",)), X[columns], y, groups).predictions["fold"]
        for columns in (["similarity", "chaff"], ["distance"])
    ]
    pd.testing.assert_series_equal(*folds)


def test_permuted_rows_give_the_same_ablation(case):
    X, y, groups, order, kinds = case
    new = shuffled(len(y))
    one = feature_ablation(X, y, groups, order, kinds=kinds, learner="gp")
    two = feature_ablation(
        X.iloc[new], y.iloc[new], groups[new], order[new], kinds=kinds[new], learner="gp"
    )
    assert one == two


def test_two_processes_write_the_same_bytes(tmp_path):
    """Addresses, hash seeds and the time of day differ between them."""
    code = f"""
import numpy as np, pandas as pd
from seiqa_models.bundle import save_bundle
from seiqa_models.stack.regressor import SeiqaRegressor
rng = np.random.default_rng(0)
X = pd.DataFrame(rng.normal(size=(24, 3)), columns=list("abc"))
learners = ("catboost", "lightgbm", "xgboost", "svr", "ridge", "gp", "monotone", "nonnegative")
fitted = SeiqaRegressor(learners, n_splits=2).fit(X, X["a"], groups=np.arange(24) // 4)
save_bundle(__import__("sys").argv[1], fitted, recipe={{}}, card={CARD})
"""
    saved = []
    for seed in ("1", "2"):
        folder = tmp_path / seed
        subprocess.run(
            [sys.executable, "-c", code, str(folder)],
            env={"PYTHONPATH": ":".join(sys.path), "PYTHONHASHSEED": seed},
            check=True,
        )
        saved.append((folder / MODEL_FILE).read_bytes())
    assert saved[0] == saved[1]
