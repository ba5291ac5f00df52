"""Constructed pairs: their features, and what a stack learns from them."""

from __future__ import annotations

from itertools import product

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pipelines.runs.folder import Constructed
from pipelines.runs.metrics import ConstructedOrders
from pipelines.sense.orders import (
    EDITED,
    GONE,
    HARMLESS,
    IDENTITY,
    SIGNS_CHANGED,
    WEAKER,
    every_edit,
    references_of,
    write_pairs,
)
from pipelines.settings import Settings
from seiqa_features.datasets.pairs import build_pairs
from seiqa_features.extraction.cached import extract_table
from seiqa_features.extraction.runtime import Runtime
from seiqa_features.pictures.index import ImageIndex
from seiqa_features.progress import Progress, unwatched
from seiqa_features.scratch import scratch
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
    with scratch("orders") as folder:
        found, rows = write_pairs(references_of(pairs), folder)
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
    pairs = _known_orders(rows)
    said = ConstructedOrders(references=rows["scene"].nunique(), pairs=len(rows), orders=len(pairs))
    found = Orders(
        constructed.table,
        rows["group_id"].to_numpy(object),
        rows["donor"].to_numpy(object),
        gone.to_numpy(bool),
        rows["edit"].isin([*EDITED, *SIGNS_CHANGED]).to_numpy(bool),
        pairs,
    )
    return found, said


def _known_orders(rows: pd.DataFrame) -> NDArray[np.intp]:
    """Pairs [k, 2] of positions of rows of the same scene: the first is above the second.

    Nothing is above the identity, everything that still shows the reference is above what does not,
    a harmless change is above an edit, and a weaker change above a stronger one of its kind.
    """
    edits = every_edit()
    shown = [name for name in edits if name not in GONE]
    orders = [
        *product([IDENTITY], edits),
        *product(shown, GONE),
        *product(HARMLESS, [*EDITED, *SIGNS_CHANGED]),
        *WEAKER,
    ]
    scenes = rows["scene"].unique()
    places = {pair: at for at, pair in enumerate(zip(rows["scene"], rows["edit"], strict=True))}
    found = [
        [places[scene, above], places[scene, below]]
        for scene, (above, below) in product(scenes, orders)
        if (scene, above) in places and (scene, below) in places
    ]
    return np.array(found, dtype=np.intp).reshape(-1, 2)
