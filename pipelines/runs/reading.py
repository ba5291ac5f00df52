"""A run folder as the report reads it; what an older run lacks is None or empty."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import yaml

from pipelines.runs.folder import (
    BUNDLE,
    FEATURES_META,
    METRICS,
    PAIRS,
    PREDICTIONS,
    SCORES,
    SETTINGS,
)


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
    metrics: dict[str, Any]
    features: dict[str, Any]
    settings: dict[str, Any]
    libraries: dict[str, str]
    predictions: pd.DataFrame | None
    scores: pd.DataFrame | None

    @property
    def label(self) -> str:
        """What the labels are called: MOS, or pseudo-label if a program made them up."""
        return str(self.pairs.attrs.get("label_kind", "MOS"))

    @property
    def limits(self) -> tuple[float, float]:
        """The label scale: as declared, or as far as the labels go."""
        declared = self.pairs.attrs.get("label_range")
        low, high = declared or self.pairs["mos"].agg(["min", "max"])
        return float(low), float(high)


def read(folder: Path) -> Run:
    """Read what is there.

    Raises
    ------
    ValueError
        The folder, its metrics.json or its pairs.parquet is missing.
    """
    for needed in (folder, folder / METRICS, folder / PAIRS):
        if not needed.exists():
            raise ValueError(f"{needed} is missing; run `seiqa train` first")
    pairs = pd.read_parquet(folder / PAIRS)
    settings, bundle = folder / SETTINGS, folder / BUNDLE / "bundle.json"
    return Run(
        folder=folder,
        pairs=pairs,
        metrics=_json(folder / METRICS),
        features=_json(folder / FEATURES_META),
        settings=yaml.safe_load(settings.read_text("utf-8")) if settings.is_file() else {},
        libraries=_json(bundle).get("versions", {}),
        predictions=_predictions(folder / PREDICTIONS, pairs),
        scores=_table(folder / SCORES),
    )


def _json(path: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(path.read_text("utf-8")) if path.is_file() else {}
    return content


def _table(path: Path) -> pd.DataFrame | None:
    if not path.is_file():
        return None
    texts = {"pair_id": str, "group_id": str}  # a pair may be called 007 or NA
    return pd.read_csv(path, dtype=texts, keep_default_na=False)


def _predictions(path: Path, pairs: pd.DataFrame) -> pd.DataFrame | None:
    predictions = _table(path)
    if predictions is None:
        return None
    more = pairs[["pair_id", "ref_path", "dist_path"]]
    if "distortion" in pairs and pairs["distortion"].fillna("").ne("").any():
        more = more.assign(distortion=pairs["distortion"].fillna("").astype(str))
    return predictions.merge(more, on="pair_id", how="left", validate="one_to_one")
