"""Constructed pairs: their features, and what a stack learns from them."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

import pandas as pd

from pipelines.runs.folder import Constructed
from pipelines.runs.metrics import ConstructedOrders
from pipelines.sense.orders import (
    EDITED,
    GONE,
    IDENTITY,
    SIGNS_CHANGED,
    references_of,
    write_pairs,
)
from pipelines.settings import Settings
from seiqa_features.datasets.pairs import build_pairs
from seiqa_features.extraction.cached import extract_table
from seiqa_features.extraction.runtime import Runtime
from seiqa_features.pictures.index import ImageIndex
from seiqa_features.progress import Progress, unwatched
from seiqa_features.table.recipe import Recipe
from seiqa_features.table.store import Store
from seiqa_models.core.orders import Orders


def construct(
    settings: Settings,
    pairs: pd.DataFrame,
    recipe: Recipe,
    runtime: Runtime,
    *,
    on_pair: Progress = unwatched,
) -> Constructed:
    """Construct pairs from a pair table's training references, with their features.

    Their pictures are written to a temporary folder; their features stay in the store. A pair whose
    edit changed nothing, such as a blurred flat picture, is left out.
    """
    with TemporaryDirectory(prefix="seiqa-orders-") as folder:
        found, rows = write_pairs(references_of(pairs), Path(folder))
        table, _ = build_pairs(found, ImageIndex(settings.cache), workers=settings.workers)
        same = table["ref_key"] == table["dist_key"]
        whole = table["pair_id"].str.endswith(f"/{IDENTITY}")
        features, _, _ = extract_table(
            table[same == whole],
            recipe,
            Store(settings.cache),
            runtime,
            workers=settings.workers,
            keep_going=True,
            on_progress=on_pair,
        )
    return Constructed(rows.loc[features.index], features)


def orders_of(constructed: Constructed) -> tuple[Orders, ConstructedOrders]:
    """The orders among constructed pairs, and their number."""
    rows = constructed.rows
    gone = rows["edit"].isin(list(GONE))
    scenes = rows["scene"]
    related = (~gone).groupby(scenes).sum()
    said = ConstructedOrders(
        references=scenes.nunique(),
        pairs=len(rows),
        orders=int((related * gone.groupby(scenes).sum()).sum()),
    )
    found = Orders(
        constructed.table,
        rows["group_id"].to_numpy(object),
        rows["donor"].to_numpy(object),
        gone.to_numpy(bool),
        rows["edit"].isin([*EDITED, *SIGNS_CHANGED]).to_numpy(bool),
    )
    return found, said
