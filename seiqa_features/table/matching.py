"""Finding wanted pairs in a shard: their keys are read first, and values only where a pair is."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from seiqa_features.table.keys import Wanted
from seiqa_features.table.shards import Shard

KEY_ROWS = 2**16
"""Rows whose keys are compared at once with the wanted ones."""


@dataclass(frozen=True)
class Match:
    """Rows of one row group that are wanted: their pairs' positions and their numbers."""

    group: int
    positions: NDArray[np.intp]
    rows: NDArray[np.intp]


def matches(shard: Shard, wanted: Wanted, there: NDArray[np.bool_]) -> Iterator[Match]:
    """The wanted rows of a shard that were not found in another shard before.

    ``there`` [wanted pairs] is True for those that were.
    """
    for groups in _some(shard.groups(wanted), shard.sizes):
        positions = wanted.positions(pa.concat_tables(map(shard.keys, groups)))
        ends = np.cumsum([shard.sizes[group] for group in groups])
        for group, here in zip(groups, np.split(positions, ends[:-1]), strict=True):
            rows = np.flatnonzero(here >= 0)
            rows = rows[~there[here[rows]]]
            if rows.size:
                yield Match(group, here[rows], rows)


def _some(groups: Sequence[int], sizes: Sequence[int]) -> Iterator[list[int]]:
    """Row groups in portions of about `KEY_ROWS` rows."""
    portion: list[int] = []
    for group in groups:
        portion.append(group)
        if sum(sizes[each] for each in portion) >= KEY_ROWS:
            yield portion
            portion = []
    if portion:
        yield portion
