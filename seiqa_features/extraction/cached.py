"""Files → feature table by way of the store: what it holds is read, what it lacks is computed."""

from __future__ import annotations

from contextlib import suppress
from functools import partial

import pandas as pd

from seiqa_features.errors import StoreError
from seiqa_features.extraction.runner import RunReport, extract
from seiqa_features.extraction.runtime import Runtime
from seiqa_features.progress import Progress, unwatched
from seiqa_features.table.recipe import Recipe
from seiqa_features.table.store import Store
from seiqa_features.table.table import MissingRowsError, assemble

ROUNDS = 3
"""Times that rows are computed again which get lost while the table is put together."""


def extract_table(
    pairs: pd.DataFrame,
    recipe: Recipe,
    store: Store,
    runtime: Runtime,
    *,
    workers: int,
    keep_going: bool = False,
    on_progress: Progress = unwatched,
) -> tuple[pd.DataFrame, float, RunReport]:
    """The feature table of the pairs in files, as `assemble` gives it, and what had to be computed.

    A damaged shard may show only when its values are read; they are computed again then.

    Returns
    -------
    tuple[pd.DataFrame, float, RunReport]
        Table and seconds per pair of `report.kept(pairs)`, and the report.

    Raises
    ------
    DataError, WeightsError, DeviceError
        See `extract`.
    StoreError
        The store cannot be read or written, or loses rows as fast as they are written.
    """
    compute = partial(
        extract,
        pairs,
        recipe,
        store,
        runtime,
        workers=workers,
        keep_going=keep_going,
        on_progress=on_progress,
    )
    report = compute()
    for _ in range(ROUNDS):
        with suppress(MissingRowsError):
            table, seconds = assemble(report.kept(pairs), recipe, store)
            return table, seconds, report
        for block in recipe.blocks:
            store.read(block)  # sets aside what else is damaged, to be computed in the same round
        report = report.followed_by(compute())
    raise StoreError(f"{store.root}: rows get lost as fast as they are written; check the disk")
