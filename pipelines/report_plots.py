"""The report's figures and pictures, as data URIs so that the page needs no other file."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from matplotlib.figure import Figure
from numpy.typing import ArrayLike
from PIL import Image, ImageOps

THUMBNAIL_SIDE = 320

# Two hues that stay apart for every kind of colour vision (Okabe & Ito 2008), and greys.
ACCENT, INK, GREY, FAINT = "#0072B2", "#1a1a1a", "#767676", "#d9d9d9"

_MAX_VECTOR_POINTS = 2000
"""Beyond this a scatter's points are drawn as a bitmap, which keeps the page small."""

_STYLE: dict[Any, Any] = {
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
    "svg.hashsalt": "seiqa",  # with the date left out: equal runs give equal bytes
}


@dataclass(frozen=True)
class Estimate:
    """One row of the comparison: a final score, its interval where known, and how to draw it."""

    name: str
    final: float
    interval: tuple[float, float] | None = None
    honest: bool = True
    emphasis: bool = False


def scatter(mos: ArrayLike, score: ArrayLike, *, label: str, limits: tuple[float, float]) -> str:
    """Predicted score against label with the identity line, as an SVG data URI.

    Labels of few distinct values (such as 0..5) are spread sideways by a fixed pattern, so that
    points do not hide each other.
    """
    x, y = np.asarray(mos, dtype=float), np.asarray(score, dtype=float)
    margin = 0.06 * (limits[1] - limits[0])
    low, high = min(limits[0], float(y.min())) - margin, max(limits[1], float(y.max())) + margin
    if few_values(x):
        x = x + margin * np.random.default_rng(0).uniform(-1, 1, len(x))
    with matplotlib.rc_context(_STYLE):
        figure = Figure(figsize=(4.6, 4.5), layout="constrained")
        axes = figure.subplots()
        axes.plot([low, high], [low, high], color=GREY, linewidth=1, linestyle=(0, (4, 3)))
        axes.scatter(
            x,
            y,
            s=20,
            color=ACCENT,
            alpha=0.45,
            linewidths=0,
            rasterized=len(x) > _MAX_VECTOR_POINTS,
        )
        axes.set(xlim=(low, high), ylim=(low, high), aspect="equal")
        axes.set(xlabel=label, ylabel="predicted score (out-of-fold)")
        return _svg(figure)


def few_values(values: ArrayLike) -> bool:
    """Whether labels have so few distinct values that their points would hide each other."""
    return len(np.unique(np.asarray(values))) <= 12


def comparison(estimates: Sequence[Estimate]) -> str:
    """Final score of everything side by side, a dot (and an interval) a row, as an SVG data URI."""
    with matplotlib.rc_context(_STYLE):
        figure = Figure(figsize=(4.6, 0.9 + 0.29 * len(estimates)), layout="constrained")
        axes = figure.subplots()
        for row, estimate in enumerate(reversed(estimates)):
            colour = ACCENT if estimate.emphasis else GREY
            if estimate.interval is not None:
                axes.plot(estimate.interval, (row, row), color=colour, linewidth=2, alpha=0.5)
            face = colour if estimate.honest else "white"
            axes.plot(estimate.final, row, "o", markersize=7, color=colour, markerfacecolor=face)
        axes.set_yticks(range(len(estimates)), [row.name for row in reversed(estimates)])
        axes.set_ylim(-0.6, len(estimates) - 0.4)
        axes.grid(axis="x", color=FAINT, linewidth=0.7)
        axes.set_axisbelow(True)
        axes.tick_params(axis="y", length=0)
        axes.spines["left"].set_visible(False)
        axes.set_xlabel("final = 0.6·SROCC + 0.4·PLCC")
        for tick in axes.get_yticklabels():
            tick.set_parse_math(False)  # a name may hold a $
        return _svg(figure)


def thumbnail(path: Path) -> str | None:
    """A picture as a JPEG data URI of at most THUMBNAIL_SIDE pixels; None if it cannot be read."""
    try:
        with Image.open(path) as image:
            upright = ImageOps.exif_transpose(image)
            if upright.mode.startswith("I;16"):
                upright = Image.fromarray((np.asarray(upright) // 257).astype(np.uint8))
            small = upright.convert("RGB")
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError):
        return None
    small.thumbnail((THUMBNAIL_SIDE, THUMBNAIL_SIDE))
    buffer = io.BytesIO()
    small.save(buffer, "JPEG", quality=82)
    return _data_uri("image/jpeg", buffer.getvalue())


def _svg(figure: Figure) -> str:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="svg", metadata={"Date": None}, dpi=200)
    return _data_uri("image/svg+xml", buffer.getvalue())


def _data_uri(kind: str, content: bytes) -> str:
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"
