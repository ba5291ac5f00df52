"""Published metric values of public data sets with their human scores, as tables to learn from."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from pipelines.tables.reading import by_role
from seiqa_features.tabular.reading import read_text_table
from seiqa_models.audit.tables import Roles, feature_columns
from seiqa_models.core.arrays import Rows
from seiqa_models.core.checks import TrainingTable, check_training_table

LABEL, GROUP, KIND = "MOS", "ref_img", "distortion"
EXPERIMENT = ("dist_img", "distortion", "level", "var", "MOS_std")
"""What such tables also hold: facts about the experiment, and the spread of its scores."""


def load(path: Path) -> TrainingTable:
    """Every metric of the file; groups are its reference images, kinds its distortions.

    Raises
    ------
    DataError, TableError
        The file is no such table.
    """
    return load_named(path)[0]


def load_named(path: Path) -> tuple[TrainingTable, Rows]:
    """The same, and the name of every row's reference image, which other files may share."""
    cells = read_text_table(path)
    dropped = tuple(name for name in EXPERIMENT if cells.find(name) is not None)
    table, roles = by_role(cells, Roles(LABEL, GROUP, drop=dropped))
    features = feature_columns(table, roles)
    rows = table.loc[features.index]
    checked = check_training_table(features, rows[LABEL], rows[GROUP], kinds=rows[KIND])
    return checked, rows[GROUP].to_numpy(object)


def some_references(table: TrainingTable, count: int, rng: np.random.Generator) -> TrainingTable:
    """All rows of this many references, drawn at random."""
    kept = rng.choice(int(table.groups.max()) + 1, count, replace=False)
    part = table.take(np.flatnonzero(np.isin(table.groups, kept)))
    return check_training_table(part.X, part.y, part.groups, kinds=part.kinds)


def some_kinds(table: TrainingTable, count: int, rng: np.random.Generator) -> TrainingTable:
    """All rows of this many kinds of distortion, drawn at random."""
    kept = rng.choice(np.unique(table.kinds), count, replace=False)
    part = table.take(np.flatnonzero(np.isin(table.kinds, kept)))
    return check_training_table(part.X, part.y, part.groups, kinds=part.kinds)


def some_metrics(table: TrainingTable, count: int, rng: np.random.Generator) -> pd.DataFrame:
    """Some of the metrics, drawn at random."""
    return table.X[sorted(rng.choice(table.X.columns, count, replace=False))]
