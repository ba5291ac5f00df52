"""The store: what is written is read back, and nothing that goes wrong costs what is there."""

from __future__ import annotations

import errno
import json
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from seiqa_features.errors import StoreError
from seiqa_features.extractors.specs import ExtractorSpec, Output
from seiqa_features.pictures.views import View
from seiqa_features.table.recipe import Block
from seiqa_features.table.store import Store, block_schema

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


def test_empty(store: Store) -> None:
    assert store.keys(BLOCK) == set()
    assert store.read(BLOCK).num_rows == 0
    assert store.read(BLOCK).schema == block_schema(BLOCK)


def test_roundtrip_over_two_shards(store: Store) -> None:
    store.append(BLOCK, [row(0, 1 / 3), row(1, float("nan"))])
    store.append(BLOCK, [row(2)])
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
    folder = tmp_path / "store" / "made_up" / BLOCK.fingerprint
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
    store.append(BLOCK, [row(1), row(2)])
    table = store.read(BLOCK)
    assert sorted(table["dist_key"].to_pylist()) == ["dist0", "dist1", "dist2"]
    grids = {grid[0] for grid in table["grid"].to_pylist()}
    assert grids == {0, 1, 2}


def test_full_disk_loses_nothing_and_leaves_nothing(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.append(BLOCK, [row(0)])
    before = files(store)

    def full(_table: object, where: Path) -> None:
        where.write_bytes(b"half a shard")
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(pq, "write_table", full)
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
        patch.setattr(Path, "write_text", full)
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


def test_what_a_killed_run_left_is_ignored(store: Store) -> None:
    store.append(BLOCK, [row(0)])
    (store.folder(BLOCK) / ".part-0123.parquet.77").write_bytes(b"half a shard")
    assert store.keys(BLOCK) == {("ref", "dist0")}


@pytest.mark.parametrize("share", [0.0, 0.5, 0.98])
def test_damaged_shard_is_named(share: float, store: Store) -> None:
    store.append(BLOCK, [row(0)])
    (part,) = store.folder(BLOCK).glob("part-*")
    part.write_bytes(part.read_bytes()[: int(share * part.stat().st_size)])
    for read in (store.keys, store.read):
        with pytest.raises(StoreError) as caught:
            read(BLOCK)
        assert str(caught.value).startswith(f"{part}: damaged shard (")
        assert str(caught.value).endswith("delete this file and run again")
        assert "\n" not in str(caught.value)


def test_scrambled_shard_is_named(store: Store) -> None:
    store.append(BLOCK, [row(i) for i in range(50)])
    (part,) = store.folder(BLOCK).glob("part-*")
    content = bytearray(part.read_bytes())
    content[4:300] = bytes(reversed(content[4:300]))
    part.write_bytes(content)
    with pytest.raises(StoreError, match="damaged shard"):
        store.read(BLOCK)
