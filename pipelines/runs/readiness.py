"""Checks for what would make a run fail at its end, made before hours of work.

`before_decoding` uses only the data's own tables; `before_extraction` also knows which pictures are
identical, and therefore which pairs stay together.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from pipelines.scales import collections_of, label_range_of, require_names
from pipelines.settings import Settings
from seiqa_features.datasets.pairs import Found, training_rows
from seiqa_features.errors import DataError, UsageError
from seiqa_features.path_texts import path_text
from seiqa_features.table.recipe import Recipe

if TYPE_CHECKING:
    from pipelines.runs.model import Splits

NO_LABELS = "no labelled training pair; add Train_scores.xlsx or a column mos"


def before_decoding(settings: Settings, found: Found) -> None:
    """Refuse data that cannot be trained on whatever its pictures contain.

    Raises
    ------
    DataError, TableError
        Too few labels, constant labels, labels far from the rest or outside the range of the
        settings; groups that allow no folds; collections too small for their scale to be found.
    UsageError
        The settings name a collection that does not exist.
    """
    from seiqa_models.core.canonical import codes_of
    from seiqa_models.core.checks import MIN_GROUPS_TO_EVALUATE, require_groups

    require_names(settings, found)
    rows = [(pair, order) for order, pair in enumerate(found.pairs) if pair.for_training]
    if not rows:
        raise DataError([*found.problems, f"{found.source}: {NO_LABELS}"])
    training = pd.DataFrame(
        [
            (pair.mos, pair.group or str(pair.ref), order, pair.pair_id, pair.collection)
            for pair, order in rows
        ],
        columns=["mos", "group_id", "order", "pair_id", "collection"],
    )
    training = training if found.collections else training.drop(columns="collection")
    training.attrs = {
        "source": path_text(found.source),
        "label_range": found.label_range,
        "collections": {name: asdict(facts) for name, facts in found.collections.items()},
    }
    require_training_labels(training)
    if missing := found.collections.keys() - set(training.get("collection", [])):
        raise DataError([f"collection {min(missing)}: {NO_LABELS}; or leave it out"])
    # Copies of a reference are one group, which only decoding will show.
    require_groups(codes_of(training["group_id"])[0], MIN_GROUPS_TO_EVALUATE)
    label_range_of(settings, training)
    require_scales(settings, training)
    if all(pair.group for pair, _ in rows):
        chosen = "block" if found.neighbours_alike else settings.splits
        _require_some_folds(settings, training, chosen)


def before_extraction(
    settings: Settings, pairs: pd.DataFrame, splits: Splits, recipe: Recipe
) -> None:
    """Refuse pairs that cannot be trained on, and learners that cannot learn from so few rows.

    Raises
    ------
    DataError, TableError
        As `before_decoding`, now for the actual folds.
    UsageError
        A third-party learner fails on random numbers with as many rows and columns.
    """
    rows = require_trainable(settings, pairs, splits)
    _rehearse(settings, rows, sum(len(block.outputs) for block in recipe.blocks))


def require_trainable(settings: Settings, pairs: pd.DataFrame, splits: Splits) -> int:
    """Check labels and folds of the training pairs; return the rows of the smallest training part.

    Raises
    ------
    DataError, TableError
        As `before_decoding`; or a label is outside the range of the settings.
    """
    training = pairs[training_rows(pairs)]
    if training.empty:
        raise DataError([f"{pairs.attrs['source']}: {NO_LABELS}"])
    require_training_labels(training)
    label_range_of(settings, training)
    require_scales(settings, training, blocks=splits.blocks)
    return _require_folds(settings, training, blocks=splits.blocks)


def require_scales(settings: Settings, training: pd.DataFrame, *, blocks: bool = False) -> None:
    """Check that the scale of every collection can be found in every training part.

    Raises
    ------
    TableError
        A collection has too few rows or scenes in one; see `require_collections`.
    """
    from seiqa_models.core.canonical import codes_of
    from seiqa_models.evaluation.evaluate import require_collections

    collections = collections_of(settings, training)
    if collections is None:
        return
    codes, names = codes_of(collections)
    require_collections(
        training["mos"].to_numpy(float),
        codes_of(training["group_id"])[0],
        codes,
        [str(name) for name in names],
        training["order"].to_numpy(float) if blocks else None,
        scale=settings.scale,
        n_splits=settings.folds,
        seed=settings.seed,
    )


def require_training_labels(training: pd.DataFrame) -> None:
    """Check the labels of every collection by themselves: their scales differ.

    Raises
    ------
    TableError
        Labels are missing, too few or all equal; a collection is named.
    """
    from seiqa_models.core.errors import TableError
    from seiqa_models.core.readiness import require_labels

    if "collection" not in training:
        require_labels(training["mos"], training["pair_id"].tolist())
        return
    for name, rows in training.groupby("collection"):
        try:
            require_labels(rows["mos"], rows["pair_id"].tolist())
        except TableError as error:
            raise TableError(f"collection {name}: {error}") from None


def _require_some_folds(settings: Settings, training: pd.DataFrame, chosen: str) -> None:
    """Check that at least one of the kinds of folds that may be chosen later is possible."""
    from seiqa_models.core.errors import TableError

    refusals = []
    for kind in ("group", "block") if chosen == "auto" else (chosen,):
        try:
            _require_folds(settings, training, blocks=kind == "block")
        except TableError as error:
            refusals.append(error)
        else:
            return
    raise refusals[0]


def _require_folds(settings: Settings, training: pd.DataFrame, *, blocks: bool) -> int:
    from seiqa_models.core.readiness import require_folds

    return require_folds(
        training["mos"],
        training["group_id"].to_numpy(),
        training["order"].to_numpy() if blocks else None,
        names=training["pair_id"].tolist(),
        n_splits=settings.folds,
        seed=settings.seed,
    )


def _rehearse(settings: Settings, rows: int, columns: int) -> None:
    """Fit third-party learners to as few rows as they will get."""
    from seiqa_models.learners.registry import LEARNERS
    from seiqa_models.stack.pool.fitting import fit_learner
    from seiqa_models.stack.representations import components_of, member

    rng = np.random.default_rng(settings.seed)
    labels = rng.normal(size=rows)
    for name in settings.learners:
        learner = member(name).learner
        if LEARNERS[learner].__module__.startswith("seiqa_models."):
            continue
        values = rng.normal(size=(rows, components_of(name) or columns))
        try:
            fit_learner(learner, values, labels, settings.seed).predict(values[:1])
        except Exception as error:
            said = " ".join(str(error).split())
            raise UsageError(
                f"learner {name} fails on {rows} rows of {values.shape[1]} columns, the least that"
                f" the folds leave to learn from ({said})"
            ) from error


def require_members(settings: Settings) -> None:
    """Check that there are learners and representations of the names in the settings.

    Raises
    ------
    UsageError
        There is none of that name, or a member comes twice.
    """
    from seiqa_models.stack.pool.fitted import check_members

    try:
        check_members(settings.learners)
    except ValueError as error:
        raise UsageError(str(error)) from None


def check_learners(settings: Settings) -> None:
    """Try the learners and the fusion before hours of feature extraction instead of after.

    Raises
    ------
    UsageError
        No learner or fusion has that name, the fusion has no such parameter, or one of them fails
        on a small made-up table, or cannot be saved and loaded.
    """
    from pipelines.runs.model import make_regressor
    from seiqa_models.evaluation.trial import try_fusion, try_learner
    from seiqa_models.stack.representations import member

    fusion = make_regressor(settings).fusion
    require_members(settings)
    try:
        for name in dict.fromkeys(member(name).learner for name in settings.learners):
            try_learner(name, random_state=settings.seed)
        try_fusion(fusion)
    except ValueError as error:
        raise UsageError(str(error)) from None
