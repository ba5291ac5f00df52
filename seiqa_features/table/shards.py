"""One shard: a self-describing parquet file of a block's rows, with checksums to detect damage.

Rows are sorted by their keys and divided into row groups of about a megabyte, so that parquet's own
statistics tell which row groups can hold a pair, and only those are read. The parquet metadata
contain, under "seiqa.shard", the format, the fingerprint of the block and, for each row group, one
checksum for the keys and one for the values. The checksums cover the contents of the columns, not
the bytes of the file, so that they do not depend on the library version and the keys can be
verified without reading the values.

Format 2 had one row group, unsorted; its shards are read as well.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from seiqa_features.files import why_irregular
from seiqa_features.remote.places import parts_of_file
from seiqa_features.table.checksums import checksum, checksums
from seiqa_features.table.keys import KEYS, Wanted
from seiqa_features.table.recipe import Block
from seiqa_features.writing import replacing

FORMAT = 3
OLD_FORMAT = 2
SECONDS = "seconds"  # computing time of the row; source of the submission's runtime

GROUP_BYTES = 2**20
GROUP_ROWS = 1024
"""A row group ends at either limit: what has to be read for one pair."""

_LABEL = b"seiqa.shard"


class DamagedShardError(Exception):
    """A shard does not contain what was written to it; the message states the evidence."""

    def __init__(self, path: Path, evidence: str) -> None:
        super().__init__(evidence)
        self.path = path


@dataclass(frozen=True)
class ShardType:
    """What a shard has to hold to be accepted: rows of this block, in these columns."""

    fingerprint: str
    schema: pa.Schema

    @classmethod
    def of(cls, block: Block) -> ShardType:
        """The shards of a block."""
        return cls(block.fingerprint, block_schema(block))

    @property
    def row_bytes(self) -> int:
        """Approximate size of a row."""
        return sum(_bytes(field.type) for field in self.schema)

    @property
    def group_rows(self) -> int:
        """Rows of a row group."""
        return max(1, min(GROUP_ROWS, GROUP_BYTES // self.row_bytes))


def block_schema(block: Block) -> pa.Schema:
    """Columns of a block's shards: both keys, every output, seconds."""
    return schema_of({name: output.dim for name, output in block.outputs.items()})


def schema_of(dims: Mapping[str, int]) -> pa.Schema:
    """Columns of shards with outputs of these widths (0 for a scalar)."""
    fields = [pa.field(name, pa.string()) for name in KEYS]
    for name, dim in dims.items():
        fields.append(pa.field(name, pa.list_(pa.float32(), dim) if dim else pa.float64()))
    return pa.schema([*fields, pa.field(SECONDS, pa.float64())])


def as_table(block: Block, rows: Sequence[Mapping[str, object]]) -> pa.Table:
    """Rows in the form stored in a shard."""
    return pa.Table.from_pylist(list(rows), block_schema(block))


def in_order(table: pa.Table) -> pa.Table:
    """The rows sorted by their keys."""
    return table.sort_by([(name, "ascending") for name in KEYS])


def write_shard(path: Path, kind: ShardType, groups: Iterable[pa.Table]) -> None:
    """Write a shard atomically, replacing an existing one.

    Parameters
    ----------
    groups : Iterable[pa.Table]
        The rows of each row group; all rows in the order of their keys.

    Raises
    ------
    OSError
        It cannot be written.
    """
    found = []
    with (
        replacing(path) as temporary,
        pq.ParquetWriter(temporary, kind.schema, use_dictionary=["ref_key"]) as file,
    ):
        for group in groups:
            file.write_table(group, row_group_size=max(1, group.num_rows))
            found.append(checksums(group))
        label = {"format": FORMAT, "block": kind.fingerprint, "groups": found}
        file.add_key_value_metadata({_LABEL: json.dumps(label)})


def in_groups(table: pa.Table, kind: ShardType) -> Iterator[pa.Table]:
    """A sorted table in row groups."""
    for start in range(0, table.num_rows, kind.group_rows):
        yield table.slice(start, kind.group_rows)


class Shard:
    """An open shard. What is read from it is verified to equal what was written."""

    def __init__(self, path: Path, file: pq.ParquetFile, kind: ShardType) -> None:
        self.path, self._file, self._kind = path, file, kind
        found = file.schema_arrow
        label = _label(file.metadata.metadata or {})
        if label.get("block") != kind.fingerprint:
            raise DamagedShardError(path, "it is not labelled as a shard of this block")
        if _types(found) != _types(kind.schema):  # in any order
            raise DamagedShardError(path, "other columns")
        self._checksums = _checksums_in(label)
        self.sizes = [file.metadata.row_group(g).num_rows for g in range(file.num_row_groups)]
        if len(self._checksums) != len(self.sizes):
            raise DamagedShardError(path, "it is not labelled as a shard of this format")
        self._values = [name for name in found.names if name not in KEYS]
        self._last: tuple[int, pa.Table] | None = None

    def groups(self, wanted: Wanted) -> list[int]:
        """The row groups that may hold a wanted pair."""
        with _as_damage(self.path):  # no checksum covers the statistics
            return [g for g in range(len(self.sizes)) if self._may_hold(g, wanted)]

    def _may_hold(self, group: int, wanted: Wanted) -> bool:
        ref, dist = (self._file.metadata.row_group(group).column(n).statistics for n in (0, 1))
        if ref is None or dist is None or not (ref.has_min_max and dist.has_min_max):
            return True
        return wanted.within((ref.min, dist.min), (ref.max, dist.max))

    def keys(self, group: int) -> pa.Table:
        """The keys of a row group."""
        return self._read(group, "keys", KEYS)

    def values(self, group: int) -> pa.Table:
        """The columns of a row group other than the keys."""
        return self._read(group, "values", self._values)

    def rows(self, group: int) -> pa.Table:
        """A row group."""
        if self._last is None or self._last[0] != group:
            table, values = self.keys(group), self.values(group)
            for name in values.column_names:
                table = table.append_column(name, values.column(name))
            self._last = group, table.select(self._kind.schema.names)
        return self._last[1]

    def take(self, rows: NDArray[np.intp]) -> pa.Table:
        """Rows by their number [n] in the shard; fastest in ascending order."""
        ends = np.cumsum(self.sizes)
        groups = np.searchsorted(ends, rows, side="right")
        return pa.concat_tables(
            self.rows(int(g)).take(pa.array(rows[groups == g] - (ends[g] - self.sizes[g])))
            for g in np.unique(groups)
        )

    def _read(self, group: int, part: str, names: Sequence[str]) -> pa.Table:
        with _as_damage(self.path):
            table = self._file.read_row_group(group, columns=list(names), use_threads=False)
            if self._checksums[group].get(part) != checksum(table):
                raise ValueError("checksum differs")
        return table.replace_schema_metadata(None)


@contextmanager
def opened(path: Path, kind: ShardType) -> Iterator[Shard]:
    """Open a shard.

    Raises
    ------
    DamagedShardError
        It is not a shard or belongs to another block. Reading from it raises the same if what is
        read was changed.
    OSError
        It does not exist or cannot be opened.
    """
    if problem := why_irregular(path):
        raise DamagedShardError(path, problem)
    with _as_damage(path):
        # Six times as fast as pq.read_table on shards this small.
        file = pq.ParquetFile(parts_of_file(path))
    with file:
        with _as_damage(path):
            shard = Shard(path, file, kind)
        yield shard


@contextmanager
def _as_damage(path: Path) -> Iterator[None]:
    """Whatever Arrow reports about content that it cannot make sense of is damage."""
    try:
        yield
    except (pa.ArrowException, ValueError, OSError) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise DamagedShardError(path, reason) from None


def _types(schema: pa.Schema) -> dict[str, pa.DataType]:
    return dict(zip(schema.names, schema.types, strict=True))


def _label(metadata: Mapping[bytes, bytes]) -> dict[str, Any]:
    label = json.loads(metadata.get(_LABEL, b"{}"))
    return label if isinstance(label, dict) else {}


def _checksums_in(label: Mapping[str, Any]) -> list[Mapping[str, str]]:
    """The checksums of each row group; none if the label is of an unknown format."""
    if label.get("format") == OLD_FORMAT:
        return [{part: label.get(part, "") for part in ("keys", "values")}]
    groups = label.get("groups") if label.get("format") == FORMAT else None
    known = isinstance(groups, list) and all(isinstance(group, dict) for group in groups)
    return groups if known and groups is not None else []


def _bytes(kind: pa.DataType) -> int:
    if pa.types.is_fixed_size_list(kind):
        return 4 * int(kind.list_size)
    return 32 if pa.types.is_string(kind) else 8
