"""The feature store: fingerprinted parquet shards, so that nothing is computed twice.

``<cache>/<extractor>/<fingerprint>-<format>/part-*.parquet`` and ``manifest.json``. The fingerprint
covers everything that can change a value; the key of a row is the pair of pixel hashes, so a
renamed or copied file is found and an edited one is not. Shards are written atomically, so a killed
run leaves only complete shards, and are verified when read: a changed shard is set aside and named
in a warning, and its rows count as not computed.
"""

from __future__ import annotations

import json
import logging
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import pyarrow as pa

from seiqa_features.errors import StoreError
from seiqa_features.files import write_whole
from seiqa_features.table.recipe import Block
from seiqa_features.table.shards import (
    FORMAT,
    KEYS,
    DamagedShardError,
    PairKey,
    as_table,
    block_schema,
    read_shard,
    write_shard,
)

SHARD_ROWS = 512
"""Number of rows up to which a run extends its latest shard instead of starting a new one."""

logger = logging.getLogger(__name__)


class Sink(Protocol):
    """Where finished rows go."""

    def append(self, block: Block, rows: Sequence[Mapping[str, object]]) -> None:
        """Take finished rows of a block."""
        ...


class Source(Protocol):
    """Source of the rows of a block, one per pair."""

    def read(self, block: Block) -> pa.Table:
        """All rows of a block."""
        ...


@dataclass(frozen=True)
class _Shard:
    """A shard written by this process, with its rows."""

    path: Path
    rows: pa.Table


class Store:
    """Reads and writes the shards below one folder.

    Several processes may share a folder; each writes separate shards.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self._last: dict[Block, _Shard] = {}
        self._damaged: set[Path] = set()  # they may be on a read-only disk

    def __reduce__(self) -> tuple[type[Store], tuple[Path]]:
        """A copy in another process starts its own shards."""
        return Store, (self.root,)

    def folder(self, block: Block) -> Path:
        """The folder of the block's shards."""
        return self.root / block.spec.name / f"{block.fingerprint}-{FORMAT}"

    def keys(self, block: Block) -> set[PairKey]:
        """The pairs that have a row.

        Raises
        ------
        StoreError
            A shard cannot be opened.
        """
        return {key for table in self._shards(block, keys_only=True) for key in _keys(table)}

    def read(self, block: Block) -> pa.Table:
        """All rows of a block, one per pair, in no particular order.

        Rows of a damaged shard are missing, even if `keys` listed them.

        Raises
        ------
        StoreError
            A shard cannot be opened.
        """
        empty = block_schema(block).empty_table()
        return _first_of_each(pa.concat_tables([empty, *self._shards(block)]))

    def append(self, block: Block, rows: Sequence[Mapping[str, object]]) -> None:
        """Write rows. After this returns, a crash no longer loses them.

        Raises
        ------
        StoreError
            The folder cannot be written or the disk is full; existing rows are kept.
        """
        folder = self.folder(block)
        table = as_table(block, rows)
        last = self._last.get(block)
        if last is not None and last.rows.num_rows + len(rows) <= SHARD_ROWS:
            shard = _Shard(last.path, pa.concat_tables([last.rows, table]))
        else:
            shard = _Shard(folder / f"part-{uuid.uuid4().hex}.parquet", table)
        try:
            manifest = folder / "manifest.json"
            if not manifest.exists():
                write_whole(manifest, json.dumps(block.ingredients, indent=1, sort_keys=True))
            write_shard(shard.path, block, shard.rows)
        except OSError as error:
            raise StoreError(
                f"{folder}: cannot write features ({error.strerror or error}); what was written"
                " before is kept: free space or name another folder with --cache, then run again"
            ) from None
        self._last[block] = shard
        self._damaged.discard(shard.path)

    def _shards(self, block: Block, *, keys_only: bool = False) -> Iterator[pa.Table]:
        for part in sorted(self.folder(block).glob("part-*.parquet")):
            if part in self._damaged:
                continue
            try:
                yield read_shard(part, block, keys_only=keys_only)
            except FileNotFoundError:
                continue  # another process has just set it aside
            except DamagedShardError as damage:
                self._set_aside(part, damage)
            except OSError as error:
                raise StoreError(
                    f"{part}: cannot be read ({error.strerror or error}); check its permissions, or"
                    " name another folder with --cache"
                ) from None

    def _set_aside(self, part: Path, damage: DamagedShardError) -> None:
        self._damaged.add(part)
        with suppress(OSError):  # it is ignored in any case
            part.rename(part.with_name(f"{part.name}.damaged"))
        logger.warning("%s: damaged shard (%s), set aside; its rows count as lost", part, damage)


def _keys(table: pa.Table) -> Iterator[PairKey]:
    return zip(*(table.column(name).to_pylist() for name in KEYS), strict=True)


def _first_of_each(table: pa.Table) -> pa.Table:
    """The first row of each pair: concurrent runs may have computed the same values twice."""
    seen: dict[PairKey, int] = {}
    for row, key in enumerate(_keys(table)):
        seen.setdefault(key, row)
    return table if len(seen) == table.num_rows else table.take(list(seen.values()))
