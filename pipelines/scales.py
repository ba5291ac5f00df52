"""Which scale a run's scores are on, and what is known about the labels of its collections."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pandas as pd

from pipelines.settings import Settings
from seiqa_features.datasets.collections import collection_name
from seiqa_features.datasets.pairs import Found
from seiqa_features.errors import DataError, UsageError

ZERO_TO_FIVE = "0..5"
"""A scale of no collection: 5 for an undistorted picture, 0 for the worst label."""


def label_range_of(settings: Settings, training: pd.DataFrame) -> tuple[float, float] | None:
    """Lowest and highest score given by the data or the settings; None: the range of the labels.

    Of several collections, the range of the one whose scale the scores are on.

    Raises
    ------
    DataError
        A label is outside the range of the settings.
    """
    if settings.scale == ZERO_TO_FIVE:
        return 0.0, 5.0
    known = training.attrs
    home = home_of(settings, training)
    declared = known["collections"][home]["label_range"] if home else known["label_range"]
    if declared is not None:
        return float(declared[0]), float(declared[1])
    told = settings.label_range
    if told is not None:
        labels = training["mos"][training["collection"] == home] if home else training["mos"]
        low, high = labels.min(), labels.max()
        if not told[0] <= low <= high <= told[1]:
            raise DataError(
                [f"{known['source']}: labels go from {low:g} to {high:g}, outside the label_range"
                 f" {told[0]:g} to {told[1]:g} of the settings; correct either"]
            )  # fmt: skip
    return told


def collections_of(settings: Settings, training: pd.DataFrame) -> pd.Series | None:
    """Collection of every row; None for one collection whose labels stay on their scale."""
    if "collection" in training:
        return training["collection"]
    if settings.scale is None:
        return None
    name = collection_name(Path(training.attrs["source"]))
    return pd.Series(name, index=training.index, dtype="str")


def home_of(settings: Settings, training: pd.DataFrame) -> str | None:
    """The collection whose scale the scores are on, or are mapped from; None if there is one only.

    That of the setting scale, or the one with the most rows, of equals the first by name.
    """
    if "collection" not in training:
        return None
    sizes = training["collection"].value_counts().sort_index()
    return settings.scale if settings.scale in sizes.index else str(sizes.idxmax())


def scale_parameters(settings: Settings, training: pd.DataFrame) -> dict[str, Any]:
    """The parameters of `SeiqaRegressor` about scales; none for one collection on its own scale."""
    collections = collections_of(settings, training)
    if collections is None:
        return {}
    known = training.attrs.get("collections", {})
    identity = {
        name: facts["identity"] for name, facts in known.items() if facts["identity"] is not None
    }
    return {
        "scale": settings.scale or home_of(settings, training),
        "identity": {**identity, **settings.identity} or None,
    }


def require_names(settings: Settings, found: Found) -> None:
    """Check the collections that the settings name.

    Raises
    ------
    UsageError
        One does not exist.
    """
    names = list(found.collections) or [collection_name(found.source)]
    scales = [*found.collections, ZERO_TO_FIVE]
    if settings.scale is not None:
        _require("scale", [settings.scale], scales)
    _require("identity", settings.identity, names)


def _require(setting: str, asked: Iterable[str], known: list[str]) -> None:
    for name in asked:
        if name not in known:
            raise UsageError(f"setting {setting}: {name!r} is none of {', '.join(known)}")
