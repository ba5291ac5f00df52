"""The assembled table: rows in the pairs' order, columns as promised, written and read back."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from seiqa_features.errors import StoreError
from seiqa_features.extractors.specs import ExtractorSpec, Output
from seiqa_features.pictures.views import View
from seiqa_features.table.recipe import Block, Recipe
from seiqa_features.table.store import Store
from seiqa_features.table.table import assemble, read_table, write_table

OUTPUTS = {
    "value": Output(),
    "grid": Output(dim=2),
    "cls_ref": Output(dim=3, role="ref"),
    "cls_dist": Output(dim=3, role="dist"),
}
SPEC = ExtractorSpec("made_up", 1, OUTPUTS, "RGB", ("numpy",), "MIT", "ours", 0.1)
BLOCKS = (Block(SPEC, View.parse("s64")), Block(SPEC, View.parse("max99")))
RECIPE = Recipe(BLOCKS)
PAIRS = pd.DataFrame(
    {
        "pair_id": ["p0", "p1", "copy of p0"],
        "ref_key": ["r", "r", "r"],
        "dist_key": ["d0", "d1", "d0"],
    }
)


def row(number: int, *, seconds: float) -> dict[str, object]:
    return {
        "ref_key": "r", "dist_key": f"d{number}", "value": number + 0.1, "seconds": seconds,
        "grid": [number, float("nan")], "cls_ref": [1, 0, 0], "cls_dist": [number, 1, 0],
    }  # fmt: skip


@pytest.fixture
def store(tmp_path: Path) -> Store:
    made = Store(tmp_path / "store")
    for block in BLOCKS:
        made.append(block, [row(1, seconds=0.25)])
        made.append(block, [row(7, seconds=9.0), row(0, seconds=0.5)])  # d7 is nobody's
    return made


def test_rows_follow_the_pairs_and_columns_the_recipe(store: Store) -> None:
    table, _ = assemble(PAIRS, RECIPE, store)
    assert table.index.name == "pair_id"
    assert table.index.tolist() == ["p0", "p1", "copy of p0"]
    names = ["value", "grid", *(f"cls_{kind}" for kind in
             ("absdiff", "product", "cosine", "l2", "l1"))]  # fmt: skip
    assert table.columns.tolist() == [f"{block.name}__{name}" for block in BLOCKS for name in names]
    assert table["made_up__s64__value"].tolist() == [0.1, 1.1, 0.1]
    assert table["made_up__s64__cls_l1"].tolist() == [2, 1, 2]
    assert table["made_up__s64__cls_cosine"].tolist() == [0, pytest.approx(0.5**0.5), 0]


def test_column_types(store: Store) -> None:
    table, _ = assemble(PAIRS, RECIPE, store)
    assert table["made_up__s64__value"].dtype == np.float64
    assert table["made_up__s64__cls_cosine"].dtype == np.float64
    for name, width in (("grid", 2), ("cls_absdiff", 3), ("cls_product", 3)):
        dtype = table[f"made_up__s64__{name}"].dtype
        assert dtype == pd.ArrowDtype(pa.list_(pa.float32(), width))
    assert list(table["made_up__s64__cls_absdiff"].iloc[1]) == [0, 1, 0]
    assert np.isnan(table["made_up__s64__grid"].iloc[0][1])


def test_seconds_are_the_mean_over_these_pairs(store: Store) -> None:
    _, seconds = assemble(PAIRS.iloc[:2], RECIPE, store)
    assert seconds == pytest.approx(2 * (0.5 + 0.25) / 2)


def test_a_row_that_is_not_there(store: Store) -> None:
    other = PAIRS.assign(dist_key=["d0", "d5", "d6"])
    with pytest.raises(StoreError, match=r"^pair p1: made_up__s64 is not in the store; run `seiqa"):
        assemble(other, RECIPE, store)


def test_written_and_read_back(store: Store, tmp_path: Path) -> None:
    table, _ = assemble(PAIRS, RECIPE, store)
    write_table(table, tmp_path / "table.parquet")
    back = read_table(tmp_path / "table.parquet")
    pd.testing.assert_frame_equal(back, table)
    schema = pa.parquet.read_schema(tmp_path / "table.parquet")
    assert schema.field("made_up__s64__grid").type == pa.list_(pa.float32(), 2)
