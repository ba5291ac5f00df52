"""Columns that know the label or the experiment are found; honest metrics are left alone."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import Ridge

from seiqa_models.audit.leaks import find_leaks
from seiqa_models.core.columns import dense_matrix

RNG = np.random.default_rng(2)
SIZES = RNG.integers(5, 9, 15)
GROUPS = np.repeat(np.arange(15), SIZES)
MOS = RNG.integers(0, 6, len(GROUPS)) + 0.3 * RNG.normal(size=len(GROUPS))


def leaks_of(values: object, name: str = "ssim_like") -> str | None:
    return find_leaks(pd.DataFrame({name: values}), MOS, GROUPS, label="mos").get(name)


@pytest.mark.parametrize(
    "name",
    [
        *("distortion", "level", "param", "var", "std", "dmos", "split", "fold"),
        *("Distortion_Type", "MOS_std", "mos.2", "Unnamed: 0", "dist_img"),
    ],
)
def test_names_of_the_experiment_are_refused(name):
    assert leaks_of(RNG.normal(size=len(MOS)), name) is not None


@pytest.mark.parametrize("name", ["gms__s256__std", "MOSNet", "VIF", "level_1_ssim", "SNR", "12"])
def test_names_of_metrics_are_not(name):
    assert leaks_of(RNG.normal(size=len(MOS)), name) is None


def test_twins_of_the_label_are_refused_whatever_their_scale_or_direction():
    assert leaks_of(-3 * MOS + 7) == "the label's twin"
    assert leaks_of(np.exp(MOS)) == "the label's twin"
    assert leaks_of(MOS + 0.4 * RNG.normal(size=len(MOS))) is None


def test_a_column_that_encodes_the_own_label_through_its_fold_is_caught():
    """Mean label of the other rows of the group: hardly related to the label over all rows."""
    mos = pd.Series(MOS)
    total = mos.groupby(GROUPS).transform("sum")
    others = (total - mos) / (pd.Series(GROUPS).map(dict(enumerate(SIZES))) - 1)
    assert abs(np.corrcoef(others, MOS)[0, 1]) < 0.9
    assert leaks_of(others) == "the label's twin within groups"


def test_a_column_that_encodes_the_label_of_its_group_is_caught():
    means = pd.Series(MOS).groupby(GROUPS).transform("mean")
    assert leaks_of(means) == "the groups' mean label"


def test_predictions_of_a_model_that_saw_the_labels_are_caught(make_table):
    """Plain Ridge with d > n repeats labels that are noise."""
    X, _, groups = make_table(n_groups=12, rows=10, d=400)
    noise = np.random.default_rng(0).normal(size=120)
    embedding = dense_matrix(X["embedding"])
    X["meta"] = Ridge(alpha=1.0).fit(embedding, noise).predict(embedding)
    assert list(find_leaks(X, noise, groups)) == ["meta"]


def test_text_and_row_counters_are_refused():
    assert leaks_of(["a"] * len(MOS), "device") == "no number but text such as 'a'"
    assert leaks_of(MOS > 2, "good") == "no number but bool"
    assert leaks_of(np.arange(len(MOS)) + 3, "picture_like") == "a count of the rows"


def test_odd_columns_are_no_leaks():
    gaps = np.where(RNG.random(len(MOS)) < 0.3, np.nan, RNG.normal(size=len(MOS)))
    gaps[:2] = np.inf
    assert leaks_of(gaps) is None
    assert leaks_of(np.full(len(MOS), np.nan)) is None
    assert leaks_of(np.full(len(MOS), 2.0)) is None
    few = np.full(len(MOS), np.nan)
    few[:5] = MOS[:5]
    assert leaks_of(few) is None


def test_every_published_metric_is_a_feature_and_nothing_else_is(shared):
    for name, expected in {
        "tid2013_dev_metrics": {"ref_img", "dist_img", "distortion", "level", "MOS", "MOS_std"},
        "kadid10k_metrics": {"ref_img", "dist_img", "distortion", "level", "MOS", "var"},
    }.items():
        table = pd.read_csv(shared / f"data/tables/{name}.csv").iloc[:3000]
        found = find_leaks(table, table["MOS"].to_numpy(), table["ref_img"], label="MOS")
        assert set(found) == expected


def test_columns_with_gaps_of_their_own_are_judged_by_the_rows_they_have():
    """Many columns are judged at a time, whichever rows each of them has."""
    labels = MOS.copy()
    labels[5] = np.nan
    means = pd.Series(labels).groupby(GROUPS).transform("mean").to_numpy()
    table = pd.DataFrame({
        "noise": RNG.normal(size=len(MOS)), "twin": 1e300 * MOS, "small": 1e-300 * MOS,
        "between": means, "even": np.arange(len(MOS)) / 4, "constant": 0.1,
    })  # fmt: skip
    table.loc[3, "twin"], table.loc[8, "noise"] = np.nan, np.inf
    found = find_leaks(table, labels, GROUPS)
    alone = [find_leaks(table[[name]], labels, GROUPS).get(name) for name in table]
    assert [found.get(name) for name in table] == alone
    assert alone == [
        None, "the label's twin", "the label's twin", "the groups' mean label",
        "a count of the rows", None,
    ]  # fmt: skip
