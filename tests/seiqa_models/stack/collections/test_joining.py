"""SeiqaRegressor on several collections: one scale of scores, and nothing changed for one alone."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from seiqa_models.bundle import load_bundle, save_bundle
from seiqa_models.core.errors import TableError
from seiqa_models.core.metrics import srocc
from seiqa_models.stack.regressor import SeiqaRegressor

QUICK = ("ridge", "svr")
CARD = {"label_kind": "MOS"}


@pytest.fixture
def two(make_table):
    """X, labels on two scales, groups, names; and the quality on the scale of the first."""
    X, y, groups = make_table(n_groups=12, rows=20)
    other = np.isin(groups, sorted(set(groups))[::3])
    names = np.where(other, "lab B", "lab A")
    return X, np.where(other, 10 + 8 * y, y), groups, names, y.to_numpy()


def test_scores_are_on_the_scale_of_the_largest_collection(two) -> None:
    X, y, groups, names, quality = two
    regressor = SeiqaRegressor(QUICK).fit(X, y, groups, collections=names)
    assert regressor.scales_["scale"] == regressor.scales_["home"] == "lab A"
    assert np.abs(regressor.predict(X) - quality).mean() < 0.3
    high = regressor.label_range_[1]
    assert high == pytest.approx(quality.max(), abs=0.3)


def test_scores_are_on_the_scale_that_is_asked_for(two) -> None:
    X, y, groups, names, quality = two
    regressor = SeiqaRegressor(QUICK, scale="lab B").fit(X, y, groups, collections=names)
    assert np.abs(regressor.predict(X) - (10 + 8 * quality)).mean() < 2.4
    assert regressor.scales_["home"] == "lab B"
    five = SeiqaRegressor(QUICK, scale="0..5", identity={"lab A": 5.5})
    scores = five.fit(X, y, groups, collections=names).predict(X)
    assert 0 <= scores.min() < scores.max() <= 5
    assert five.scales_["best"] == 5.5
    assert srocc(quality, scores) > 0.95


def test_an_unknown_scale_is_refused(two) -> None:
    X, y, groups, names, _ = two
    with pytest.raises(TableError, match=r"scale 'lab C' is none of lab A, lab B, 0\.\.5"):
        SeiqaRegressor(QUICK, scale="lab C").fit(X, y, groups, collections=names)


def test_one_collection_alone_changes_nothing(make_table, tmp_path: Path) -> None:
    X, y, groups = make_table(n_groups=8, rows=8)
    alone = SeiqaRegressor((*QUICK, "ranker")).fit(X, y, groups)
    named = SeiqaRegressor((*QUICK, "ranker")).fit(X, y, groups, collections=["A"] * len(y))
    assert not hasattr(named, "scales_")
    for name, regressor in (("alone", alone), ("named", named)):
        save_bundle(tmp_path / name, regressor, recipe={}, card=CARD)
    for name in ("bundle.json", "model.skops"):
        one, other = ((tmp_path / folder / name).read_bytes() for folder in ("alone", "named"))
        assert one == other


def test_scales_are_saved_and_settings_cloned(two, tmp_path: Path) -> None:
    X, y, groups, names, _ = two
    regressor = SeiqaRegressor(QUICK, scale="lab B").fit(X, y, groups, collections=names)
    save_bundle(tmp_path / "bundle", regressor, recipe={}, card=CARD)
    loaded = load_bundle(tmp_path / "bundle").regressor
    assert loaded.scales_ == regressor.scales_
    assert loaded.get_params()["scale"] == "lab B"
    assert loaded.get_params()["identity"] is None
    np.testing.assert_array_equal(loaded.predict(X), regressor.predict(X))


def test_order_of_rows_does_not_matter(two) -> None:
    X, y, groups, names, _ = two
    rows = np.random.default_rng(0).permutation(len(y))
    one = SeiqaRegressor(QUICK).fit(X, y, groups, collections=names)
    two_ = SeiqaRegressor(QUICK).fit(X.iloc[rows], y[rows], groups[rows], collections=names[rows])
    assert one.scales_ == two_.scales_
    np.testing.assert_array_equal(one.predict(X), two_.predict(X))


def test_a_column_that_lies_abroad_is_left_out_and_named(two) -> None:
    X, y, groups, names, quality = two
    rng = np.random.default_rng(0)
    turned = np.where(names == "lab B", -quality, quality)
    X = X.assign(energy=turned + 0.1 * rng.normal(size=len(y)), noise=rng.normal(size=len(y)))
    regressor = SeiqaRegressor(QUICK).fit(X, y, groups, collections=names)
    assert list(regressor.scales_["misleading"]) == ["energy"]
    assert regressor.scales_["misleading"]["energy"] == "+1.00 in lab A, -1.00 in lab B"
    assert "energy" not in regressor.preparation_.columns_
    reversed_ = regressor.predict(X.assign(energy=-X["energy"]))
    np.testing.assert_array_equal(regressor.predict(X), reversed_)


def test_a_column_that_one_collection_lacks_is_left_out_and_named(two) -> None:
    X, y, groups, names, _ = two
    X = X.assign(extra=np.where(names == "lab B", np.nan, np.arange(len(y)) % 7))
    regressor = SeiqaRegressor(QUICK).fit(X, y, groups, collections=names)
    assert regressor.scales_["misleading"] == {"extra": "no value in lab B"}
    only = {"a": np.where(names == "lab B", np.nan, y), "b": np.where(names == "lab B", y, np.nan)}
    with pytest.raises(TableError, match=r"such as a: no value in lab B\): extract the same feat"):
        SeiqaRegressor(QUICK).fit(pd.DataFrame(only), y, groups, collections=names)


def test_labels_that_run_against_the_columns_are_refused_with_their_correlation(two) -> None:
    _, y, groups, names, quality = two
    turned = np.where(names == "lab B", -quality, quality)
    X = pd.DataFrame({"a": turned, "b": -2 * turned})
    said = (
        r"collection lab B: 2 of 2 feature columns follow its labels in the opposite direction"
        r" \(SROCC of a: \+\d\.\d\d in lab A, -\d\.\d\d in lab B\), so its scale runs the other"
        r" way: turn its labels, by the setting dmos"
    )
    with pytest.raises(TableError, match=said):
        SeiqaRegressor(QUICK).fit(X, y, groups, collections=names)


def test_rows_without_a_collection_are_refused(two) -> None:
    X, y, groups, names, _ = two
    with pytest.raises(TableError, match="1 rows have no collection"):
        SeiqaRegressor(QUICK).fit(X, y, groups, collections=[None, *names[1:]])
