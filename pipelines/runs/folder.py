"""The run folder: names of the files in it, and how the steps read and write them.

Nothing outside it changes, but for the shared feature store and the ledger
(`pipelines.runs.ledger`) beside it.
"""

from __future__ import annotations

import json
import math
import os
from pathlib import Path
from typing import Any

import pandas as pd

from pipelines.settings import Settings
from seiqa_features.errors import DataError
from seiqa_features.table.recipe import Recipe
from seiqa_features.table.table import read_table

PAIRS, FEATURES, FEATURES_META = "pairs.parquet", "features.parquet", "features.json"
METRICS, PREDICTIONS, SCORES = "metrics.json", "predictions.csv", "scores.csv"
BUNDLE, SUBMISSION, SETTINGS = "bundle", "submission.zip", "settings.yaml"


def read_run(settings: Settings) -> tuple[pd.DataFrame, pd.DataFrame, dict[str, Any]]:
    """Pair table, feature table and the features' description, as `features` left them.

    Raises
    ------
    DataError
        One is missing, or the features are not the ones that the settings ask for.
    """
    missing = [
        name for name in (PAIRS, FEATURES, FEATURES_META) if not (settings.run / name).is_file()
    ]
    if missing:
        raise DataError([f"{settings.run}: no {missing[0]} in it; run `seiqa features` first"])
    meta = json.loads((settings.run / FEATURES_META).read_text())
    if not _still_asked_for(meta, settings):
        raise DataError(
            [f"{settings.run}: its features are of another configuration or version;"
             " run `seiqa features` again"]
        )  # fmt: skip
    pairs = pd.read_parquet(settings.run / PAIRS)
    return pairs, read_table(settings.run / FEATURES), meta


def _still_asked_for(meta: dict[str, Any], settings: Settings) -> bool:
    """Whether the settings, less what was unavailable, mean the features that are there."""
    asked = Recipe.parse(settings.features).without(meta["unavailable"])
    if asked.to_dict()["features"] != meta["recipe"]["features"]:
        return False
    now: bool = Recipe.from_dict(meta["recipe"]).to_dict() == meta["recipe"]
    return now


def write_json(path: Path, content: dict[str, Any]) -> None:
    """Write whole or not at all; undefined numbers become null."""
    temporary = path.with_suffix(f".{os.getpid()}")
    temporary.write_text(json.dumps(_finite(content), indent=1, allow_nan=False))
    temporary.replace(path)


def _finite(value: Any) -> Any:
    """JSON has no NaN; null stands for undefined."""
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
