"""How far labels of the same pixels differ, and how well any model can do as a result.

Pictures that were scored more than once measure the label noise at no extra cost. Even perfect
predictions of the true scores miss this noise, so agreement has a ceiling: nothing above it can be
expected, or should be believed.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from seiqa_models.core.arrays import FloatVector
from seiqa_models.core.metrics import srocc

_DRAWS = 200
"""Number of noise draws; the mean SROCC over them is then accurate to about .0005."""

_CONTRADICTING = 1 / 3
"""Labels of equal pixels that differ by more than this share of the label range cannot both be
right."""


def label_noise(pairs: pd.DataFrame, *, seed: int = 0) -> dict[str, Any] | None:
    """Compare the labels of pairs with equal pixels.

    The noise variance is the variance of labels around the mean for their pixels, pooled over all
    pixels with several labels (one-way analysis of variance, within groups). The ceiling is the
    SROCC of true scores and labels, where the true scores are the labels shrunk towards their mean
    such that adding noise of this variance restores the labels' variance. The noise is assumed to
    be normal and homogeneous.

    Parameters
    ----------
    pairs : DataFrame
        With ``pair_id, mos, ref_key, dist_key``; rows without a label are ignored. With a column
        ``collection``, the one with the most repeated pictures is measured.
    seed : int
        Seed of the noise draws.

    Returns
    -------
    dict, JSON-ready, or None if no pixels have two labels
        ``pictures``: number of pictures with several labels; ``mean``, ``largest``: of the
        absolute differences between two labels of the same pixels, in units of the label;
        ``deviation``: standard deviation of the noise; ``share``: ``deviation`` as a share of the
        label range; ``ceiling``: of SROCC, 0..1; ``widest``: the two pair_ids that differ most;
        ``contradicting``: number of differences of more than a third of the label range.
    """
    labelled = pairs[pairs["mos"].notna()]
    if "collection" in labelled:  # scales differ: the one with the most repetitions tells most
        parts = [label_noise(rows.drop(columns="collection"), seed=seed)
                 for _, rows in labelled.groupby("collection")]  # fmt: skip
        return max(filter(None, parts), key=lambda found: found["pictures"], default=None)
    repeated = labelled[labelled.duplicated(["ref_key", "dist_key"], keep=False)]
    if repeated.empty:
        return None
    groups = [group for _, group in repeated.groupby(["ref_key", "dist_key"], sort=False)]
    differences = np.concatenate([_differences(group["mos"].to_numpy()) for group in groups])
    squares = sum(float(((mos := group["mos"]) - mos.mean()).pow(2).sum()) for group in groups)
    deviation = float(np.sqrt(squares / (len(repeated) - len(groups))))
    y = labelled["mos"].to_numpy(np.float64)
    span = float(np.ptp(y))
    widest = max(groups, key=lambda group: float(np.ptp(group["mos"])))
    ends = widest.set_index("pair_id")["mos"]
    return {
        "pictures": len(groups),
        "mean": float(differences.mean()),
        "largest": float(differences.max()),
        "deviation": deviation,
        "share": deviation / span if span else 0.0,
        "ceiling": _ceiling(y, deviation, seed),
        "widest": sorted([str(ends.idxmin()), str(ends.idxmax())]),
        "contradicting": int((differences > _CONTRADICTING * span).sum()) if span else 0,
    }


def said(noise: dict[str, Any]) -> list[str]:
    """The findings as text, one per line."""
    if not noise["largest"]:
        return []
    pictures = noise["pictures"]
    first, second = noise["widest"]
    lines = [
        f"{pictures} {'picture was' if pictures == 1 else 'pictures were'} scored more than once:"
        f" labels of equal pixels differ by {noise['mean']:.3g} on average and"
        f" {noise['largest']:.3g} at most ({first}, {second}); against labels of such noise even a"
        f" perfect model would reach an SROCC of {noise['ceiling']:.3f} and no more"
    ]
    if noise["contradicting"]:
        lines.append(
            f"{first} and {second} have equal pixels and labels that contradict each other: correct"
            " one or leave it out (pairs that differ by over a third of the labels' range:"
            f" {noise['contradicting']})"
        )
    return lines


def _differences(labels: FloatVector) -> FloatVector:
    """Absolute differences between every two of the labels."""
    first, second = np.triu_indices(len(labels), 1)
    return np.asarray(np.abs(labels[first] - labels[second]))


def _ceiling(y: FloatVector, deviation: float, seed: int) -> float:
    variance = float(y.var())
    if not variance or not deviation:
        return 1.0
    reliability = max(0.0, 1 - deviation**2 / variance)
    if not reliability:
        return 0.0
    true = y.mean() + np.sqrt(reliability) * (y - y.mean())
    rng = np.random.default_rng(seed)
    noisy = true + deviation * rng.normal(size=(_DRAWS, len(y)))
    return float(np.mean([srocc(true, labels) for labels in noisy]))
