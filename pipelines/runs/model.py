"""The regressor described by the settings, and how to evaluate it on this data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import pandas as pd

from pipelines.scales import collections_of, label_range_of, scale_parameters
from pipelines.settings import Settings
from seiqa_features.errors import DataError, UsageError
from seiqa_features.progress import Progress
from seiqa_features.table.recipe import Recipe

if TYPE_CHECKING:
    from seiqa_models.core.orders import Orders
    from seiqa_models.evaluation.evaluate import Evaluation
    from seiqa_models.results import Ablation
    from seiqa_models.stack.regressor import SeiqaRegressor

_ABLATION_ROWS = 2000

KINDS_DIFFER = "every collection names its kinds of distortion in its own way"

_QUICK = ("gp", "ridge")
"""Learners that fit in a fraction of a second; an ablation needs some hundred fits."""


def make_regressor(
    settings: Settings,
    label_range: tuple[float, float] | None = None,
    directions: Mapping[str, int] | None = None,
    **scales: Any,
) -> SeiqaRegressor:
    """An unfitted stack; `label_range`, `directions` and `scales` as in `SeiqaRegressor`.

    Raises
    ------
    UsageError
        No fusion has that name, or it has no such parameter.
    """
    from seiqa_models.fusions import make_fusion
    from seiqa_models.stack.regressor import SeiqaRegressor

    try:
        fusion = make_fusion(settings.fusion.name, **settings.fusion.parameters)
    except ValueError as error:
        raise UsageError(f"setting fusion: {error}") from None
    return SeiqaRegressor(
        learners=tuple(settings.learners),
        n_splits=settings.folds,
        fusion=fusion,
        purpose=settings.purpose,
        consensus=settings.consensus,
        calibrate=settings.calibrate,
        directions=directions,
        label_range=label_range,
        random_state=settings.seed,
        n_jobs=settings.workers,
        **scales,
    )


def known_directions(recipe: Mapping[str, Any]) -> dict[str, int]:
    """Known directions of a feature table's columns: 1 if higher is better, -1 if lower.

    Parameters
    ----------
    recipe : mapping
        As returned by :meth:`seiqa_features.table.recipe.Recipe.to_dict`.
    """
    directions = Recipe.from_dict(recipe).directions
    return {name: 1 if better == "higher" else -1 for name, better in directions.items()}


@dataclass(frozen=True)
class Splits:
    """How the folds are made, and the audit behind that choice.

    Attributes
    ----------
    blocks : bool
        Folds are contiguous blocks of file order, instead of only keeping groups together.
    why : str
    audit : dict[str, Any]
        See `seiqa_models.audit.audit.audit`.
    """

    blocks: bool
    why: str
    audit: dict[str, Any]


def choose_splits(settings: Settings, pairs: pd.DataFrame) -> Splits:
    """Audit the pairs, and follow the audit unless the settings determine the folds.

    What the layout says of neighbouring files counts only where the audit cannot tell.
    """
    from seiqa_models.audit.audit import TOO_FEW_GROUPS

    found = audit_pairs(pairs, seed=settings.seed)
    if settings.splits != "auto":
        return Splits(settings.splits == "block", f"the setting splits is {settings.splits}", found)
    untold = found["index_only"] is None or found["n"]["groups"] <= TOO_FEW_GROUPS
    if pairs.attrs["neighbours_alike"] and untold:
        why = "neighbouring files are alike in the challenge's layout, and there are too few"
        return Splits(True, f"{why} labels or groups to see whether they are here", found)
    verdict = found["verdict"]
    return Splits(verdict["splits"] == "block", "; ".join(verdict["reasons"]), found)


def audit_pairs(pairs: pd.DataFrame, *, seed: int) -> dict[str, Any]:
    """The audit of a pair table; near-duplicates are not searched for if a picture is missing."""
    from seiqa_features.datasets.hashes import reference_hashes
    from seiqa_models.audit.audit import audit

    try:
        hashes = reference_hashes(pairs)
    except DataError:
        hashes = None
    return audit(pairs, hashes=hashes, seed=seed)


def estimate(
    settings: Settings,
    training: pd.DataFrame,
    table: pd.DataFrame,
    orders: Orders | None,
    *,
    directions: Mapping[str, int],
    blocks: bool,
    on_fold: Progress,
) -> tuple[Evaluation, str | None]:
    """Evaluate the stack on labelled rows, with the transfer estimate if their kinds allow it.

    Parameters
    ----------
    training : pd.DataFrame
        Rows of the pair table; `table` has the same rows' features. If it has several collections,
        their labels are brought onto one scale.
    orders : Orders | None
        Constructed orders as additional training data.
    directions : Mapping[str, int]
        See `known_directions`.
    blocks : bool
        Folds are contiguous blocks of file order.

    Returns
    -------
    tuple[Evaluation, str | None]
        The evaluation, and why it has no transfer estimate although kinds of distortion are known.

    Raises
    ------
    TableError
        See `evaluate`.
    """
    from seiqa_models.core.errors import KindsError
    from seiqa_models.evaluation.evaluate import evaluate

    evaluation = partial(
        evaluate,
        make_regressor(
            settings,
            label_range_of(settings, training),
            directions,
            **scale_parameters(settings, training),
        ),
        table,
        training["mos"].to_numpy(),
        training["group_id"].to_numpy(),
        training["order"].to_numpy() if blocks else None,
        collections=collections_of(settings, training),
        orders=orders,
        n_splits=settings.folds,
        seed=settings.seed,
        n_jobs=settings.workers,
        on_fold=on_fold,
    )
    if "collection" in training:
        return evaluation(), KINDS_DIFFER
    try:
        return evaluation(kinds=known_kinds(training)), None
    except KindsError as error:  # known before anything is fitted
        return evaluation(), str(error)


def ablate(
    settings: Settings,
    training: pd.DataFrame,
    table: pd.DataFrame,
    worth: Mapping[str, float],
    *,
    directions: Mapping[str, int],
    blocks: bool,
    kinds: bool,
    on_fit: Progress,
) -> Ablation | None:
    """How much each extractor is worth to one learner of the stack.

    This is the learner of greatest worth, chosen among quick ones if there are any. Whatever it
    reads in the stack, here it reads the prepared columns: those of one extractor may be fewer than
    its components, and may hold no dense block.

    Parameters
    ----------
    training, table, directions, blocks
        As for `estimate`.
    worth : Mapping[str, float]
        Worth of each learner; see `pipelines.runs.metrics.learners_worth`.
    kinds : bool
        The learner is given the kinds of distortion, as the stack was.

    Returns
    -------
    Ablation | None
        See `feature_ablation`; None if all features come from one extractor, or if there are over
        2000 rows: it takes 2 fits per extractor and fold, whose cost grows with up to the cube of
        the rows.
    """
    from seiqa_models.core.columns import feature_group
    from seiqa_models.evaluation.ablation import feature_ablation
    from seiqa_models.stack.representations import member

    if len(table) > _ABLATION_ROWS or len({feature_group(name) for name in table.columns}) < 2:
        return None
    return feature_ablation(
        table,
        training["mos"].to_numpy(),
        training["group_id"].to_numpy(),
        training["order"].to_numpy() if blocks else None,
        learner=member(max(worth, key=lambda name: (name in _QUICK, worth[name]))).learner,
        kinds=known_kinds(training) if kinds else None,
        directions=directions,
        n_splits=settings.folds,
        seed=settings.seed,
        n_jobs=settings.workers,
        on_fit=on_fit,
    )


def known_kinds(pairs: pd.DataFrame) -> pd.Series | None:
    """Kind of distortion of every row; None if it is known for no row."""
    kinds = pairs.get("distortion")  # pair tables of earlier versions lack the column
    return None if kinds is None or kinds.isna().all() else kinds
