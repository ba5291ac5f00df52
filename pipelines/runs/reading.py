"""A run folder as the report reads it; of files that are not there the content is None or empty."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import yaml

from pipelines.runs.folder import (
    BUNDLE_MANIFEST,
    FEATURES,
    FEATURES_META,
    METRICS,
    PAIRS,
    PREDICTIONS,
    SCORES,
    SETTINGS,
    read_json,
    require_training,
)
from pipelines.runs.metrics import Metrics, read_metrics
from pipelines.runs.record import Record, read_record, require_unchanged
from seiqa_features.commits import current
from seiqa_features.table.table import read_table
from seiqa_features.tabular.inert import restored_table

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Run:
    """The content of a run folder.

    Attributes
    ----------
    pairs : pd.DataFrame
        The pair table.
    predictions : pd.DataFrame | None
        Held-out predictions with the pair's paths and its `distortion` ("" where that
        is not known; no such column where it is known of no pair).
    libraries : dict[str, str]
        Versions of the libraries that the learners come from.
    """

    folder: Path
    pairs: pd.DataFrame
    metrics: Metrics
    features: dict[str, Any]
    settings: dict[str, Any]
    libraries: dict[str, str]
    predictions: pd.DataFrame | None
    scores: pd.DataFrame | None

    @property
    def table(self) -> pd.DataFrame:
        """The feature table, rows in the order of `pairs`."""
        record = read_record(self.folder)
        if record is not None and record.features is not None:
            require_unchanged(self.folder, record.features, [FEATURES], step="features")
        return read_table(current(self.folder / FEATURES)).loc[self.pairs["pair_id"]]

    @property
    def label(self) -> str:
        """What the labels are called: MOS, or pseudo-label if a program made them up."""
        return str(self.pairs.attrs.get("label_kind", "MOS"))

    @property
    def limits(self) -> tuple[float, float]:
        """The label scale: as declared, or as far as the labels go."""
        declared = self.pairs.attrs.get("label_range") or self.settings.get("label_range")
        low, high = declared or self.pairs["mos"].agg(["min", "max"])
        return float(low), float(high)


def read(folder: Path) -> Run:
    """Read what is there, if it belongs together.

    Raises
    ------
    ValueError
        The folder, its metrics.json or its pairs.parquet is missing.
    DataError
        Files are of different trainings, were changed, or are of another version of seiqa.
    """
    for needed in (folder, current(folder / METRICS), current(folder / PAIRS)):
        if not needed.exists():
            raise ValueError(f"{needed} is missing; run `seiqa train` first")
    record = read_record(folder)
    if record is not None:
        require_training(folder, *_there(folder, METRICS, PREDICTIONS, BUNDLE_MANIFEST))
    if record is not None and record.features is not None:
        require_unchanged(folder, record.features, (PAIRS, FEATURES_META), step="features")
    pairs = pd.read_parquet(current(folder / PAIRS))
    return Run(
        folder=folder,
        pairs=pairs,
        metrics=read_metrics(folder / METRICS),
        features=read_json(folder / FEATURES_META),
        settings=_settings(folder, record),
        libraries=read_json(folder / BUNDLE_MANIFEST).get("versions", {}),
        predictions=_predictions(current(folder / PREDICTIONS), pairs),
        scores=_scores(folder, record),
    )


def read_training(folder: Path) -> tuple[Metrics, dict[str, Any]]:
    """Metrics and settings of a run folder whose metrics and predictions belong together.

    Raises
    ------
    DataError
        They do not, were changed, or are of another version of seiqa.
    """
    record = read_record(folder)
    training = None if record is None else record.training
    if training is not None:
        require_unchanged(folder, training, (METRICS, PREDICTIONS), step=training.step)
    return read_metrics(folder / METRICS), _settings(folder, record)


def _settings(folder: Path, record: Record | None) -> dict[str, Any]:
    """Those of the training; settings.yaml may be of later features."""
    if record is not None and record.training is not None:
        return record.training.settings
    path = folder / SETTINGS
    return yaml.safe_load(path.read_text("utf-8")) if path.is_file() else {}


def _scores(folder: Path, record: Record | None) -> pd.DataFrame | None:
    """Scores of the test pairs, if this training's model gave them."""
    if record is None:
        return _table(folder / SCORES)
    if record.scores is None:
        return None
    if not record.scores_are_current:
        logger.warning("%s: %s is of an earlier training; run `seiqa submit`", folder, SCORES)
        return None
    require_unchanged(folder, record.scores, [SCORES], step="submit")
    return _table(current(folder / SCORES))


def _there(folder: Path, *names: str) -> list[str]:
    return [name for name in names if current(folder / name).is_file()]


def _table(path: Path) -> pd.DataFrame | None:
    if not path.is_file():
        return None
    texts = {"pair_id": str, "group_id": str}  # a pair may be called 007 or NA
    return restored_table(pd.read_csv(path, dtype=texts, keep_default_na=False))


def _predictions(path: Path, pairs: pd.DataFrame) -> pd.DataFrame | None:
    predictions = _table(path)
    if predictions is None:
        return None
    more = pairs[["pair_id", "ref_path", "dist_path"]]
    if "distortion" in pairs and pairs["distortion"].fillna("").ne("").any():
        more = more.assign(distortion=pairs["distortion"].fillna("").astype(str))
    return predictions.merge(more, on="pair_id", how="left", validate="one_to_one")
