"""Figures of several panels or series, and maps, as data URIs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from pipelines.report.plots import (
    ACCENT,
    FAINT,
    MAX_VECTOR_POINTS,
    as_svg,
    drawing,
    identity,
    reach,
    short,
    spread,
)

# Hues and marks that are distinct for every kind of colour vision (Okabe & Ito 2008).
HUES = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#767676")
MARKS = "osD^vPX"


def by_kind(
    rows: pd.DataFrame, kinds: Sequence[str], *, label: str, limits: tuple[float, float]
) -> list[tuple[str, str]]:
    """(kind, score against label as an SVG data URI) for each of these values of `distortion`.

    Each kind has a figure of its own, so that a narrow page can put fewer of them side by side.
    """
    x, y = spread(rows["mos"].to_numpy(float), limits), rows["score"].to_numpy(float)
    low, high = reach(limits, y)
    many = len(rows) * len(kinds) > 2 * MAX_VECTOR_POINTS
    drawn = []
    for kind in kinds:
        of_kind = (rows["distortion"] == kind).to_numpy()
        with drawing(2.4, 2.5) as (figure, axes):
            identity(axes, low, high)
            axes.scatter(x, y, s=6, color=FAINT, linewidths=0, rasterized=many)
            axes.scatter(x[of_kind], y[of_kind], s=12, color=ACCENT, alpha=0.6, linewidths=0)
            axes.set(xlim=(low, high), ylim=(low, high), aspect="equal")
            axes.set(xlabel=label, ylabel="predicted score")
            axes.locator_params(nbins=6)
            axes.set_title(short(kind or "not known"), fontsize=10, parse_math=False)
        drawn.append((kind or "not known", as_svg(figure)))
    return drawn


def similarity(matrix: pd.DataFrame) -> str:
    """A map of values in 0..1 between named rows and columns, as an SVG data URI."""
    names = [short(str(name)) for name in matrix]
    side = 1.6 + 0.26 * len(names)
    with drawing(side + 0.6, side) as (figure, axes):
        values = matrix.to_numpy(float)
        least = float(np.floor(10 * values.min()) / 10)
        drawn = axes.imshow(values, cmap="Blues", vmin=least, vmax=1)
        axes.set_xticks(range(len(names)), names, rotation=90)
        axes.set_yticks(range(len(names)), names)
        axes.tick_params(length=0)
        axes.spines[:].set_visible(False)
        figure.colorbar(drawn, ax=axes, shrink=0.7, label="|SROCC|")
    return as_svg(figure)


def curves(series: Mapping[str, tuple[ArrayLike, ArrayLike]], *, xlabel: str, ylabel: str) -> str:
    """A line for each named series of x and y, x on a logarithmic axis, as an SVG data URI."""
    with drawing(5.0, 3.8) as (figure, axes):
        for number, (name, (x, y)) in enumerate(series.items()):
            look: dict[str, Any] = {
                "color": HUES[number % len(HUES)],
                "marker": MARKS[number % len(MARKS)],
            }
            axes.plot(x, y, linewidth=1.5, markersize=5, label=short(name), **look)
        axes.set_xscale("log", base=2)
        axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
        axes.grid(color=FAINT, linewidth=0.7)
        axes.set(xlabel=xlabel, ylabel=ylabel)
        for text in axes.legend(frameon=False).get_texts():
            text.set_parse_math(False)
    return as_svg(figure)
