"""Predicted score against label as inline SVG, whose points name their pair under the pointer."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from markupsafe import Markup, escape

from pipelines.report.plots import few_values
from seiqa_models.core.arrays import FloatVector

MOST_POINTS = 4000
"""With more pairs the page would grow by megabytes; a bitmap is drawn instead."""

SIDE, LEFT, BELOW = 430.0, 46.0, 44.0  # pixels of the plot and of the room for its labels
JITTER = 0.02  # of the scale, to each side


def hover_scatter(rows: pd.DataFrame, *, label: str, limits: tuple[float, float]) -> Markup:
    """Predicted score against label: a point for each pair, which names it, and the identity line.

    Parameters
    ----------
    rows : pd.DataFrame
        pair_id, mos, score, and optionally low, high and distortion.
    label : str
        Name of the labels.
    limits : (float, float)
        Ends of the label scale; labels of few distinct values are spread sideways within the axes.
    """
    x = rows["mos"].to_numpy(float)
    if few_values(x):
        sideways = np.random.default_rng(0).uniform(-1, 1, len(x))
        x = x + JITTER * (limits[1] - limits[0]) * sideways
    return named_points(
        x, rows["score"].to_numpy(float), [_said(row, label) for row in rows.to_dict("records")],
        names=(label, "predicted score (out-of-fold)"), limits=limits,
        alt=f"Predicted score against {label} of {len(rows)} pairs",
    )  # fmt: skip


def named_points(
    x: FloatVector,
    y: FloatVector,
    said: Sequence[Markup],
    *,
    names: tuple[str, str],
    limits: tuple[float, float],
    alt: str,
) -> Markup:
    """An SVG element: points with a text each, on two axes of one scale, and the identity line.

    Parameters
    ----------
    x, y : float64 [n]
    said : sequence of Markup
        What each point shows under the pointer.
    names : (str, str)
        Of the axes.
    limits : (float, float)
        Ends of the scale; the axes reach further for values of y outside.
    alt : str
        The picture in words.
    """
    margin = 0.05 * (limits[1] - limits[0])
    low, high = min(limits[0], float(y.min())) - margin, max(limits[1], float(y.max())) + margin

    def at(value: float) -> float:
        return SIDE * (value - low) / (high - low)

    circles = Markup().join(
        Markup('<circle cx="{:.1f}" cy="{:.1f}" r="4"><title>{}</title></circle>').format(
            LEFT + at(across), SIDE - at(up), text
        )
        for across, up, text in zip(x, y, said, strict=True)
    )
    return Markup(
        '<svg class="points" viewBox="0 0 {width:g} {height:g}" role="img" aria-label="{alt}">'
        '<path d="M{left:g} 0V{side:g}H{width:g}" class="axis"/>'
        '<path d="M{left:g} {side:g}L{width:g} 0" class="identity"/>{ticks}'
        '<text x="{middle:g}" y="{bottom:g}" text-anchor="middle">{across}</text>'
        '<text transform="translate(12 {half:g}) rotate(-90)" text-anchor="middle">'
        "{up}</text>{circles}</svg>"
    ).format(
        width=LEFT + SIDE, height=SIDE + BELOW, left=LEFT, side=SIDE, across=names[0], up=names[1],
        middle=LEFT + SIDE / 2, half=SIDE / 2, bottom=SIDE + BELOW - 6, alt=alt,
        ticks=Markup().join(_ticks(low, high)), circles=circles,
    )  # fmt: skip


def _ticks(low: float, high: float) -> Iterator[Markup]:
    step = 10 ** math.floor(math.log10((high - low) / 2))
    step *= next(times for times in (1, 2, 5, 10) if (high - low) / (times * step) <= 8)
    for number in range(math.ceil(low / step), math.floor(high / step) + 1):
        place, text = SIDE * (number * step - low) / (high - low), f"{number * step:g}"
        yield Markup('<text x="{:.1f}" y="{:g}" text-anchor="middle">{}</text>').format(
            LEFT + place, SIDE + 18, text
        )
        yield Markup('<text x="{:g}" y="{:.1f}" text-anchor="end">{}</text>').format(
            LEFT - 6, SIDE - place + 4, text
        )


def _said(row: Mapping[Any, Any], label: str) -> Markup:
    """What the pointer shows of a pair."""
    lines = [str(row["pair_id"]), f"{label} {row['mos']:.2f}, predicted {row['score']:.2f}"]
    if "low" in row:
        lines.append(f"interval {row['low']:.2f} to {row['high']:.2f}")
    if row.get("distortion"):
        lines.append(f"distortion: {row['distortion']}")
    return escape("\n".join(lines))
