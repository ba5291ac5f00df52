"""Files → feature table through the store: existing rows are read, missing rows are computed."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import suppress
from functools import partial

import pandas as pd

from seiqa_features.errors import StoreError
from seiqa_features.extraction.connecting import Cluster
from seiqa_features.extraction.runner import RunReport, extract
from seiqa_features.extraction.runtime import Runtime
from seiqa_features.progress import Progress, unwatched
from seiqa_features.table.keys import Wanted
from seiqa_features.table.recipe import Recipe
from seiqa_features.table.store import Store
from seiqa_features.table.table import MissingRowsError, assemble, column_dims

ROUNDS = 3
"""How often rows that are lost while the table is assembled are recomputed."""

PORTION_BYTES = 2**28
"""Size of a portion of a table that need not be in memory as a whole."""


def extract_table(
    pairs: pd.DataFrame,
    recipe: Recipe,
    store: Store,
    runtime: Runtime,
    *,
    workers: int,
    keep_going: bool = False,
    cluster: Cluster | None = None,
    on_progress: Progress = unwatched,
) -> tuple[pd.DataFrame, float, RunReport]:
    """The feature table of pairs of files, as from `assemble`, and what had to be computed.

    Damage to a shard may become apparent only when its values are read; they are then recomputed.

    Returns
    -------
    tuple[pd.DataFrame, float, RunReport]
        Table and seconds per pair for `report.kept(pairs)`, and the report.

    Raises
    ------
    DataError, WeightsError, DeviceError, ClusterError
        See `extract`.
    StoreError
        The store cannot be read or written, or keeps losing rows after they are written.
    """
    compute = partial(
        extract,
        pairs,
        recipe,
        store,
        runtime,
        workers=workers,
        keep_going=keep_going,
        cluster=cluster,
        on_progress=on_progress,
    )
    report = compute()
    for _ in range(ROUNDS):
        with suppress(MissingRowsError):
            table, seconds = assemble(report.kept(pairs), recipe, store)
            return table, seconds, report
        wanted = Wanted(pairs["ref_key"], pairs["dist_key"])
        for block in recipe.blocks:  # sets aside other damaged shards, to be recomputed at once
            deque(store.find(block, wanted), maxlen=0)
        report = report.followed_by(compute())
    raise StoreError(f"{store.root}: rows get lost as fast as they are written; check the disk")


def extract_in_portions(
    pairs: pd.DataFrame,
    recipe: Recipe,
    store: Store,
    runtime: Runtime,
    *,
    workers: int,
    keep_going: bool = False,
    cluster: Cluster | None = None,
    on_progress: Progress = unwatched,
) -> Iterator[tuple[pd.DataFrame, Mapping[str, str]]]:
    """As `extract_table`, but with the table in portions of about `PORTION_BYTES`.

    All features are extracted before the first portion.

    Yields
    ------
    tuple[pd.DataFrame, Mapping[str, str]]
        A portion of the table, and one line for each pair found to fail since the last portion.
    """
    compute = partial(
        extract_table, recipe=recipe, store=store, runtime=runtime, workers=workers,
        keep_going=keep_going, cluster=cluster,
    )  # fmt: skip
    size = _portion_rows(recipe)
    if len(pairs) <= size:
        table, _, report = compute(pairs, on_progress=on_progress)
        yield table, report.failures
        return
    report = extract(
        pairs, recipe, store, runtime, workers=workers,
        keep_going=keep_going, cluster=cluster, on_progress=on_progress,
    )  # fmt: skip
    kept, failures = report.kept(pairs), report.failures
    for start in range(0, len(kept), size):
        table, _, report = compute(kept[start : start + size])
        yield table, failures | report.failures
        failures = {}


def _portion_rows(recipe: Recipe) -> int:
    return max(1, PORTION_BYTES // sum(4 * dim or 8 for dim in column_dims(recipe).values()))
