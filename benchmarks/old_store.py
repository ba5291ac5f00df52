"""The store as it was in format 2: shards of 512 unsorted rows, all of them read for any lookup.

For `bench_store.py`, which measures today's store against it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from seiqa_features.table.checksums import checksum, checksums
from seiqa_features.table.keys import KEYS, PairKey

ROWS = 512


def write(table: pa.Table, folder: Path, fingerprint: str) -> None:
    """Write a table in shards of 512 rows."""
    folder.mkdir(parents=True)
    for start in range(0, table.num_rows, ROWS):
        shard = table.slice(start, ROWS)
        label = {"format": 2, "block": fingerprint, **checksums(shard)}
        shard = shard.replace_schema_metadata({b"seiqa.shard": json.dumps(label)})
        pq.write_table(shard, folder / f"part-{start:032x}.parquet")


def lookup(folder: Path, pairs: list[PairKey], column: str) -> NDArray[np.float64]:
    """Values of pairs as they were read: all keys once to plan, then all values once."""
    for table in _shards(folder, list(KEYS)):
        set(_keys(table))
    table = pa.concat_tables(_shards(folder, None))
    where = {key: row for row, key in enumerate(_keys(table))}
    values: NDArray[np.float64] = table.column(column).to_numpy()
    return values[[where[pair] for pair in pairs]]


def _shards(folder: Path, columns: list[str] | None) -> Iterator[pa.Table]:
    for part in sorted(folder.glob("part-*.parquet")):
        with pq.ParquetFile(part) as file:
            table = file.read(columns=columns, use_threads=False)
        checksum(table.select(KEYS))
        if columns is None:
            checksum(table.drop_columns(list(KEYS)))
        yield table


def _keys(table: pa.Table) -> Iterator[PairKey]:
    return zip(*(table.column(name).to_pylist() for name in KEYS), strict=True)
