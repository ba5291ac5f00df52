"""Upkeep of a store: what is in it, everything merged, and only what is of no use removed."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from filelock import FileLock

from seiqa_features.errors import StoreError
from seiqa_features.table import upkeep
from seiqa_features.table.recipe import Block, Recipe, fingerprint_of
from seiqa_features.table.shards import OLD_FORMAT
from seiqa_features.table.store import LOCK, MANIFEST, Store
from tests.killing import killed_at

GMS, COLOUR = Recipe.parse({"gms": ["max64"], "colour": ["s48"]}).blocks


def rows(block: Block, numbers: range) -> list[dict[str, object]]:
    return [
        {
            "ref_key": "r", "dist_key": f"d{n}", "seconds": 0.5,
            **{name: [1.0] * output.dim if output.dim else n / 7
               for name, output in block.outputs.items()},
        }
        for n in numbers
    ]  # fmt: skip


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Two blocks in three shards each."""
    for start in range(0, 30, 10):
        for block in (GMS, COLOUR):
            Store(tmp_path).append(block, rows(block, range(start, start + 10)))
    return tmp_path


def of(root: Path, block: Block) -> upkeep.Cached:
    return next(cached for cached in upkeep.survey(root) if cached.name == block.name)


def outdate(root: Path, block: Block, **changes: object) -> Path:
    """As if another version had computed the block's rows."""
    folder = Store(root).folder(block)
    ingredients = {**block.ingredients, **changes}
    old = folder.with_name(f"{fingerprint_of(ingredients)}-3")
    folder.rename(old)
    (old / MANIFEST).write_text(json.dumps(ingredients))
    return old


def test_survey(root: Path) -> None:
    (root / "scratch").mkdir()
    (root / "images.sqlite").touch()
    found = upkeep.survey(root)
    assert [cached.name for cached in found] == [COLOUR.name, GMS.name]
    assert [(cached.rows, len(cached.shards)) for cached in found] == [(30, 3), (30, 3)]
    assert all(cached.outdated is None for cached in found)
    assert of(root, GMS).size == sum(p.stat().st_size for p in Store(root).folder(GMS).iterdir())


def test_folders_that_are_no_blocks_are_left_alone(root: Path) -> None:
    foreign = root / "gms" / "0123456789abcdef-3"
    foreign.mkdir()
    (foreign / MANIFEST).write_text(json.dumps(GMS.ingredients))  # of another fingerprint
    (root / "gms" / "mine").mkdir()
    (root / "gms" / "mine" / MANIFEST).write_text("[")
    assert len(upkeep.survey(root)) == 2
    assert list(upkeep.useless(root)) == []


def test_compact(root: Path) -> None:
    before = Store(root).read(GMS).sort_by("dist_key")
    assert upkeep.compact(root) == []
    assert [len(cached.shards) for cached in upkeep.survey(root)] == [1, 1]
    assert Store(root).read(GMS).sort_by("dist_key").equals(before)
    (part,) = of(root, GMS).shards
    upkeep.compact(root)
    assert of(root, GMS).shards == [part]  # there was nothing to do


def test_compact_converts_the_previous_format(root: Path) -> None:
    folder = Store(root).folder(GMS)
    old = folder.with_name(f"{GMS.fingerprint}-{OLD_FORMAT}")
    folder.rename(old)  # its shards say what they are, wherever they lie
    before = Store(root).read(GMS).sort_by("dist_key")
    assert before.num_rows == 30
    upkeep.compact(root)
    assert not old.exists()
    assert (folder / MANIFEST).exists()
    assert Store(root).read(GMS).sort_by("dist_key").equals(before)


def test_a_block_that_another_process_merges_is_left_to_it(root: Path) -> None:
    with FileLock(Store(root).folder(GMS) / LOCK):
        (line,) = upkeep.compact(root)
    assert line == f"{GMS.name}: another process is merging its shards"
    assert [len(cached.shards) for cached in upkeep.survey(root)] == [1, 3]


def test_a_damaged_shard_does_not_stop_the_others(root: Path) -> None:
    bad = of(root, GMS).shards[0]
    bad.write_bytes(b"nothing")
    upkeep.compact(root)
    assert of(root, GMS).rows == 20
    assert [path.name for path in of(root, GMS).damaged] == [f"{bad.name}.damaged"]
    (removal,) = upkeep.useless(root)
    assert removal.why == "damaged"
    upkeep.remove(removal)
    assert not of(root, GMS).damaged
    assert of(root, GMS).rows == 20


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"version": 0}, "version 0 of the extractor, now "),
        ({"libraries": {**GMS.ingredients["libraries"], "pillow": "0.1"}}, "pillow 0.1, now "),
        ({"extractor": "gone"}, "extractor not installed"),
        ({"view": {"name": "x", "sort": 1}}, "from another version of seiqa"),
        ({"resampling": "by hand"}, "from another version of seiqa"),
    ],
)
def test_rows_of_other_versions(changes: dict[str, object], why: str, root: Path) -> None:
    old = outdate(root, GMS, **changes)
    (removal,) = upkeep.useless(root)
    assert removal.path == old
    assert removal.why.startswith(why)
    assert removal.size > 1000
    upkeep.remove(removal)
    assert not old.exists()
    assert [cached.name for cached in upkeep.survey(root)] == [COLOUR.name]


def test_a_removal_that_is_killed_anywhere_is_finished_by_the_next(root: Path) -> None:
    kept = Store(root).keys(COLOUR)
    for nth in range(1, 20):
        Store(root).append(GMS, rows(GMS, range(5)))
        outdate(root, GMS, version=-1)
        with killed_at(nth, root) as faults:
            for removal in upkeep.useless(root):
                upkeep.remove(removal)
        for left in root.rglob("*.tmp"):  # of a process that has ended
            left.rename(left.with_name(left.name.replace(f"-{os.getpid()}-", "-999999999-")))
        upkeep.sweep_store(root)
        for removal in upkeep.useless(root):
            upkeep.remove(removal)
        assert sorted(path.name for path in root.iterdir()) == [COLOUR.spec.name, GMS.spec.name]
        assert not list((root / GMS.spec.name).iterdir())
        assert Store(root).keys(COLOUR) == kept
        if faults.count < nth:
            return
    raise AssertionError("it never came to an end")


def test_a_full_disk_while_merging(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(upkeep, "merge", full)
    with pytest.raises(StoreError, match=r"cannot merge shards \(No space left on device\)"):
        upkeep.compact(root)
    assert of(root, GMS).rows == 30
