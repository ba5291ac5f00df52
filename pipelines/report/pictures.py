"""Pairs as shown in the report: reference, degraded picture, and where the two differ."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from PIL import Image

from pipelines.report.plots import data_uri
from pipelines.runs.reading import Run
from seiqa_features.errors import DataError
from seiqa_features.extraction.heatmap import Picture, difference_map, overlay
from seiqa_features.path_texts import text_path
from seiqa_features.pictures.decoding import load_rgb

EXAMPLES = 4
"""Number of pairs shown for the largest and for the smallest errors."""

THUMBNAIL_SIDE = 400


def cards(rows: pd.DataFrame) -> list[dict[str, Any]]:
    """The rows as dicts, each with its `pictures`."""
    return [
        {
            **{str(name): value for name, value in row.items()},
            "pictures": triple(text_path(str(row["ref_path"])), text_path(str(row["dist_path"]))),
        }
        for row in rows.to_dict("records")
    ]


def examples(run: Run) -> dict[str, list[dict[str, Any]]]:
    """Pairs with the largest and the smallest error, those of different references."""
    if run.predictions is None or "ref_path" not in run.predictions:
        return {}
    table = run.predictions.assign(error=run.predictions["score"] - run.predictions["mos"])
    ranked = table.iloc[table["error"].abs().argsort(kind="stable")]
    closest = ranked.drop_duplicates("ref_path")[:EXAMPLES]
    return {"worst": cards(ranked.iloc[::-1][:EXAMPLES]), "best": cards(closest)}


def triple(ref: Path, dist: Path) -> list[dict[str, str | None]]:
    """Role, data URI or None, and problem or None, of a pair's pictures and their difference.

    The difference is left out if one of the two cannot be read.
    """
    before, after = _decoded(ref), _decoded(dist)
    shown = [_shown("reference", before), _shown("degraded", after)]
    if isinstance(before, Image.Image) and isinstance(after, Image.Image):
        lost = difference_map(ref=_floats(before), dist=_floats(after))
        heat = overlay(_floats(_small(after)), lost)
        shown.append(_shown("difference", Image.fromarray(heat)))
    return shown


def _decoded(path: Path) -> Image.Image | str:
    try:
        return load_rgb(path)
    except DataError as error:
        return str(error)


def _shown(role: str, picture: Image.Image | str) -> dict[str, str | None]:
    if isinstance(picture, str):
        return {"role": role, "data": None, "problem": picture}
    buffer = io.BytesIO()
    _small(picture).save(buffer, "JPEG", quality=82)
    return {"role": role, "data": data_uri("image/jpeg", buffer.getvalue()), "problem": None}


def _small(picture: Image.Image) -> Image.Image:
    small = picture.copy()
    small.thumbnail((THUMBNAIL_SIDE, THUMBNAIL_SIDE))
    return small


def _floats(picture: Image.Image) -> Picture:
    return np.asarray(picture, dtype=np.float32) / np.float32(255)
