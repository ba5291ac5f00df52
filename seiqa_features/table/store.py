"""The feature store: fingerprinted parquet shards, so that nothing is computed twice.

``<cache>/<extractor>/<fingerprint>/part-*.parquet`` and ``manifest.json``. The fingerprint covers
everything that can change a value; a row's key is the pair of pixel hashes, so a renamed or copied
file hits and an edited one misses. A shard is written under a temporary name and renamed, so a
killed run leaves whole shards only.
"""

from __future__ import annotations

import json
import os
import uuid
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Protocol

import pyarrow as pa
import pyarrow.parquet as pq

from seiqa_features.errors import StoreError
from seiqa_features.table.recipe import Block

KEYS = ("ref_key", "dist_key")
SECONDS = "seconds"  # what computing the row took; the submission's runtime is read from it
PairKey = tuple[str, str]


class Sink(Protocol):
    """Where finished rows go."""

    def append(self, block: Block, rows: Sequence[Mapping[str, object]]) -> None:
        """Take finished rows of a block."""
        ...


class Source(Protocol):
    """Where a block's rows come from, one per pair."""

    def read(self, block: Block) -> pa.Table:
        """All rows of a block."""
        ...


def block_schema(block: Block) -> pa.Schema:
    """Columns of a block's shards: both keys, every output, seconds."""
    fields = [pa.field(name, pa.string()) for name in KEYS]
    for name, output in block.outputs.items():
        kind = pa.list_(pa.float32(), output.dim) if output.dim else pa.float64()
        fields.append(pa.field(name, kind))
    return pa.schema([*fields, pa.field(SECONDS, pa.float64())])


class Store:
    """Reads and writes the shards below one folder."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def folder(self, block: Block) -> Path:
        """Where the block's shards lie."""
        return self.root / block.spec.name / block.fingerprint

    def keys(self, block: Block) -> set[PairKey]:
        """The pairs whose row is there."""
        table = self._read(block, list(KEYS))
        return set(zip(*(table.column(name).to_pylist() for name in KEYS), strict=True))

    def read(self, block: Block) -> pa.Table:
        """All rows of a block, one per pair, in no particular order."""
        return self._read(block, None)

    def append(self, block: Block, rows: Sequence[Mapping[str, object]]) -> None:
        """Write one shard. After this returns, a crash no longer loses these rows.

        Raises
        ------
        StoreError
            The folder cannot be written or the disk is full; no part of a shard stays.
        """
        folder = self.folder(block)
        name = f"part-{uuid.uuid4().hex}.parquet"
        temporary = folder / f".{name}.{os.getpid()}"
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._write_manifest(folder, block)
            pq.write_table(pa.Table.from_pylist(list(rows), block_schema(block)), temporary)
            temporary.replace(folder / name)
        except OSError as error:
            with suppress(OSError):  # it may lie below what is no folder
                temporary.unlink()
            raise StoreError(
                f"{folder}: cannot write features ({error.strerror or error}); what was written"
                " before is kept: free space or name another folder with --cache, then run again"
            ) from None

    def _write_manifest(self, folder: Path, block: Block) -> None:
        path = folder / "manifest.json"
        if not path.exists():
            temporary = path.with_suffix(f".{os.getpid()}")
            temporary.write_text(json.dumps(block.ingredients, indent=1, sort_keys=True))
            temporary.replace(path)

    def _read(self, block: Block, columns: list[str] | None) -> pa.Table:
        schema = block_schema(block)
        names = columns or schema.names
        tables = [schema.empty_table().select(names)]
        for part in sorted(self.folder(block).glob("part-*.parquet")):
            try:
                # A sixth of what pq.read_table takes on shards this small.
                with pq.ParquetFile(part) as file:
                    tables.append(file.read(columns=names, use_threads=False))
            except (OSError, pa.ArrowException) as error:
                raise StoreError(
                    f"{part}: damaged shard ({error}); delete this file and run again"
                ) from None
        table = pa.concat_tables(tables)
        return _first_of_each(table) if columns is None else table


def _first_of_each(table: pa.Table) -> pa.Table:
    """Two runs at once may both have computed a row; their values are equal, one is enough."""
    seen: dict[PairKey, int] = {}
    for row, key in enumerate(zip(*(table.column(name).to_pylist() for name in KEYS), strict=True)):
        seen.setdefault(key, row)
    return table if len(seen) == table.num_rows else table.take(list(seen.values()))
