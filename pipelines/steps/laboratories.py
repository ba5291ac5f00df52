"""Several collections: how well a model of some ranks the pairs of another."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from pipelines.settings import Settings
from seiqa_features.progress import Progress

if TYPE_CHECKING:
    from seiqa_models.core.arrays import FloatVector
    from seiqa_models.evaluation.evaluate import Evaluation
    from seiqa_models.judged import Judged
    from seiqa_models.stack.regressor import SeiqaRegressor


def judge_collections(
    settings: Settings,
    evaluation: Evaluation,
    training: pd.DataFrame,
    table: pd.DataFrame,
    on_fit: Progress,
) -> tuple[list[Judged] | None, list[str] | None]:
    """The matrix trained-on × judged-on of the training rows, and why cells of it are left out.

    Both are None for one collection, the second also if no cell is left out.

    Parameters
    ----------
    evaluation : Evaluation
        Of a model of all collections.
    training, table : pd.DataFrame
        Rows of the pair table, and their features.
    """
    if "collection" not in training:
        return None, None
    from seiqa_models.evaluation.laboratories import judge_laboratories

    left_out: list[str] = []
    cells = judge_laboratories(
        evaluation.regressor,
        table,
        training["mos"].to_numpy(),
        training["group_id"].to_numpy(),
        training["collection"].to_numpy(),
        n_jobs=settings.workers,
        on_fit=on_fit,
        on_left_out=left_out.append,
    )
    return [*cells, *evaluation.by_collection], left_out or None


def labels_of(regressor: SeiqaRegressor, pairs: pd.DataFrame) -> FloatVector:
    """The labels of pairs on the scale of a model's scores, float64 [n]."""
    from seiqa_models.stack.collections.joining import on_output_scale

    labels = pairs["mos"].to_numpy(np.float64)
    if "collection" not in pairs:
        return labels
    return on_output_scale(regressor.scales_, labels, pairs["collection"].to_numpy())
