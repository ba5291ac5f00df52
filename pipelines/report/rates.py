"""Rate and quality: curves of the score over bits per pixel, and BD-rates, codec by codec."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.interpolate import PchipInterpolator

from pipelines.report import panels
from pipelines.runs.reading import Run
from seiqa_features.path_texts import text_path

CODED = frozenset({".jpg", ".jpeg", ".webp", ".avif", ".heic", ".heif", ".jxl", ".jp2", ".j2k"})
"""Suffixes of files whose size is that of the coded picture, not of a copy without loss."""

LEVELS = 6
"""Points of a mean curve."""


def section(run: Run) -> dict[str, Any]:
    """Curves and BD-rates of the pairs whose codec and rate are known; empty without two codecs."""
    rated = rated_pairs(run)
    codecs = list(dict.fromkeys(rated["codec"]))
    if len(codecs) < 2:
        return {}
    anchor = codecs[0]
    rows = []
    for codec in codecs:
        found = bd_rates(rated, anchor=anchor, codec=codec) if codec != anchor else []
        rows.append({
            "codec": codec, "pairs": int((rated["codec"] == codec).sum()), "references": len(found),
            "bd_rate": float(np.mean(found)) if found else None,
            "least": min(found, default=None), "most": max(found, default=None),
        })  # fmt: skip
    curves = {codec: mean_curve(rated[rated["codec"] == codec]) for codec in codecs}
    figure = panels.curves(curves, xlabel="bits per pixel", ylabel="predicted score")
    return {
        "anchor": anchor,
        "rows": rows,
        "figure": figure,
        "references": rated["ref_key"].nunique(),
    }


def rated_pairs(run: Run) -> pd.DataFrame:
    """ref_key, codec, bpp and score of the pairs for which all are known.

    The score is the out-of-fold prediction of a labelled pair, and that of scores.csv of another.
    """
    columns = ["ref_key", "codec", "bpp", "score"]
    parts = [part for part in (run.predictions, run.scores) if part is not None]
    if "codec" not in run.pairs or not parts:
        return pd.DataFrame(columns=columns)
    scores = pd.concat([part.set_index("pair_id")["score"] for part in parts])
    pairs = run.pairs[run.pairs["codec"].fillna("") != ""]
    pairs = pairs.assign(
        score=pairs["pair_id"].map(scores),
        bpp=[_rate(row) for row in pairs.to_dict("records")],
    )
    return pairs[columns].dropna()


def _rate(row: Mapping[Any, Any]) -> float:
    """Bits per pixel: as stated, or from the size of a coded file; NaN if unknown."""
    if math.isfinite(row["bpp"]):
        return float(row["bpp"])
    path = text_path(str(row["dist_path"]))
    if path.suffix.lower() not in CODED or not path.is_file():
        return math.nan
    width, height = map(int, str(row["dist_size"]).split("×"))
    return 8 * path.stat().st_size / (width * height)


def bd_rates(rated: pd.DataFrame, *, anchor: str, codec: str) -> list[float]:
    """BD-rate in percent of a codec against the anchor, for each reference that allows it."""
    found = []
    for _, rows in rated.groupby("ref_key"):
        ours, theirs = (rows[rows["codec"] == name] for name in (codec, anchor))
        rate = bd_rate(ours, theirs)
        if rate is not None:
            found.append(rate)
    return found


def bd_rate(rows: pd.DataFrame, anchor: pd.DataFrame) -> float | None:
    """Mean difference in rate at equal quality, in percent; below 0 the anchor needs more bits.

    The mean of log rate over the qualities that both reach (Bjøntegaard, ITU-T VCEG-M33, 2001),
    interpolated piecewise by monotone cubic polynomials (PCHIP) as in JCT-VC's practice.

    Parameters
    ----------
    rows, anchor : pd.DataFrame
        bpp and score of one reference. A point that costs more than another without a higher score
        is left out.

    Returns
    -------
    float | None
        None if a side has fewer than two points, or no quality is reached by both.
    """
    (own_score, own_rate), (score, rate) = map(_frontier, (rows, anchor))
    if min(len(own_score), len(score)) < 2:
        return None
    low, high = max(own_score[0], score[0]), min(own_score[-1], score[-1])
    if low >= high:
        return None
    ours = PchipInterpolator(own_score, own_rate).integrate(low, high)
    theirs = PchipInterpolator(score, rate).integrate(low, high)
    return 100 * math.expm1(float(ours - theirs) / (high - low))


def _frontier(rows: pd.DataFrame) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Scores, rising, and their log rates."""
    rows = rows.sort_values(["bpp", "score"], ascending=[True, False], kind="stable")
    scores = rows["score"].to_numpy(float)
    before = np.maximum.accumulate(np.concatenate([[-np.inf], scores[:-1]]))
    kept = scores > before
    return scores[kept], np.log(rows["bpp"].to_numpy(float)[kept])


def mean_curve(rows: pd.DataFrame) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Geometric mean rate and mean score over all references, level by level.

    A level is the rank of a rate among those of its reference, in at most `LEVELS` equal parts.
    """
    rank = rows.groupby("ref_key")["bpp"].rank(method="first", pct=True)
    most = int(rows.groupby("ref_key").size().max())
    level = np.ceil(rank * min(most, LEVELS)).astype(int)
    parts = rows.assign(bpp=np.log(rows["bpp"])).groupby(level)[["bpp", "score"]].mean()
    return np.exp(parts["bpp"].to_numpy(float)), parts["score"].to_numpy(float)
