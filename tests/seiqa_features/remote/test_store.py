"""The feature store in an object store: nothing is lost, doubled or seen half written."""

from __future__ import annotations

import pytest

from seiqa_features.errors import StoreError
from seiqa_features.remote.paths import RemotePath
from seiqa_features.table import merging
from seiqa_features.table.keys import Wanted
from seiqa_features.table.store import Store
from seiqa_features.table.upkeep import compact, remove, survey, useless
from tests.seiqa_features.table.test_store import BLOCK, row
from tests.stores.faults import Fault, ObjectStore, every


@pytest.fixture
def store(bucket: RemotePath) -> Store:
    return Store(bucket / "cache")


def numbers(store: Store) -> list[str]:
    return sorted(store.read(BLOCK)["dist_key"].to_pylist())


def parts(store: Store) -> list[RemotePath]:
    folder = store.folder(BLOCK)
    assert isinstance(folder, RemotePath)
    return list(folder.glob("part-*.parquet"))


def test_rows_are_found_by_key(store: Store) -> None:
    store.append(BLOCK, [row(0), row(1)])
    Store(store.root).append(BLOCK, [row(2)])
    assert len(parts(store)) == 2
    wanted = Wanted(["ref"] * 3, ["dist2", "dist9", "dist0"])
    assert store.has(BLOCK, wanted).tolist() == [True, False, True]
    found = [table for _, table in store.find(BLOCK, wanted)]
    assert sum(table.num_rows for table in found) == 2


def test_small_shards_are_merged(store: Store) -> None:
    for number in range(merging.FAN_IN + 1):
        Store(store.root).append(BLOCK, [row(number)])
    assert len(parts(store)) == 2
    assert numbers(store) == [f"dist{n}" for n in range(merging.FAN_IN + 1)]


def test_two_machines_that_merge_at_once_lose_nothing(store: Store) -> None:
    """There is no lock across machines: each merges what it has listed."""
    for number in range(4):
        Store(store.root).append(BLOCK, [row(number)])
    (block,) = survey(store.root)
    kind = merging.ShardType.of(BLOCK)
    copies = [(part, part.read_bytes()) for part in parts(store)]
    merging.merge(block.shards, kind, store.folder(BLOCK))
    for part, content in copies:  # as the other one saw them before
        part.write_bytes(content)
    merging.merge([part for part, _ in copies], kind, store.folder(BLOCK))
    assert numbers(store) == [f"dist{n}" for n in range(4)]


def test_upkeep(store: Store) -> None:
    for number in range(3):
        Store(store.root).append(BLOCK, [row(number)])
    assert compact(store.root) == []
    (block,) = survey(store.root)
    assert (len(block.shards), block.rows, block.size > 0) == (1, 3, True)
    (removal,) = useless(store.root)  # the extractor is not installed
    remove(removal)
    assert survey(store.root) == []


@pytest.mark.usefixtures("impatient")
def test_damage_is_told_from_a_store_that_fails(store: Store, object_store: ObjectStore) -> None:
    store.append(BLOCK, [row(0)])
    for answered in range(20):
        other = Store(store.root)
        try:
            with object_store.failing(Fault("500 Internal Server Error", after=answered)):
                assert numbers(other) == ["dist0"]
        except (StoreError, OSError) as error:
            assert "the object store failed" in str(error)  # noqa: PT017 — only until it answers
        else:
            break
    assert answered > 2
    (part,) = parts(store)
    part.write_bytes(b"PAR1 rubbish PAR1")
    assert numbers(Store(store.root)) == []
    assert [path.name for path in store.folder(BLOCK).glob("*.damaged")] == [f"{part.name}.damaged"]


@pytest.mark.parametrize(("object_store", "n"), [("s3", 5), ("gs", 25)], indirect=["object_store"])
def test_requests_that_fail_now_and_then_cost_nothing(
    n: int, store: Store, object_store: ObjectStore
) -> None:
    """Google's client waits a second or two each time."""
    with object_store.failing(every(n, "reset")):
        for number in range(3):
            store.append(BLOCK, [row(number)])
        assert numbers(Store(store.root)) == ["dist0", "dist1", "dist2"]


@pytest.mark.usefixtures("impatient")
def test_rows_that_cannot_be_written(store: Store, object_store: ObjectStore) -> None:
    store.append(BLOCK, [row(0)])
    with (
        object_store.failing(every(1, "503 Slow Down", "PUT", "POST")),
        pytest.raises(StoreError, match=r"^(s3|gs)://.*: cannot write features \(the object store"),
    ):
        store.append(BLOCK, [row(1)])
    assert numbers(Store(store.root)) == ["dist0"]
