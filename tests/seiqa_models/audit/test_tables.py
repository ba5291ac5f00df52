"""Reading a table and telling its columns apart."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from seiqa_models.audit.tables import (
    Roles,
    feature_columns,
    labelled_rows,
    read_table,
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


def test_csv_and_parquet_give_the_same_table(table: pd.DataFrame, tmp_path: Path) -> None:
    table.to_csv(tmp_path / "t.csv", index=False)
    table.to_parquet(tmp_path / "t.parquet")
    from_csv, from_parquet = read_table(tmp_path / "t.csv"), read_table(tmp_path / "t.parquet")
    pd.testing.assert_frame_equal(from_csv, table)
    pd.testing.assert_frame_equal(from_parquet, table, check_dtype=False)


def test_dense_blocks_of_a_parquet_file_are_features(
    table: pd.DataFrame, tmp_path: Path, dense_column
) -> None:
    blocks = pa.array(dense_column(np.ones((40, 3))).array)
    arrow = pa.Table.from_pandas(table).append_column("clip", blocks)
    pq.write_table(arrow, tmp_path / "t.parquet")
    features = feature_columns(read_table(tmp_path / "t.parquet"), ROLES)
    assert list(features.columns) == ["ssim", "gmsd", "clip"]


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
        " experiment; device: no number but str; my copy: the label's twin):"
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


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("t.csv", "a,b,a\n1,2,3\n", "column 'a' comes more than once"),
        ("t.csv", "a,b\n1,2,3\n", "more cells than the header"),
        ("t.csv", "a,b\n", "no rows in it"),
        ("t.csv", "", "cannot be read as a table"),
        ("t.csv", "a\n\xff\n", "cannot be read as a table"),
        ("t.parquet", "no parquet", "cannot be read as a table"),
        ("t.xlsx", "", "expected a .csv or .parquet file"),
    ],
)
def test_unreadable_files_are_one_clear_line(
    tmp_path: Path, name: str, content: str, said: str
) -> None:
    path = tmp_path / name
    path.write_bytes(content.encode("latin-1"))
    with pytest.raises(TableError, match=said) as refused:
        read_table(path)
    assert str(path) in str(refused.value)
    assert "\n" not in str(refused.value)


def test_an_absent_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(TableError, match=r"gone\.csv: cannot be read \(No such file"):
        read_table(tmp_path / "gone.csv")
