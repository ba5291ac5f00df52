"""Files → table by way of the store: what was damaged there is computed again, and nothing else."""

from __future__ import annotations

import io
import logging
import random
from collections.abc import Callable, Mapping
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from seiqa_features.errors import DataError, StoreError
from seiqa_features.extraction import cached
from seiqa_features.extraction.cached import extract_in_portions, extract_table
from seiqa_features.extraction.runner import RunReport
from seiqa_features.extraction.runtime import Runtime
from seiqa_features.table.recipe import Recipe
from seiqa_features.table.store import Store
from seiqa_features.table.table import column_dims
from seiqa_features.weights.files import WeightFiles

RECIPE = Recipe.parse({"gms": ["max512"], "colour": ["s48"]})


@pytest.fixture
def pairs(make_pairs: Callable[..., pd.DataFrame]) -> pd.DataFrame:
    """Two references with three degraded versions each."""
    return make_pairs(2, 3)


def extract(pairs: pd.DataFrame, root: Path, **options: bool) -> tuple[pd.DataFrame, RunReport]:
    runtime = Runtime(WeightFiles(Path("no-weights")))
    table, seconds, report = extract_table(
        pairs, RECIPE, Store(root), runtime, workers=1, **options
    )
    assert seconds > 0
    return table, report


def parts(root: Path) -> list[Path]:
    return sorted(root.rglob("part-*.parquet"))


def test_what_is_there_is_read(pairs: pd.DataFrame, tmp_path: Path) -> None:
    first, report = extract(pairs, tmp_path / "store")
    assert (report.computed, report.cached) == (6, 0)
    second, report = extract(pairs, tmp_path / "store")
    assert (report.computed, report.cached) == (0, 6)
    pd.testing.assert_frame_equal(first, second, check_exact=True)


def rewritten(part: Path, column: str) -> None:
    """The shard with another first value in a column, under the label that it had."""
    with pq.ParquetFile(part) as file:
        table = file.read()
    values = table[column].to_pylist()
    values[0] = values[0] + (1.0 if isinstance(values[0], float) else "0")
    place = table.column_names.index(column)
    changed = table.set_column(place, table.field(column), pa.array(values, table[column].type))
    pq.write_table(changed, part)


@pytest.mark.parametrize("column", ["ref_key", "seconds"])
def test_damaged_shards_are_computed_again(
    column: str, pairs: pd.DataFrame, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """In the keys, which planning reads, or in the values, which only the table needs."""
    root = tmp_path / "store"
    expected, _ = extract(pairs, root)
    assert len(parts(root)) == 2
    for part in parts(root):
        rewritten(part, column)
    with caplog.at_level(logging.WARNING):
        table, report = extract(pairs, root)
    assert len(caplog.messages) == 2
    assert all("damaged shard (checksum differs)" in line for line in caplog.messages)
    assert (report.computed, report.cached) == (6, 0)
    pd.testing.assert_frame_equal(table, expected, check_exact=True)
    _, report = extract(pairs, root)
    assert (report.computed, report.cached) == (0, 6)


@pytest.mark.parametrize("seed", range(8))
def test_a_flipped_bit_is_found_where_it_changes_what_is_read(
    seed: int, pairs: pd.DataFrame, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A parquet file also holds statistics and padding, which nothing is read from."""
    root = tmp_path / "store"
    expected, _ = extract(pairs, root)
    draw = random.Random(seed)
    damaged = 0
    for part in parts(root):
        content = bytearray(part.read_bytes())
        content[draw.randrange(len(content))] ^= 1 << draw.randrange(8)
        damaged += not reads_as(pq.read_table(part), bytes(content))
        part.write_bytes(content)
    with caplog.at_level(logging.WARNING):
        table, report = extract(pairs, root)
    assert len(caplog.messages) == damaged
    assert all("damaged shard" in line for line in caplog.messages)
    assert bool(report.computed) == bool(damaged)
    pd.testing.assert_frame_equal(table, expected, check_exact=True)


def reads_as(written: pa.Table, content: bytes) -> bool:
    """Whether the bytes of a shard still give the table, its label with it."""
    try:
        return bool(pq.read_table(io.BytesIO(content)).equals(written, check_metadata=True))
    except (pa.ArrowException, ValueError, OSError):
        return False


def test_only_what_was_lost_is_computed_again(pairs: pd.DataFrame, tmp_path: Path) -> None:
    root = tmp_path / "store"
    extract(pairs.iloc[:2], root)
    extract(pairs, root)
    small = min(parts(root), key=lambda part: (part.parent.parent.name, part.stat().st_size))
    small.write_bytes(b"")
    lost = 6 - len(Store(root).keys(next(b for b in RECIPE.blocks if b.spec.name == "colour")))
    _, report = extract(pairs, root)
    assert report.computed == lost
    assert 0 < lost < 6
    assert report.cached == 6 - lost


def test_a_disk_that_loses_everything_is_an_error(
    pairs: pd.DataFrame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Store, "find", lambda *_: iter(()))
    with pytest.raises(StoreError, match="rows get lost as fast as they are written"):
        extract(pairs, tmp_path / "store")


def test_pairs_that_fail_are_reported_once(pairs: pd.DataFrame, tmp_path: Path) -> None:
    root = tmp_path / "store"
    extract(pairs.iloc[:5], root)
    Path(pairs["dist_path"][5]).unlink()
    for part in parts(root):
        content = bytearray(part.read_bytes())
        content[len(content) // 3] ^= 1
        part.write_bytes(content)
    with pytest.raises(DataError, match="no such file"):
        extract(pairs, root)
    table, report = extract(pairs, root, keep_going=True)
    assert list(report.failures) == ["p1-2"]
    assert table.index.tolist() == pairs["pair_id"][:5].tolist()


def test_a_table_in_portions(
    pairs: pd.DataFrame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runtime = Runtime(WeightFiles(Path("no-weights")))
    Path(pairs["dist_path"][4]).unlink()

    def portions(root: Path) -> list[tuple[pd.DataFrame, Mapping[str, str]]]:
        return list(
            extract_in_portions(pairs, RECIPE, Store(root), runtime, workers=1, keep_going=True)
        )

    ((whole, failures),) = portions(tmp_path / "whole")
    row = sum(4 * dim or 8 for dim in column_dims(RECIPE).values())
    monkeypatch.setattr(cached, "PORTION_BYTES", 2 * row)
    found = portions(tmp_path / "parts")
    assert [len(table) for table, _ in found] == [2, 2, 1]
    pd.testing.assert_frame_equal(pd.concat([t for t, _ in found]), whole, check_exact=True)
    assert list(failures) == ["p1-1"]
    assert [list(failed) for _, failed in found] == [["p1-1"], [], []]
