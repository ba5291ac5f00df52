"""The regressor that the settings describe, and how it has to be estimated on this data."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

import pandas as pd

from pipelines.settings import Settings
from seiqa_features.errors import UsageError
from seiqa_features.progress import Progress

if TYPE_CHECKING:
    from seiqa_models.evaluation.evaluate import Evaluation
    from seiqa_models.stack.regressor import SeiqaRegressor

_ABLATION_ROWS = 2000

_QUICK = ("gp", "ridge")
"""Learners that are fitted in a fraction of a second, some hundred times for an ablation."""


def make_regressor(
    settings: Settings, label_range: tuple[float, float] | None = None
) -> SeiqaRegressor:
    """An unfitted stack; `label_range` as in `SeiqaRegressor`.

    Raises
    ------
    UsageError
        There is no fusion of that name, or it has no such parameter.
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
        calibrate=settings.calibrate,
        label_range=label_range,
        random_state=settings.seed,
        n_jobs=settings.workers,
    )


def choose_splits(settings: Settings, pairs: pd.DataFrame) -> tuple[bool, str]:
    """Whether folds are contiguous blocks of file order (and not only groups), and why."""
    from seiqa_models.audit.audit import audit

    if settings.splits != "auto":
        return settings.splits == "block", f"the setting splits is {settings.splits}"
    if pairs.attrs["neighbours_alike"]:
        return True, "in the challenge's layout neighbouring files are alike"
    verdict = audit(pairs, seed=settings.seed)["verdict"]
    return verdict["splits"] == "block", "; ".join(verdict["reasons"])


def estimate(
    settings: Settings,
    training: pd.DataFrame,
    table: pd.DataFrame,
    *,
    blocks: bool,
    on_fold: Progress,
) -> tuple[Evaluation, str | None]:
    """Evaluate the stack on labelled rows, with the transfer estimate where their kinds allow it.

    Parameters
    ----------
    training : pd.DataFrame
        Rows of the pair table; `table` has the same rows' features.
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
        make_regressor(settings, training.attrs["label_range"]),
        table,
        training["mos"].to_numpy(),
        training["group_id"].to_numpy(),
        training["order"].to_numpy() if blocks else None,
        n_splits=settings.folds,
        seed=settings.seed,
        n_jobs=settings.workers,
        on_fold=on_fold,
    )
    try:
        return evaluation(kinds=known_kinds(training)), None
    except KindsError as error:  # known before anything is fitted
        return evaluation(), str(error)


def learners_worth(figures: Mapping[str, Any]) -> dict[str, float]:
    """Weight of each learner, or its own final where the fusion has no weights."""
    if figures["weights"] is not None:
        return dict(figures["weights"]["final"])
    return {name: summary["final"] for name, summary in figures["learners"].items()}


def ablate(
    settings: Settings,
    training: pd.DataFrame,
    table: pd.DataFrame,
    worth: Mapping[str, float],
    *,
    blocks: bool,
    kinds: bool,
    on_fit: Progress,
) -> dict[str, Any] | None:
    """What each extractor is worth to one learner of the stack.

    That is the one that is worth most, among quick ones if there are any.

    Parameters
    ----------
    training, table, blocks
        As for `estimate`.
    worth : Mapping[str, float]
        Of each learner; see `learners_worth`.
    kinds : bool
        The learner is given the kinds of distortion, as the stack was.

    Returns
    -------
    dict[str, Any] | None
        See `feature_ablation`; None where all features come from one extractor, or where there are
        over 2000 rows: it takes 2 fits per extractor and fold, each by up to the cube of the rows.
    """
    from seiqa_models.core.columns import feature_group
    from seiqa_models.evaluation.ablation import feature_ablation

    if len(table) > _ABLATION_ROWS or len({feature_group(name) for name in table.columns}) < 2:
        return None
    return feature_ablation(
        table,
        training["mos"].to_numpy(),
        training["group_id"].to_numpy(),
        training["order"].to_numpy() if blocks else None,
        learner=max(worth, key=lambda name: (name in _QUICK, worth[name])),
        kinds=known_kinds(training) if kinds else None,
        n_splits=settings.folds,
        seed=settings.seed,
        n_jobs=settings.workers,
        on_fit=on_fit,
    )


def known_kinds(pairs: pd.DataFrame) -> pd.Series | None:
    """Kind of distortion of every row, None where that of no row is known."""
    kinds = pairs.get("distortion")  # pair tables of earlier versions lack the column
    return None if kinds is None or kinds.isna().all() else kinds
