"""Merging shards: many small ones become few large ones, sorted, without holding all rows at once.

A shard never changes once it has its name, so merging needs no coordination with processes that
read or write. Merged shards are written before their sources are removed. In between, rows exist
twice, which readers allow for.
"""

from __future__ import annotations

import logging
import math
import uuid
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from seiqa_features.table.keys import KEYS
from seiqa_features.table.shards import (
    DamagedShardError,
    Shard,
    ShardType,
    in_order,
    opened,
    write_shard,
)

SHARD_ROWS = 512
"""Number of rows up to which a run extends its latest shard instead of starting a new one."""

FAN_IN = 8
"""Shards of similar size that are merged into one, so that a row is rewritten log_8(n) times."""

FULL_ROWS = 2**20
"""Rows of the largest shards."""

logger = logging.getLogger(__name__)


def new_part(folder: Path) -> Path:
    """An unused name for a shard."""
    return folder / f"part-{uuid.uuid4().hex}.parquet"


def crowded(parts: Sequence[Path], kind: ShardType) -> list[Path] | None:
    """At least `FAN_IN` shards of similar size, the smallest such; None if there are none.

    Raises
    ------
    OSError
        A shard has just been removed, or the folder cannot be read.
    """
    unit = SHARD_ROWS * kind.row_bytes
    tiers: dict[int, list[Path]] = {}
    for part in parts:
        size = part.stat().st_size / unit
        if size < FULL_ROWS / SHARD_ROWS / 2:
            tiers.setdefault(int(math.log(max(1, size), FAN_IN)), []).append(part)
    enough = [tier for tier, members in tiers.items() if len(members) >= FAN_IN]
    return tiers[min(enough)] if enough else None


def merge(parts: Sequence[Path], kind: ShardType, folder: Path) -> None:
    """Write the rows of shards as sorted shards of at most `FULL_ROWS` rows, and remove the shards.

    Memory holds the keys of all rows, and one row group of each shard.

    Raises
    ------
    DamagedShardError
        One is damaged; nothing was removed.
    OSError
        A file cannot be read, written or removed; nothing is lost.
    """
    with ExitStack() as stack:
        shards = [stack.enter_context(opened(part, kind)) for part in parts]
        sources, rows = _order(shards)
        for start in range(0, len(rows), FULL_ROWS):
            end = min(start + FULL_ROWS, len(rows))
            groups = _groups(shards, sources[start:end], rows[start:end], kind)
            write_shard(new_part(folder), kind, groups)
    for part in parts:
        part.unlink(missing_ok=True)


def set_aside(damage: DamagedShardError, kind: ShardType, folder: Path) -> int:
    """Put a damaged shard out of use, after writing its undamaged row groups to a new one.

    Returns
    -------
    int
        Number of rows rescued.
    """
    part = damage.path
    rescued, rows = _rescue(part, kind, folder)
    with suppress(OSError):  # of a read-only disk; whoever asked ignores it in any case
        part.rename(part.with_name(f"{part.name}.damaged"))
    lost = f"{rows - rescued} of its {rows} rows" if rescued else "its rows"
    logger.warning("%s: damaged shard (%s), set aside; %s count as lost", part, damage, lost)
    return rescued


def _rescue(part: Path, kind: ShardType, folder: Path) -> tuple[int, int]:
    """Number of rows rescued and number of rows there were; (0, 0) if nothing is readable."""
    try:
        with opened(part, kind) as shard:
            sound = [group for group in range(len(shard.sizes)) if _is_sound(shard, group)]
            if sound:
                write_shard(new_part(folder), kind, map(shard.rows, sound))
            return sum(shard.sizes[group] for group in sound), sum(shard.sizes)
    except (DamagedShardError, OSError):
        return 0, 0


def _is_sound(shard: Shard, group: int) -> bool:
    try:
        shard.rows(group)
    except DamagedShardError:
        return False
    return True


def _order(shards: Sequence[Shard]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """The rows of all shards in the order of their keys, each pair once: shard and row in it."""
    tables = []
    for number, shard in enumerate(shards):
        for group, size in enumerate(shard.sizes):
            first = sum(shard.sizes[:group])
            source = pa.array(np.full(size, number), pa.int64())
            row = pa.array(np.arange(first, first + size), pa.int64())
            tables.append(
                shard.keys(group).append_column("source", source).append_column("row", row)
            )
    table = in_order(pa.concat_tables(tables)).combine_chunks()
    new = np.ones(table.num_rows, bool)
    if table.num_rows > 1:
        same = [
            pc.equal(table.column(name).slice(1), table.column(name).slice(0, table.num_rows - 1))
            for name in KEYS
        ]
        new[1:] = ~np.asarray(pc.and_(*same), dtype=bool)
    sources, rows = (table.column(name).to_numpy()[new] for name in ("source", "row"))
    return sources, rows


def _groups(
    shards: Sequence[Shard], sources: NDArray[np.intp], rows: NDArray[np.intp], kind: ShardType
) -> Iterator[pa.Table]:
    for start in range(0, len(rows), kind.group_rows):
        some = slice(start, start + kind.group_rows)
        pieces = [
            shards[number].take(np.sort(rows[some][sources[some] == number]))
            for number in np.unique(sources[some])
        ]
        yield in_order(pa.concat_tables(pieces)).combine_chunks()
