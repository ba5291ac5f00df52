"""One shard: a parquet file of a block's rows that says what it is and shows when it was damaged.

Parquet's own metadata hold, under "seiqa.shard", the format, the block's fingerprint and a checksum
each of the keys and of the values. The checksums are over what the columns hold and not over the
file's bytes, so that they outlast another version of the library, and so that the keys can be
verified without reading the values.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from seiqa_features.files import replacing, why_irregular
from seiqa_features.table.recipe import Block

FORMAT = 2
KEYS = ("ref_key", "dist_key")
SECONDS = "seconds"  # what computing the row took; the submission's runtime is read from it
PairKey = tuple[str, str]

_LABEL = b"seiqa.shard"


class DamagedShardError(Exception):
    """A shard does not hold what was written to it; the text says how that shows."""


def block_schema(block: Block) -> pa.Schema:
    """Columns of a block's shards: both keys, every output, seconds."""
    fields = [pa.field(name, pa.string()) for name in KEYS]
    for name, output in block.outputs.items():
        kind = pa.list_(pa.float32(), output.dim) if output.dim else pa.float64()
        fields.append(pa.field(name, kind))
    return pa.schema([*fields, pa.field(SECONDS, pa.float64())])


def as_table(block: Block, rows: Sequence[Mapping[str, object]]) -> pa.Table:
    """Rows as a shard holds them."""
    return pa.Table.from_pylist(list(rows), block_schema(block))


def write_shard(path: Path, block: Block, table: pa.Table) -> None:
    """Write a shard whole, in place of one that is there.

    Raises
    ------
    OSError
        It cannot be written.
    """
    label = {"format": FORMAT, "block": block.fingerprint, **_checksums(table)}
    with replacing(path) as temporary:
        pq.write_table(table.replace_schema_metadata({_LABEL: json.dumps(label)}), temporary)


def read_shard(path: Path, block: Block, *, keys_only: bool = False) -> pa.Table:
    """A shard's table, or its keys alone, equal to what was written.

    Raises
    ------
    DamagedShardError
        It is another file or another block's, or was changed.
    OSError
        It is not there, or cannot be opened.
    """
    if problem := why_irregular(path):
        raise DamagedShardError(problem)
    try:
        # A sixth of what pq.read_table takes on shards this small.
        with pq.ParquetFile(path) as file:
            label = _label(file.schema_arrow.metadata or {})
            if label.get("block") != block.fingerprint or label.get("format") != FORMAT:
                raise DamagedShardError("it is not labelled as a shard of this block")
            if not file.schema_arrow.equals(block_schema(block)):
                raise DamagedShardError("other columns")
            table = file.read(columns=list(KEYS) if keys_only else None, use_threads=False)
        found = _checksums(table)
    except (pa.ArrowException, ValueError, OSError) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise DamagedShardError(reason) from None
    if any(label.get(part) != checksum for part, checksum in found.items()):
        raise DamagedShardError("checksum differs")
    return table.replace_schema_metadata(None)


def _label(metadata: Mapping[bytes, bytes]) -> dict[str, object]:
    label = json.loads(metadata.get(_LABEL, b"{}"))
    return label if isinstance(label, dict) else {}


def _checksums(table: pa.Table) -> dict[str, str]:
    """By "keys" and, where the table has them, "values": 32 hex digits over the columns' content.

    Raises
    ------
    DamagedShardError
        A value is missing; none ever is in what was computed.
    """
    values = [name for name in table.column_names if name not in KEYS]
    parts = {"keys": list(KEYS), **({"values": values} if values else {})}
    return {part: _checksum(table.select(names)) for part, names in parts.items()}


def _checksum(table: pa.Table) -> str:
    state = hashlib.blake2b(digest_size=16)
    for name, column in zip(table.column_names, table.columns, strict=True):
        state.update(f"\n{name} {len(column)}\n".encode())
        for chunk in column.chunks:
            state.update(_content(chunk))
    return state.hexdigest()


def _content(array: pa.Array) -> bytes:
    """What an array holds, whatever its buffers are laid out like: little-endian, in row order."""
    flat = array.flatten() if pa.types.is_fixed_size_list(array.type) else array
    if array.null_count or flat.null_count:
        raise DamagedShardError("missing values")
    if pa.types.is_string(flat.type):
        return b"".join(text + b"\0" for text in flat.cast(pa.binary()).to_pylist())
    values: NDArray[np.floating] = flat.to_numpy(zero_copy_only=False)
    return values.astype(values.dtype.newbyteorder("<"), copy=False).tobytes()
