"""The report's figures, as data URIs so that the page needs no other file."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from numpy.typing import ArrayLike

from seiqa_features.extraction.heatmap import overlay
from seiqa_models.judged import Judged

# Two hues that are distinct for every kind of colour vision (Okabe & Ito 2008), and greys.
ACCENT, SECOND, INK, GREY, FAINT = "#0072B2", "#D55E00", "#1a1a1a", "#767676", "#d9d9d9"

WIDTH = 4.6  # inches, for a figure that takes half of the page
LONGEST_NAME = 26
MAX_VECTOR_POINTS = 2000
"""Above this number, points are drawn as a bitmap, which keeps the page small."""

STYLE: dict[Any, Any] = {
    "font.family": "sans-serif",
    "font.size": 10,
    "axes.edgecolor": GREY,
    "axes.labelcolor": INK,
    "xtick.color": GREY,
    "ytick.color": GREY,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "svg.hashsalt": "seiqa",  # and no date: equal runs give equal bytes
}


@dataclass(frozen=True)
class Dot:
    """One row of a dot plot: a value, its interval if known, and how to draw it."""

    name: str
    value: float
    interval: tuple[float, float] | None = None
    hollow: bool = False
    emphasis: bool = False
    second: float | None = None


def dots(rows: Sequence[Dot], *, xlabel: str, line: float | None = None) -> str:
    """One dot (and interval) per row, the first row on top, as an SVG data URI.

    A row's `second` value is drawn as a hollow diamond. `line` is the position of a dashed line.
    """
    with drawing(WIDTH, 0.9 + 0.22 * len(rows)) as (figure, axes):
        for place, row in enumerate(reversed(rows)):
            colour = ACCENT if row.emphasis else GREY
            if row.interval is not None:
                axes.plot(row.interval, (place, place), color=colour, linewidth=2, alpha=0.5)
            face = "white" if row.hollow else colour
            axes.plot(row.value, place, "o", markersize=7, color=colour, markerfacecolor=face)
            if row.second is not None:
                axes.plot(
                    row.second, place, "D", markersize=6, color=SECOND, markerfacecolor="white"
                )
        if line is not None:
            axes.axvline(line, color=GREY, linewidth=1, linestyle=(0, (4, 3)), zorder=0)
        axes.set_yticks(range(len(rows)), [short(row.name) for row in reversed(rows)])
        axes.set_ylim(-0.6, len(rows) - 0.4)
        axes.grid(axis="x", color=FAINT, linewidth=0.7)
        axes.locator_params(axis="x", nbins=6)
        axes.tick_params(axis="y", length=0)
        axes.spines["left"].set_visible(False)
        axes.set_xlabel(xlabel)
        for tick in axes.get_yticklabels():
            tick.set_parse_math(False)  # a name may hold a $
    return as_svg(figure)


def scatter(rows: pd.DataFrame, *, label: str, limits: tuple[float, float]) -> str:
    """Predicted score against label with the identity line, as an SVG data URI.

    Labels of few distinct values (such as 0..5) are spread sideways by a fixed pattern, so that
    points do not hide each other.
    """
    x, y = rows["mos"].to_numpy(float), rows["score"].to_numpy(float)
    low, high = reach(limits, y)
    with drawing(WIDTH, 4.5) as (figure, axes):
        identity(axes, low, high)
        points(axes, spread(x, limits), y)
        axes.set(xlim=(low, high), ylim=(low, high), aspect="equal")
        axes.set(xlabel=label, ylabel="predicted score (out-of-fold)")
    return as_svg(figure)


def reliability(bins: Sequence[Mapping[str, Any]], *, label: str) -> str:
    """Mean label against mean score of each part, with intervals, as an SVG data URI."""
    reached = [
        edge for row in bins for edge in (row["score"], row["mos"], *(row["interval"] or ()))
    ]
    low, high = reach((min(reached), max(reached)), np.array(reached))
    with drawing(WIDTH, 4.2) as (figure, axes):
        identity(axes, low, high)
        for row in bins:
            if row["interval"] is not None:
                axes.plot([row["score"]] * 2, row["interval"], color=ACCENT, linewidth=2, alpha=0.5)
        axes.plot(
            [row["score"] for row in bins], [row["mos"] for row in bins], "o-", color=ACCENT, lw=1
        )
        axes.set(xlim=(low, high), ylim=(low, high), aspect="equal")
        axes.set(xlabel="mean predicted score", ylabel=f"mean {label}")
    return as_svg(figure)


def residuals(mos: ArrayLike, score: ArrayLike, *, label: str, limits: tuple[float, float]) -> str:
    """Score minus label against label, and its mean in equal parts, as an SVG data URI."""
    x, y = np.asarray(mos, dtype=float), np.asarray(score, dtype=float) - np.asarray(mos, float)
    parts = np.array_split(np.argsort(x, kind="stable"), min(10, max(2, len(x) // 15)))
    with drawing(WIDTH, 4.2) as (figure, axes):
        axes.axhline(0, color=GREY, linewidth=1, linestyle=(0, (4, 3)))
        points(axes, spread(x, limits), y)
        means = [(x[at].mean(), y[at].mean()) for at in parts]
        axes.plot(*zip(*means, strict=True), "s-", color=SECOND, markersize=5, linewidth=1.5)
        axes.set(xlabel=label, ylabel=f"predicted score − {label}")
    return as_svg(figure)


def intervals(table: pd.DataFrame, *, label: str) -> str:
    """Prediction intervals by score, and the labels inside and outside, as an SVG data URI."""
    rows = table.sort_values("score", kind="stable")
    place, inside = np.arange(len(rows)), rows["mos"].between(rows["low"], rows["high"]).to_numpy()
    mos = rows["mos"].to_numpy(float)
    with drawing(WIDTH, 4.2) as (figure, axes):
        axes.fill_between(place, rows["low"], rows["high"], color=FAINT, linewidth=0, step="mid")
        axes.plot(place, rows["score"], color=INK, linewidth=1)
        points(axes, place[inside], mos[inside])
        many = len(rows) > MAX_VECTOR_POINTS
        axes.plot(place[~inside], mos[~inside], "x", color=SECOND, markersize=5, rasterized=many)
        axes.set(xlabel="pairs in order of predicted score", ylabel=label, xticks=[])
    return as_svg(figure)


def matrix(cells: Sequence[Judged], names: Sequence[str]) -> str:
    """SROCC by what was trained on (rows) and judged on (columns), as an SVG data URI.

    Cells whose laboratory was left out from training have a frame.
    """
    trained = list(dict.fromkeys(cell.trained_on for cell in sorted(cells, key=_size)))
    with drawing(2.2 + 1.1 * len(names), 1.1 + 0.5 * len(trained)) as (figure, axes):
        values = np.full((len(trained), len(names)), np.nan)
        for cell in cells:
            row, column = trained.index(cell.trained_on), names.index(cell.judged_on)
            values[row, column] = cell.srocc
            if cell.left_out:
                frame = Rectangle((column - 0.46, row - 0.44), 0.92, 0.88, fill=False, lw=2, ec=INK)
                axes.add_patch(frame)
        axes.imshow(values, cmap="Blues", vmin=0.5, vmax=1.15, aspect="auto")
        for row, column in np.argwhere(np.isfinite(values)):
            axes.text(column, row, f"{values[row, column]:.3f}", ha="center", va="center")
        axes.set_xticks(range(len(names)), [short(name) for name in names])
        axes.set_yticks(range(len(trained)), [short(" + ".join(part)) for part in trained])
        axes.set(xlabel="judged on", ylabel="trained on")
        axes.spines[:].set_visible(False)
        axes.tick_params(length=0)
        for tick in [*axes.get_xticklabels(), *axes.get_yticklabels()]:
            tick.set_parse_math(False)  # a name may hold a $
    return as_svg(figure)


def colour_key() -> str:
    """The colours of a difference picture and their meaning, as an SVG data URI."""
    grey = np.full((8, 256, 3), 0.5, np.float32)
    shown = overlay(grey, np.linspace(0, 1, 256, dtype=np.float32)[None] ** 2)
    with drawing(2.6, 0.55) as (figure, axes):
        axes.imshow(shown, aspect="auto", extent=(0, 1, 0, 1))
        marks = np.array([0, 0.05, 0.2, 0.5, 1])
        axes.set_xticks(np.sqrt(marks), [f"{mark:g}" for mark in marks])  # as overlay's colours
        axes.set_yticks([])
        axes.spines[:].set_visible(False)
    return as_svg(figure)


def few_values(values: ArrayLike) -> bool:
    """Whether labels have so few distinct values that their points would hide each other."""
    return len(np.unique(np.asarray(values))) <= 12


def data_uri(kind: str, content: bytes) -> str:
    """A file's content as a data URI."""
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"


@contextmanager
def drawing(width: float, height: float) -> Iterator[tuple[Figure, Axes]]:
    """A figure of that size in inches, in the style of the report."""
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(width, height), layout="constrained")
        yield figure, figure.subplots()


def _size(cell: Judged) -> tuple[int, tuple[str, ...]]:
    return len(cell.trained_on), cell.trained_on


def short(name: str) -> str:
    """A name shortened to leave room for the plot; tables show it in full."""
    return name if len(name) <= LONGEST_NAME else f"{name[: LONGEST_NAME - 1]}…"


def identity(axes: Axes, low: float, high: float) -> None:
    """Draw the line of perfect agreement."""
    axes.plot([low, high], [low, high], color=GREY, linewidth=1, linestyle=(0, (4, 3)))


def points(axes: Axes, x: ArrayLike, y: ArrayLike) -> None:
    """Draw points, as a bitmap if they are many."""
    many = np.size(x) > MAX_VECTOR_POINTS
    axes.scatter(x, y, s=20, color=ACCENT, alpha=0.45, linewidths=0, rasterized=many)


def reach(limits: tuple[float, float], values: np.typing.NDArray[Any]) -> tuple[float, float]:
    """Ends of an axis that holds the scale and the values, with a margin."""
    margin = 0.06 * (limits[1] - limits[0])
    low, high = min(limits[0], float(values.min())), max(limits[1], float(values.max()))
    return low - margin, high + margin


def spread(x: np.typing.NDArray[Any], limits: tuple[float, float]) -> np.typing.NDArray[Any]:
    """Few distinct labels spread sideways by a fixed pattern, within the margin of the axes."""
    if not few_values(x):
        return x
    sideways = 0.03 * (limits[1] - limits[0])  # less than the margin of the axes
    return x + sideways * np.random.default_rng(0).uniform(-1, 1, len(x))


def as_svg(figure: Figure) -> str:
    """The figure as a data URI; equal figures give equal bytes."""
    buffer = io.BytesIO()
    with matplotlib.rc_context(STYLE):
        figure.savefig(buffer, format="svg", metadata={"Date": None}, dpi=200)
    return data_uri("image/svg+xml", buffer.getvalue())
