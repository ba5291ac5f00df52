"""The regressor that the settings describe, and the folds that the data calls for."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from pipelines.settings import Settings

if TYPE_CHECKING:
    from seiqa_models.stack import SeiqaRegressor


def make_regressor(
    settings: Settings, label_range: tuple[float, float] | None = None
) -> SeiqaRegressor:
    """An unfitted stack; `label_range` as in `SeiqaRegressor`."""
    from seiqa_models.stack import SeiqaRegressor

    return SeiqaRegressor(
        learners=tuple(settings.learners),
        n_splits=settings.folds,
        max_weight=settings.max_weight,
        shrinkage=settings.shrinkage,
        srocc_share=settings.srocc_share,
        calibrate=settings.calibrate,
        label_range=label_range,
        random_state=settings.seed,
        n_jobs=settings.workers,
    )


def choose_splits(settings: Settings, pairs: pd.DataFrame) -> tuple[bool, str]:
    """Whether folds are contiguous blocks of file order (and not only groups), and why."""
    from seiqa_models.audit import audit

    if settings.splits != "auto":
        return settings.splits == "block", f"the setting splits is {settings.splits}"
    if pairs.attrs["neighbours_alike"]:
        return True, "in the challenge's layout neighbouring files are alike"
    verdict = audit(pairs, seed=settings.seed)["verdict"]
    return verdict["splits"] == "block", "; ".join(verdict["reasons"])
