"""A score as HTML: the number on its scale, its interval, contributions and heat map."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping, Sequence
from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PIL.Image import Image

_WIDTH, _HEIGHT, _MARGIN = 360.0, 26.0, 8.0
_BASELINE = "baseline"

_STYLE = "font-family:system-ui,sans-serif;font-variant-numeric:tabular-nums;max-width:26em"


def score_html(
    score: float,
    *,
    interval: tuple[float, float],
    scale: tuple[float, float] | None,
    like: str | None,
    coverage: float,
    facts: Sequence[str],
    contributions: Mapping[str, float],
    heat_map: Image | None,
) -> str:
    """An HTML fragment without scripts; it adopts the colours of the surrounding page.

    Parameters
    ----------
    score : float
    interval : (float, float)
        Ends of the prediction interval for the share ``coverage`` of pairs.
    scale : (float, float), optional
        Lowest and highest score; if unknown, only the interval is drawn.
    like : str, optional
        Which degradations get such scores, in words.
    facts : sequence of str
        Additional facts to show.
    contributions : mapping of str to float
        What each feature group adds to ``baseline``.
    heat_map : Image, optional
        The degraded picture with what it lost drawn over it.
    """
    low, high = interval
    said = "".join(f" · <b>{escape(fact)}</b>" for fact in facts)
    between = f"{100 * coverage:g} % interval {low:.2f} to {high:.2f}"
    of = f" of {scale[0]:g} to {scale[1]:g}" if scale else ""
    return (
        f'<div style="{_STYLE}">'
        f'<div><b style="font-size:1.6em">{score:.2f}</b>{of} · {between}{said}</div>'
        f"{_bar(score, interval, scale or interval, between)}"
        f"{f'<div>{escape(like)}</div>' if like else ''}{_table(contributions)}"
        f"{_picture(heat_map)}</div>"
    )


def _bar(
    score: float, interval: tuple[float, float], scale: tuple[float, float], between: str
) -> str:
    """The scale as a line, the interval as a thicker part of it, the score as a dot."""
    low, high = scale
    span = (high - low) or 1.0

    def at(value: float) -> float:
        inside = min(max((value - low) / span, 0.0), 1.0)
        return _MARGIN + inside * (_WIDTH - 2 * _MARGIN)

    middle = _HEIGHT / 2
    left, right = at(interval[0]), at(interval[1])
    return (
        f'<svg viewBox="0 0 {_WIDTH:g} {_HEIGHT:g}" width="100%" role="img"'
        f' aria-label="Score {score:.2f}, {between}" fill="currentColor">'
        f'<rect x="{_MARGIN:g}" y="{middle - 1:g}" width="{_WIDTH - 2 * _MARGIN:g}" height="2"'
        ' opacity=".3"/>'
        f'<rect x="{left:.1f}" y="{middle - 5:g}" width="{max(right - left, 1):.1f}" height="10"'
        ' rx="3" opacity=".35"/>'
        f'<circle cx="{at(score):.1f}" cy="{middle:g}" r="6"/></svg>'
    )


def _table(contributions: Mapping[str, float]) -> str:
    """The score of a typical pair, and what each group adds to it, largest first."""
    others = {name: value for name, value in contributions.items() if name != _BASELINE}
    rows = [("a typical pair", f"{contributions.get(_BASELINE, 0.0):.2f}")]
    rows += [
        (escape(name), f"{value:+.2f}".replace("-", "−"))
        for name, value in sorted(others.items(), key=lambda item: -abs(item[1]))
    ]
    cells = "".join(
        f'<tr><th scope="row" style="text-align:left;font-weight:normal">{name}</th>'
        f'<td style="text-align:right">{value}</td></tr>'
        for name, value in rows
    )
    return f'<table style="border-collapse:collapse">{cells}</table>'


def _picture(heat_map: Image | None) -> str:
    """The heat map as a figure that needs no file; empty if there is none."""
    if heat_map is None:
        return ""
    buffer = io.BytesIO()
    heat_map.save(buffer, "PNG")
    data = base64.b64encode(buffer.getvalue()).decode()
    return (
        '<figure style="margin:.6em 0 0"><img style="max-width:100%" alt="heat map"'
        f' src="data:image/png;base64,{data}"><figcaption style="font-size:.85em">'
        "What was lost, over the degraded picture: brighter is more.</figcaption></figure>"
    )
