"""The feature store: fingerprinted parquet shards, so that nothing is computed twice.

``<cache>/<extractor>/<fingerprint>-<format>/part-*.parquet`` and ``manifest.json``. The fingerprint
covers everything that can change a value; the key of a row is the pair of pixel hashes, so a
renamed or copied file is found and an edited one is not.

The cost of a lookup depends on the wanted pairs, not on the size of the store: shards are sorted by
key, and only the row groups that can hold a wanted pair are read. Small shards are merged as their
number grows. Shards are written atomically and never changed, so a killed run leaves only complete
shards. They are verified when read: a damaged shard is set aside and named in a warning, and rows
lost with it count as not computed.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, TypeVar

import numpy as np
import pyarrow as pa
from filelock import FileLock, Timeout
from numpy.typing import NDArray

from seiqa_features.errors import StoreError
from seiqa_features.remote.places import local_side
from seiqa_features.table import merging
from seiqa_features.table.keys import KEYS, PairKey, Wanted
from seiqa_features.table.matching import matches
from seiqa_features.table.recipe import Block
from seiqa_features.table.shards import (
    FORMAT,
    OLD_FORMAT,
    DamagedShardError,
    Shard,
    ShardType,
    as_table,
    block_schema,
    in_groups,
    in_order,
    opened,
    write_shard,
)
from seiqa_features.writing import write_whole

MANIFEST = "manifest.json"
LOCK = "merging.lock"

Found = tuple[NDArray[np.intp], pa.Table]
"""Positions of pairs in a `Wanted`, and their rows without the keys."""

_T = TypeVar("_T")


class Sink(Protocol):
    """Where finished rows go."""

    def append(self, block: Block, rows: Sequence[Mapping[str, object]]) -> None:
        """Take finished rows of a block."""
        ...


class Source(Protocol):
    """Source of the rows of a block, one per pair."""

    def find(self, block: Block, wanted: Wanted) -> Iterator[Found]:
        """The rows of wanted pairs in batches, each pair at most once, in no particular order."""
        ...


@dataclass(frozen=True)
class _Latest:
    """The latest shard written by this process, with its rows."""

    path: Path
    rows: pa.Table


class Store:
    """Reads and writes the shards below one folder.

    Several processes may share a folder; each writes separate shards.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self._latest: dict[Block, _Latest] = {}
        self._damaged: set[Path] = set()  # they may be on a read-only disk

    def __reduce__(self) -> tuple[type[Store], tuple[Path]]:
        """A copy in another process starts its own shards."""
        return Store, (self.root,)

    def folder(self, block: Block) -> Path:
        """The folder of the block's shards."""
        return self.root / block.spec.name / f"{block.fingerprint}-{FORMAT}"

    def has(self, block: Block, wanted: Wanted) -> NDArray[np.bool_]:
        """Which of the distinct wanted pairs have a row.

        Raises
        ------
        StoreError
            A shard cannot be opened.
        """
        there = np.zeros(len(wanted), bool)
        for found in self._each(block, lambda shard: matches(shard, wanted, there)):
            there[found.positions] = True
        return there

    def find(self, block: Block, wanted: Wanted) -> Iterator[Found]:
        """The rows of wanted pairs; see `Source`.

        Rows of a damaged shard are missing, even if `has` said that they are there.

        Raises
        ------
        StoreError
            A shard cannot be opened.
        """
        there = np.zeros(len(wanted), bool)

        def values(shard: Shard) -> Iterator[Found]:
            for found in matches(shard, wanted, there):
                rows = shard.values(found.group).take(pa.array(found.rows))
                there[found.positions] = True
                yield found.positions, rows

        return self._each(block, values)

    def keys(self, block: Block) -> set[PairKey]:
        """All pairs that have a row; raises as `has`."""
        tables = self._each(block, lambda shard: map(shard.keys, range(len(shard.sizes))))
        return {key for table in tables for key in _keys(table)}

    def read(self, block: Block) -> pa.Table:
        """All rows of a block, one per pair, in no particular order; see `find`."""
        tables = self._each(block, lambda shard: map(shard.rows, range(len(shard.sizes))))
        return _first_of_each(pa.concat_tables([block_schema(block).empty_table(), *tables]))

    def append(self, block: Block, rows: Sequence[Mapping[str, object]]) -> None:
        """Write rows. After this returns, a crash no longer loses them.

        Raises
        ------
        StoreError
            The folder cannot be written or the disk is full; existing rows are kept.
        """
        folder, kind = self.folder(block), ShardType.of(block)
        table = as_table(block, rows)
        last = self._latest.get(block)
        if last is not None and last.rows.num_rows + len(rows) > merging.SHARD_ROWS:
            last = None
        if last is not None:
            table = pa.concat_tables([last.rows, table])
        table = in_order(table)
        latest = _Latest(merging.new_part(folder), table)
        try:
            manifest = folder / MANIFEST
            if not manifest.exists():
                write_whole(manifest, json.dumps(block.ingredients, indent=1, sort_keys=True))
            write_shard(latest.path, kind, in_groups(table, kind))
            if last is not None:
                last.path.unlink(missing_ok=True)
        except OSError as error:
            raise StoreError(
                f"{folder}: cannot write features ({error.strerror or error}); what was written"
                " before is kept: free space or name another folder with --cache, then run again"
            ) from None
        self._latest[block] = latest
        if last is None:
            self._merge_crowded(block, kind)

    def _parts(self, block: Block) -> list[Path]:
        return [part for part in parts_of(self.folder(block)) if part not in self._damaged]

    def _each(self, block: Block, use: Callable[[Shard], Iterator[_T]]) -> Iterator[_T]:
        """What `use` yields for each shard. Damaged ones are set aside.

        If a shard disappears, its rows are in another one, merged or rescued by this process or
        another: the folder is then listed again.
        """
        kind, seen, again = ShardType.of(block), set[Path](), True
        while again:
            again = False
            for part in self._parts(block):
                if part in seen:
                    continue
                seen.add(part)
                try:
                    with opened(part, kind) as shard:
                        yield from use(shard)
                except FileNotFoundError:
                    again = True
                except DamagedShardError as damage:
                    again |= self._set_aside(damage, block, kind) > 0
                except OSError as error:
                    raise StoreError(
                        f"{part}: cannot be read ({error.strerror or error}); check its"
                        " permissions, or name another folder with --cache"
                    ) from None

    def _set_aside(self, damage: DamagedShardError, block: Block, kind: ShardType) -> int:
        self._damaged.add(damage.path)
        return merging.set_aside(damage, kind, self.folder(block))

    def _merge_crowded(self, block: Block, kind: ShardType) -> None:
        """Merge small shards if there are many; a failure costs only speed.

        The lock keeps two processes from merging the same shards. On an object store it holds only
        for this machine: what two machines merge at once is there twice, which does no harm.
        """
        folder, own = self.folder(block), self._latest[block].path
        with suppress(Timeout, OSError):
            while parts := merging.crowded([p for p in self._parts(block) if p != own], kind):
                with FileLock(lock_of(folder), timeout=0):
                    try:
                        merging.merge(parts, kind, folder)
                    except DamagedShardError as damage:
                        self._set_aside(damage, block, kind)


def lock_of(folder: Path) -> Path:
    """The file that is locked while shards are merged."""
    place = local_side(folder)
    place.mkdir(parents=True, exist_ok=True)
    return place / LOCK


def parts_of(folder: Path) -> list[Path]:
    """The shards in a block's folder, and those in its folder of the previous format."""
    old = folder.with_name(f"{folder.name.rpartition('-')[0]}-{OLD_FORMAT}")
    return [part for each in (folder, old) for part in sorted(each.glob("part-*.parquet"))]


def _keys(table: pa.Table) -> Iterator[PairKey]:
    return zip(*(table.column(name).to_pylist() for name in KEYS), strict=True)


def _first_of_each(table: pa.Table) -> pa.Table:
    """The first row of each pair: concurrent runs may have computed the same values twice."""
    seen: dict[PairKey, int] = {}
    for row, key in enumerate(_keys(table)):
        seen.setdefault(key, row)
    return table if len(seen) == table.num_rows else table.take(list(seen.values()))
