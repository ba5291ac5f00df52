"""Telling the columns of a table apart."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from seiqa_models.audit.tables import (
    Roles,
    feature_columns,
    labelled_rows,
    require_columns,
)
from seiqa_models.core.errors import TableError

ROLES = Roles("MOS", "ref")


@pytest.fixture
def table() -> pd.DataFrame:
    rng = np.random.default_rng(0)
    mos = rng.uniform(1, 5, 40)
    return pd.DataFrame(
        {
            "ref": np.repeat(list("abcdefgh"), 5),
            "MOS": mos,
            "ssim": mos + rng.normal(size=40),
            "gmsd": rng.normal(size=40),
        }
    )


def test_dense_blocks_are_features(table: pd.DataFrame, dense_column) -> None:
    table["clip"] = dense_column(np.ones((40, 3)))
    assert list(feature_columns(table, ROLES).columns) == ["ssim", "gmsd", "clip"]


def test_roles_are_no_features_and_unlabelled_rows_are_left_out(table: pd.DataFrame) -> None:
    table["order"] = range(40)
    table["distortion"] = "blur"
    table["note"] = "x"
    table.loc[[3, 5], "MOS"] = np.nan
    roles = Roles("MOS", "ref", order="order", kind="distortion", drop=("note",))
    assert list(feature_columns(table, roles).columns) == ["ssim", "gmsd"]
    assert list(labelled_rows(table, roles).index) == [k for k in range(40) if k not in (3, 5)]


def test_columns_that_are_no_features_are_all_named_with_what_to_add(table: pd.DataFrame) -> None:
    table["MOS_std"], table["level"], table["device"] = 1.0, 2, "phone"
    table["my copy"] = 2 * table["MOS"]
    with pytest.raises(TableError) as refused:
        feature_columns(table, ROLES)
    assert str(refused.value) == (
        "4 columns are no feature (MOS_std: named after the label; level: describes the"
        " experiment; device: no number but text such as 'phone'; my copy: the label's twin):"
        " add --drop MOS_std --drop level --drop device --drop 'my copy'"
    )
    dropped = Roles("MOS", "ref", drop=("MOS_std", "level", "device", "my copy"))
    assert list(feature_columns(table, dropped).columns) == ["ssim", "gmsd"]


def test_missing_columns_are_all_named(table: pd.DataFrame) -> None:
    with pytest.raises(TableError, match=r"lacks 2 columns: mos, fold; did you mean 'MOS'\?"):
        feature_columns(table, Roles("mos", "ref", drop=("fold",)))
    with pytest.raises(TableError, match=r"lacks column quality; it has ref, MOS, ssim, gmsd$"):
        require_columns(table, ["ssim", "quality"])


def test_bad_roles_are_refused(table: pd.DataFrame) -> None:
    with pytest.raises(TableError, match="'ref' is given two roles"):
        feature_columns(table, Roles("MOS", "ref", drop=("ref",)))
    with pytest.raises(TableError, match="'MOS' is empty: no row has a label"):
        feature_columns(table.assign(MOS=np.nan), ROLES)
