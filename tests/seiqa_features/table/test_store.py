"""The store: what is written is read back, and nothing that goes wrong costs what is there."""

from __future__ import annotations

import errno
import json
import logging
import os
import pickle
import random
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from seiqa_features.errors import StoreError
from seiqa_features.extractors.specs import ExtractorSpec, Output
from seiqa_features.pictures.views import View
from seiqa_features.table import merging
from seiqa_features.table.keys import Wanted
from seiqa_features.table.recipe import Block
from seiqa_features.table.shards import FORMAT, block_schema
from seiqa_features.table.store import Store
from seiqa_features.writing import temporary_in
from tests.killing import killed_at

SPEC = ExtractorSpec(
    name="made_up", version=1, outputs={"value": Output(), "grid": Output(dim=3)},
    colour="RGB", libraries=("numpy",), licence="MIT", source="ours", cost=0.1,
)  # fmt: skip
BLOCK = Block(SPEC, View.parse("s64"))


def row(number: int, value: float = 0.1) -> dict[str, object]:
    return {
        "ref_key": "ref", "dist_key": f"dist{number}", "value": value,
        "grid": [number, 0.1, float("nan")], "seconds": 0.5,
    }  # fmt: skip


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


def files(store: Store) -> list[str]:
    return sorted(path.name for path in store.folder(BLOCK).iterdir())


def only_part(store: Store) -> Path:
    (part,) = store.folder(BLOCK).glob("part-*.parquet")
    return part


def others(store: Store) -> Store:
    """The store as another process sees it."""
    return Store(store.root)


def test_empty(store: Store) -> None:
    assert store.keys(BLOCK) == set()
    assert store.read(BLOCK).num_rows == 0
    assert store.read(BLOCK).schema == block_schema(BLOCK)


def test_roundtrip_over_two_shards(store: Store) -> None:
    store.append(BLOCK, [row(0, 1 / 3), row(1, float("nan"))])
    others(store).append(BLOCK, [row(2)])
    assert len(list(store.folder(BLOCK).glob("part-*"))) == 2
    assert store.keys(BLOCK) == {("ref", "dist0"), ("ref", "dist1"), ("ref", "dist2")}
    table = store.read(BLOCK)
    assert table.schema == block_schema(BLOCK)
    values = dict(zip(table["dist_key"].to_pylist(), table["value"].to_pylist(), strict=True))
    assert values["dist0"] == 1 / 3  # float64, every bit
    assert np.isnan(values["dist1"])
    grids = dict(zip(table["dist_key"].to_pylist(), table["grid"].to_pylist(), strict=True))
    assert grids["dist2"][:2] == [2, float(np.float32(0.1))]
    assert np.isnan(grids["dist2"][2])


def test_layout_on_disk(store: Store, tmp_path: Path) -> None:
    store.append(BLOCK, [row(0)])
    folder = tmp_path / "store" / "made_up" / f"{BLOCK.fingerprint}-{FORMAT}"
    assert store.folder(BLOCK) == folder
    manifest, part = files(store)
    assert manifest == "manifest.json"
    assert part.startswith("part-")
    assert part.endswith(".parquet")
    assert json.loads((folder / manifest).read_text()) == BLOCK.ingredients


def test_other_blocks_do_not_see_the_rows(store: Store) -> None:
    store.append(BLOCK, [row(0)])
    assert store.keys(Block(SPEC, View.parse("s65"))) == set()


def test_a_row_that_two_runs_wrote_is_read_once(store: Store) -> None:
    store.append(BLOCK, [row(0), row(1)])
    others(store).append(BLOCK, [row(1), row(2)])
    table = store.read(BLOCK)
    assert sorted(table["dist_key"].to_pylist()) == ["dist0", "dist1", "dist2"]
    grids = {grid[0] for grid in table["grid"].to_pylist()}
    assert grids == {0, 1, 2}


def test_full_disk_loses_nothing_and_leaves_nothing(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.append(BLOCK, [row(0)])
    before = files(store)

    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(pq.ParquetWriter, "write_table", full)
        with pytest.raises(StoreError) as caught:
            store.append(BLOCK, [row(1)])
    line = str(caught.value)
    assert line.startswith(
        f"{store.folder(BLOCK)}: cannot write features (No space left on device)"
    )
    assert "what was written before is kept" in line
    assert "\n" not in line
    assert files(store) == before
    assert store.keys(BLOCK) == {("ref", "dist0")}
    store.append(BLOCK, [row(1)])
    assert store.keys(BLOCK) == {("ref", "dist0"), ("ref", "dist1")}


def test_disk_that_is_full_from_the_start_leaves_no_half_manifest(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(path: Path, *_: object, **__: object) -> int:
        path.touch()
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_bytes", full)
        with pytest.raises(StoreError, match="No space left"):
            store.append(BLOCK, [row(0)])
    assert not list(store.folder(BLOCK).glob("*.json"))
    assert not list(store.folder(BLOCK).glob("part-*"))
    store.append(BLOCK, [row(0)])
    assert json.loads((store.folder(BLOCK) / "manifest.json").read_text())["version"] == 1


def test_store_below_a_regular_file(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StoreError, match=r"cannot write features \(Not a directory\)"):
        Store(tmp_path / "file" / "store").append(BLOCK, [row(0)])


def test_a_run_adds_to_the_shard_that_it_wrote_last(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So that a shard every few seconds does not mean a million small files."""
    monkeypatch.setattr(merging, "SHARD_ROWS", 4)
    for number in range(10):
        store.append(BLOCK, [row(number)])
    shards = list(store.folder(BLOCK).glob("part-*"))
    assert sorted(pq.read_metadata(shard).num_rows for shard in shards) == [2, 4, 4]
    assert others(store).keys(BLOCK) == {("ref", f"dist{number}") for number in range(10)}


def test_a_copy_in_another_process_writes_shards_of_its_own(store: Store) -> None:
    store.append(BLOCK, [row(0)])
    copy = pickle.loads(pickle.dumps(store))
    copy.append(BLOCK, [row(1)])
    store.append(BLOCK, [row(2)])
    assert store.keys(BLOCK) == {("ref", "dist0"), ("ref", "dist1"), ("ref", "dist2")}


def test_a_kill_leaves_whole_shards(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    def work(store: Store) -> None:
        for number in range(3):
            store.append(BLOCK, [row(number)])

    kept = []
    for nth in range(1, 50):
        store = Store(tmp_path / str(nth))
        store.root.mkdir()
        with killed_at(nth, store.root) as faults:
            work(store)
        keys = others(store).keys(BLOCK)
        assert others(store).read(BLOCK).num_rows == len(keys)
        kept.append(len(keys))
        work(others(store))
        assert len(others(store).keys(BLOCK)) == 3
        if faults.count < nth:
            break
    assert kept == sorted(kept)
    assert set(kept) == {0, 1, 2, 3}
    assert not caplog.messages


def test_what_a_killed_run_left_is_removed_and_what_a_running_one_writes_is_not(
    store: Store,
) -> None:
    store.folder(BLOCK).mkdir(parents=True)
    ours = temporary_in(store.folder(BLOCK))
    gone = ours.with_name(ours.name.replace(f"-{os.getpid()}-", "-999999999-"))
    for path in (ours, gone):
        path.write_bytes(b"half a shard")
    assert store.keys(BLOCK) == set()
    store.append(BLOCK, [row(0)])
    assert store.keys(BLOCK) == {("ref", "dist0")}
    assert ours.exists()
    assert not gone.exists()


# --- it knows its own values -----------------------------------------------------------------


def damaged(store: Store, caplog: pytest.LogCaptureFixture) -> str:
    """Set aside at the latest when the values are read, with one line: which is returned."""
    part = only_part(store)
    fresh = others(store)
    with caplog.at_level(logging.WARNING):
        fresh.keys(BLOCK)
        assert fresh.read(BLOCK).num_rows == 0
        assert fresh.keys(BLOCK) == set()  # what read found out, keys knows
    (line,) = caplog.messages
    caplog.clear()
    assert line.startswith(f"{part}: damaged shard (")
    assert line.endswith("), set aside; its rows count as lost")
    assert "\n" not in line
    assert files(store) == ["manifest.json", f"{part.name}.damaged"]
    fresh.append(BLOCK, [row(7)])
    assert others(store).keys(BLOCK) == {("ref", "dist7")}
    return line


@pytest.mark.parametrize("share", [0.0, 0.5, 0.98])
def test_a_cut_shard(share: float, store: Store, caplog: pytest.LogCaptureFixture) -> None:
    store.append(BLOCK, [row(0)])
    part = only_part(store)
    part.write_bytes(part.read_bytes()[: int(share * part.stat().st_size)])
    damaged(store, caplog)


def test_a_scrambled_shard(store: Store, caplog: pytest.LogCaptureFixture) -> None:
    store.append(BLOCK, [row(i) for i in range(50)])
    part = only_part(store)
    content = bytearray(part.read_bytes())
    content[4:300] = bytes(reversed(content[4:300]))
    part.write_bytes(content)
    damaged(store, caplog)


def flip(content: bytes, bit: int) -> bytes:
    changed = bytearray(content)
    changed[bit // 8] ^= 1 << bit % 8
    return bytes(changed)


def test_flipped_bits_of_the_footer_hide_rows_at_worst(store: Store) -> None:
    """Parquet's statistics, which tell where a key can be, have no checksum; nor is all text."""
    rows = [row(number, number / 7) for number in range(3)]
    store.append(BLOCK, rows)
    part = only_part(store)
    sound, wanted = part.read_bytes(), Wanted(["ref"] * 3, [f"dist{n}" for n in range(3)])
    footer = int.from_bytes(sound[-8:-4], "little") + 8
    places = [
        place
        for text in (b"ref", b"dist0", b"dist2")
        for place in range(len(sound) - footer, len(sound))
        if sound.startswith(text, place)
    ]
    assert len(places) > 5
    for place in places:
        for bit in (0, 4, 7):  # another letter, or no UTF-8
            part.write_bytes(flip(sound, 8 * place + bit))
            fresh = others(store)
            fresh.has(BLOCK, wanted)
            for positions, found in fresh.find(BLOCK, wanted):
                values = [rows[int(position)]["value"] for position in positions]
                assert found.column("value").to_pylist() == values
            part.with_name(f"{part.name}.damaged").unlink(missing_ok=True)


@pytest.mark.parametrize("seed", range(3))
def test_flipped_bits_are_not_believed(seed: int, store: Store) -> None:
    """A flip is noticed, or in a byte that means nothing: the rows are what they were or none."""
    no_nan = {"grid": [0.5, 0.25, 0.125]}  # NaN equals nothing
    store.append(BLOCK, [row(number, number / 7) | no_nan for number in range(40)])
    part = only_part(store)
    sound, rows = part.read_bytes(), store.read(BLOCK)
    draw = random.Random(seed)
    noticed = 0
    for bit in [draw.randrange(8 * len(sound)) for _ in range(150)]:
        part.write_bytes(flip(sound, bit))
        fresh = others(store)
        keys, found = fresh.keys(BLOCK), fresh.read(BLOCK)
        if found.num_rows:
            assert found.equals(rows)
            assert len(keys) == 40
        else:
            noticed += 1
            part.with_name(f"{part.name}.damaged").unlink()
    assert noticed > 50


def test_another_blocks_shard_is_not_believed(
    store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    """It has the same columns and a sound checksum, but it is of another view."""
    other = Block(SPEC, View.parse("s65"))
    store.append(BLOCK, [row(0, 0.25)])
    store.append(other, [row(0, 0.75)])
    (foreign,) = store.folder(other).glob("part-*")
    shutil.copy(foreign, only_part(store))
    assert "not labelled as a shard of this block" in damaged(store, caplog)
    assert others(store).read(other)["value"].to_pylist() == [0.75]


def tampered(part: Path, change: Callable[[pa.Table], pa.Table]) -> None:
    """Rewrite a shard with other content and all its metadata."""
    with pq.ParquetFile(part) as file:
        table = file.read()
    pq.write_table(change(table).replace_schema_metadata(table.schema.metadata), part)


def with_value(value: float) -> Callable[[pa.Table], pa.Table]:
    def change(table: pa.Table) -> pa.Table:
        place = table.schema.get_field_index("value")
        return table.set_column(place, "value", pa.array([value] * table.num_rows))

    return change


def with_bytes_as_keys(table: pa.Table) -> pa.Table:
    """Keys that call themselves text and are no UTF-8."""
    octets = pa.array([b"\xff\xfe"] * table.num_rows, pa.binary())
    text = pa.Array.from_buffers(pa.string(), len(octets), octets.buffers())
    return table.set_column(0, "ref_key", text)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (with_value(float("nan")), "checksum differs"),
        (with_value(1e300), "checksum differs"),
        (with_bytes_as_keys, "checksum differs"),
        (lambda table: table.drop_columns(["grid"]), "other columns"),
        (lambda table: table.append_column("more", table["value"]), "other columns"),
        (lambda table: table.set_column(2, "value", table["dist_key"]), "other columns"),
        (lambda table: table.slice(0, 1), "checksum differs"),
        (lambda table: pa.concat_tables([table, table]), "checksum differs"),
        (lambda table: with_value(None)(table), "missing values"),  # type: ignore[arg-type]
    ],
)
def test_a_shard_that_was_tampered_with(
    change: Callable[[pa.Table], pa.Table],
    reason: str,
    store: Store,
    caplog: pytest.LogCaptureFixture,
) -> None:
    store.append(BLOCK, [row(0), row(1)])

    def whole(table: pa.Table) -> pa.Table:
        new = change(table)
        return new.cast(block_schema(BLOCK)) if reason == "missing values" else new

    tampered(only_part(store), whole)
    assert reason in damaged(store, caplog)


def test_a_shard_without_a_label(store: Store, caplog: pytest.LogCaptureFixture) -> None:
    store.append(BLOCK, [row(0)])
    part = only_part(store)
    pq.write_table(pq.read_table(part).replace_schema_metadata(None), part)
    assert "not labelled" in damaged(store, caplog)


@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir])
def test_what_is_no_file(
    make: Callable[[Path], None], store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    """Opening a FIFO would wait for ever."""
    store.append(BLOCK, [row(0)])
    part = only_part(store)
    part.unlink()
    make(part)
    assert "expected a regular file" in damaged(store, caplog)


def test_a_shard_that_cannot_be_renamed_is_left_out_all_the_same(
    store: Store, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    store.append(BLOCK, [row(0)])
    part = only_part(store)
    part.write_bytes(b"nothing")
    fresh = others(store)

    def refuse(*_: object) -> None:
        raise PermissionError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr(Path, "rename", refuse)
    assert fresh.keys(BLOCK) == fresh.keys(BLOCK) == set()
    assert len(caplog.messages) == 1


def test_a_shard_that_may_not_be_read_is_an_error_and_stays(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.append(BLOCK, [row(0)])

    def refuse(*_: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(pq, "ParquetFile", refuse)
    for read in (others(store).keys, others(store).read):
        with pytest.raises(StoreError) as caught:
            read(BLOCK)
        assert str(caught.value).startswith(
            f"{only_part(store)}: cannot be read (Permission denied)"
        )
    assert len(files(store)) == 2


def test_a_shard_of_the_same_block_from_another_store_is_welcome(
    store: Store, tmp_path: Path
) -> None:
    elsewhere = Store(tmp_path / "elsewhere")
    elsewhere.append(replace(BLOCK), [row(0), row(1)])
    store.append(BLOCK, [row(2)])
    shutil.copy(only_part(elsewhere), store.folder(BLOCK))
    assert len(store.keys(BLOCK)) == 3
