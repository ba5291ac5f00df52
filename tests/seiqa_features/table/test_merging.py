"""Merging: few sorted shards with every row once, whatever is killed or damaged meanwhile."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from filelock import FileLock

from seiqa_features.extractors.specs import ExtractorSpec, Output
from seiqa_features.pictures.views import View
from seiqa_features.table import merging, shards
from seiqa_features.table.checksums import checksums
from seiqa_features.table.keys import KEYS, Wanted
from seiqa_features.table.recipe import Block
from seiqa_features.table.shards import OLD_FORMAT, Shard, ShardType, as_table, block_schema
from seiqa_features.table.store import LOCK, Store
from tests.killing import killed_at

OUTPUTS = {"value": Output(), "grid": Output(dim=3)}
BLOCK = Block(
    ExtractorSpec("made_up", 1, OUTPUTS, "RGB", ("numpy",), "MIT", "ours", 0.1), View.parse("s64")
)
KIND = ShardType.of(BLOCK)


def row(number: int) -> dict[str, object]:
    return {
        "ref_key": f"r{number % 7}", "dist_key": f"d{number:04d}", "value": number / 7,
        "grid": [number, 0.5, -number], "seconds": 0.5,
    }  # fmt: skip


def fill(store: Store, numbers: range, portion: int) -> None:
    """Each portion as a run of its own."""
    for start in range(0, len(numbers), portion):
        Store(store.root).append(BLOCK, [row(n) for n in numbers[start : start + portion]])


def parts(store: Store) -> list[Path]:
    return sorted(store.folder(BLOCK).glob("part-*.parquet"))


def content(store: Store) -> pa.Table:
    return Store(store.root).read(BLOCK).sort_by([(name, "ascending") for name in KEYS])


def expected(count: int) -> pa.Table:
    return as_table(BLOCK, [row(n) for n in range(count)]).sort_by(
        [(name, "ascending") for name in KEYS]
    )


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


@pytest.fixture
def small_groups(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shards, "GROUP_ROWS", 10)


def test_runs_that_add_a_little_do_not_leave_many_shards(store: Store) -> None:
    fill(store, range(120), 2)
    assert len(parts(store)) <= merging.FAN_IN + 1
    assert content(store).equals(expected(120))


def test_a_long_run_leaves_few_shards(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(merging, "SHARD_ROWS", 8)
    for start in range(0, 1000, 4):
        store.append(BLOCK, [row(n) for n in range(start, start + 4)])
    assert len(parts(store)) < 25
    assert content(store).equals(expected(1000))


@pytest.mark.usefixtures("small_groups")
def test_merged_shards_are_sorted_and_hold_each_pair_once(store: Store) -> None:
    fill(store, range(60), 30)
    fill(store, range(20, 95), 75)
    merging.merge(parts(store), KIND, store.folder(BLOCK))
    (part,) = parts(store)
    with pq.ParquetFile(part) as file:
        assert file.num_row_groups == 10
        table = file.read()
    assert table.num_rows == 95
    assert table.replace_schema_metadata(None).equals(expected(95))


@pytest.mark.usefixtures("small_groups")
def test_large_shards_are_divided_by_key(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(merging, "FULL_ROWS", 40)
    fill(store, range(100), 25)
    merging.merge(parts(store), KIND, store.folder(BLOCK))
    sizes = sorted(pq.read_metadata(part).num_rows for part in parts(store))
    assert sizes == [20, 40, 40]
    assert content(store).equals(expected(100))


@pytest.mark.usefixtures("small_groups")
def test_looking_up_reads_only_what_holds_the_pairs(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(store, range(500), 500)
    read: dict[str, int] = {"keys": 0, "values": 0}
    for name in read:
        whole = getattr(Shard, name)

        def counted(
            shard: Shard, group: int, name: str = name, whole: Callable[..., pa.Table] = whole
        ) -> pa.Table:
            read[name] += 1
            return whole(shard, group)

        monkeypatch.setattr(Shard, name, counted)
    wanted = Wanted(["r3", "r5", "none"], ["d0003", "d0012", "d0001"])
    assert Store(store.root).has(BLOCK, wanted).tolist() == [True, True, False]
    assert 2 <= read["keys"] <= 4  # of 50 row groups; one may begin with another reference
    assert read["values"] == 0
    found = {
        int(place): rows["value"][i].as_py()
        for places, rows in Store(store.root).find(BLOCK, wanted)
        for i, place in enumerate(places)
    }
    assert found == {0: 3 / 7, 1: 12 / 7}
    assert read["values"] == 2


def test_a_kill_while_merging_loses_and_doubles_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for nth in range(1, 40):
        store = Store(tmp_path / str(nth))
        fill(store, range(40), 10)
        with killed_at(nth, store.root) as faults:
            merging.merge(parts(store), KIND, store.folder(BLOCK))
        assert content(store).equals(expected(40))
        merging.merge(parts(store), KIND, store.folder(BLOCK))
        assert len(parts(store)) == 1
        assert content(store).equals(expected(40))
        if faults.count < nth:
            break
    else:
        pytest.fail("the merge never ended")
    assert not caplog.messages


def test_merging_under_a_reader(store: Store, caplog: pytest.LogCaptureFixture) -> None:
    """What it has not read yet disappears, and is found where it went."""
    fill(store, range(40), 10)
    wanted = Wanted([f"r{n % 7}" for n in range(40)], [f"d{n:04d}" for n in range(40)])
    reading = Store(store.root).find(BLOCK, wanted)
    found = list(next(reading)[0])
    merging.merge(parts(store), KIND, store.folder(BLOCK))
    for places, _ in reading:
        found += list(places)
    assert sorted(found) == list(range(40))
    assert not caplog.messages


def test_merging_under_a_writer(store: Store) -> None:
    """It extends a shard that is merged meanwhile: the old rows come twice, none is lost."""
    store.append(BLOCK, [row(n) for n in range(5)])
    fill(store, range(5, 15), 5)
    merging.merge(parts(store), KIND, store.folder(BLOCK))
    store.append(BLOCK, [row(n) for n in range(15, 20)])
    assert content(store).equals(expected(20))
    merging.merge(parts(store), KIND, store.folder(BLOCK))
    assert pq.read_metadata(parts(store)[0]).num_rows == 20


def damage_group(part: Path, group: int) -> None:
    """Flip a bit in the last value of a row group."""
    column = pq.read_metadata(part).row_group(group).column(2)
    content = bytearray(part.read_bytes())
    content[column.data_page_offset + column.total_compressed_size - 1] ^= 1
    part.write_bytes(content)


@pytest.mark.usefixtures("small_groups")
def test_of_a_large_damaged_shard_only_the_damaged_rows_are_lost(
    store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    fill(store, range(100), 100)
    (part,) = parts(store)
    damage_group(part, 4)
    with caplog.at_level(logging.WARNING):
        left = content(store)
    assert left.num_rows == 90
    (line,) = caplog.messages
    assert line.endswith("set aside; 10 of its 100 rows count as lost")
    lost = expected(100).slice(40, 10)["dist_key"].to_pylist()
    assert not set(lost) & set(left["dist_key"].to_pylist())
    caplog.clear()
    fill(store, range(100), 100)
    assert content(store).equals(expected(100))
    assert not caplog.messages


@pytest.mark.usefixtures("small_groups")
def test_damage_found_while_merging(store: Store, caplog: pytest.LogCaptureFixture) -> None:
    fill(store, range(100), 100)
    damage_group(parts(store)[0], 0)
    for number in range(100, 100 + merging.FAN_IN):
        Store(store.root).append(BLOCK, [row(number)])
    assert len([line for line in caplog.messages if "10 of its 100 rows" in line]) == 1
    assert content(store).num_rows == 90 + merging.FAN_IN


def test_shards_of_the_previous_format(store: Store) -> None:
    folder = store.folder(BLOCK).with_name(f"{BLOCK.fingerprint}-{OLD_FORMAT}")
    folder.mkdir(parents=True)
    for start in (40, 0):
        numbers = np.random.default_rng(0).permutation(40) + start
        table = as_table(BLOCK, [row(int(n)) for n in numbers])
        label = {"format": OLD_FORMAT, "block": BLOCK.fingerprint, **checksums(table)}
        table = table.replace_schema_metadata({b"seiqa.shard": json.dumps(label)})
        pq.write_table(table, folder / f"part-{start}.parquet")
    assert content(store).equals(expected(80))
    assert store.has(BLOCK, Wanted(["r3", "r4"], ["d0010", "d0010"])).tolist() == [True, False]
    fill(store, range(80, 90), 10)
    assert content(store).equals(expected(90))
    for number in range(90, 90 + merging.FAN_IN):
        Store(store.root).append(BLOCK, [row(number)])
    assert content(store).equals(expected(90 + merging.FAN_IN))
    assert not list(folder.glob("part-*"))  # merged into today's format with the others


def test_columns_in_another_order_are_the_same_columns(store: Store) -> None:
    """A merge that knows only the manifest, where names are sorted, writes them so."""
    fill(store, range(20), 10)
    schema = block_schema(BLOCK)
    names = [*KEYS, "grid", "value", "seconds"]
    kind = ShardType(BLOCK.fingerprint, pa.schema([schema.field(name) for name in names]))
    merging.merge(parts(store), kind, store.folder(BLOCK))
    assert content(store).equals(expected(20))


def test_a_run_goes_on_if_merging_fails(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(merging, "merge", full)
    fill(store, range(20), 2)
    assert len(parts(store)) == 10
    assert content(store).equals(expected(20))
    monkeypatch.undo()
    fill(store, range(20, 22), 2)
    assert len(parts(store)) == 2


def test_two_processes_do_not_merge_the_same_shards(store: Store) -> None:
    store.folder(BLOCK).mkdir(parents=True)
    with FileLock(store.folder(BLOCK) / LOCK):
        fill(store, range(20), 2)
    assert len(parts(store)) == 10
    assert content(store).equals(expected(20))
