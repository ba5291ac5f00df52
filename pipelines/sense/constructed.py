"""Constructed pairs as supervision: their features, and the orders used to train a stack."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pandas as pd

from pipelines.runs.folder import Constructed
from pipelines.runs.metrics import ConstructedOrders
from pipelines.sense.orders import GONE, IDENTITY, order_names, references_of, write_pairs
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
    place = {
        pair: number for number, pair in enumerate(zip(rows["scene"], rows["edit"], strict=True))
    }
    orders = [
        (place[scene, above], place[scene, below])
        for scene in rows["scene"].unique()
        for above, below in order_names()
        if (scene, above) in place and (scene, below) in place
    ]
    above, below = np.array(orders, dtype=np.intp).reshape(-1, 2).T
    edit = rows["edit"]
    ends = np.where(edit == IDENTITY, 1, np.where(edit.isin(list(GONE)), -1, 0))
    found = Orders(
        constructed.table,
        rows["group_id"].to_numpy(object),
        rows["donor"].to_numpy(object),
        above,
        below,
        ends.astype(np.intp),
    )
    said = ConstructedOrders(
        references=rows["scene"].nunique(), pairs=len(rows), orders=len(orders) + _with_ends(rows)
    )
    return found, said


def _with_ends(rows: pd.DataFrame) -> int:
    """Number of orders implied by the ends of the scale: copy above all, all above "gone" edits."""
    total = 0
    for _, scene in rows.groupby("scene"):
        top, bottom = (scene["edit"] == IDENTITY).sum(), scene["edit"].isin(list(GONE)).sum()
        total += int(top * (len(scene) - top) + bottom * (len(scene) - top - bottom))
    return total
