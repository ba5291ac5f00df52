"""What the page shows for a scored pair: the score, its meaning, and its contributions."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

import numpy as np
import pandas as pd
from PIL import Image

from pipelines.report.plots import colour_key
from seiqa_features.extraction.heatmap import difference_map, overlay
from seiqa_models.score import COVERAGE, Score

SHOWN_SIDE = 1024
"""Longest side of the heat map, pixels."""

SHOWN = ("pair", "score", "interval", "remarks", "ref", "dist")
"""Columns of the table of many pairs: what a phone has no room for comes last."""

THUMBNAIL_SIDE = 64  # pixels

BARS = 12
"""Number of groups in the chart; the rest are summed."""

# Two hues that are distinct for every kind of colour vision (Okabe & Ito 2008).
UP, DOWN, INK, GREY = "#0072B2", "#D55E00", "#1a1a1a", "#767676"

UNFAMILIAR = (
    "Unlike every pair that this model was trained on. The score is not reliable: its interval has "
    "been widened and may still be too narrow."
)


@dataclass(frozen=True)
class Scale:
    """The range of scores and who gave the labels: people, or a program (pseudo-labels)."""

    low: float
    high: float
    pseudo: bool

    @property
    def ends(self) -> tuple[str, str]:
        """What the lowest and the highest score mean."""
        low, high = f"{self.low:.3g}", f"{self.high:.3g}"
        if (self.low, self.high) == (0, 5):
            return f"{low}: none of the meaning is left", f"{high}: all of it is left"
        return f"{low}: lowest label in training", f"{high}: highest"


EDITED = "A part of the picture seems to have been removed, covered, replaced or rewritten."
AGREE = "The metrics agree on this pair."
DISAGREE = "The metrics disagree on this pair; the score relies on the trained model alone."


def score_card(score: Score, scale: Scale, collection: str | None = None) -> str:
    """The score, its interval and the scale, as HTML.

    Parameters
    ----------
    collection : str | None
        The collection whose observers' scores are predicted, None for no particular one.
    """
    start, end = (100 * _share(value, scale) for value in (score.low, score.high))
    low_end, high_end = scale.ends
    warning = f'<p class="warning" role="alert"><b>Unfamiliar.</b> {UNFAMILIAR}</p>'
    same = "<p>The two pictures are the same, pixel by pixel.</p>" if score.identical else ""
    agreement = f"<p>{AGREE if score.agree else DISAGREE}</p>"
    pseudo = (
        "<p>This model learned from pseudo-labels, made up by a program; no human opinion is in "
        "the score.</p>"
    )
    return (
        '<div class="seiqa-score">'
        f'<p><b class="number">{score:.2f}</b> on a scale from {scale.low:.3g} to '
        f"{scale.high:.3g}{_as(collection)}; {100 * COVERAGE:.0f}\N{NO-BREAK SPACE}% interval "
        f"{score.low:.2f} to {score.high:.2f}</p>"
        f"{f'<p>{_sentence(score.like)}</p>' if score.like else ''}"
        f"{warning if score.unfamiliar else same}"
        f"{'' if score.identical else agreement}"
        f"{f'<p>{EDITED}</p>' if score.edited else ''}"
        f'<div class="track" role="img" aria-label="{score:.2f}, interval {score.low:.2f} to '
        f'{score.high:.2f}, of {scale.low:.3g} to {scale.high:.3g}">'
        f'<span class="interval" style="left:{start:.1f}%;width:{end - start:.1f}%"></span>'
        f'<span class="mark" style="left:{100 * _share(score, scale):.1f}%"></span></div>'
        f'<p class="ends"><span>{low_end}</span><span>{high_end}</span></p>'
        f"{pseudo if scale.pseudo else ''}</div>"
    )


def _sentence(said: str) -> str:
    return escape(f"{said[0].upper()}{said[1:]}.")


def _as(collection: str | None) -> str:
    return "" if collection is None else f", as the observers of {escape(collection)}"


def _share(value: float, scale: Scale) -> float:
    return float(np.clip((value - scale.low) / (scale.high - scale.low), 0, 1))


def heat_map(ref: Image.Image, dist: Image.Image) -> Image.Image:
    """Where the degraded picture differs from the reference, laid over the degraded one."""
    size = _fitted(dist.size)
    before, after = (
        np.asarray(image.resize(size, Image.Resampling.LANCZOS), dtype=np.float32) / np.float32(255)
        for image in (ref, dist)
    )
    return Image.fromarray(overlay(after, difference_map(ref=before, dist=after)))


def _fitted(size: tuple[int, int]) -> tuple[int, int]:
    scale = min(1.0, SHOWN_SIDE / max(size))
    return max(1, round(size[0] * scale)), max(1, round(size[1] * scale))


def colour_key_figure() -> str:
    """What the colours of the heat map mean, as HTML."""
    return (
        '<figure class="seiqa-key"><img src="'
        f'{colour_key()}" alt="colours of the map, from 0, dark, to 1, bright"><figcaption>'
        "What was lost, over the degraded picture in grey. 0: nothing; 1: everything."
        "</figcaption></figure>"
    )


def thumbnails(*pictures: Image.Image) -> str:
    """Small versions of the pictures, as HTML that needs no file."""
    shown = []
    for picture in pictures:
        small = picture.copy()
        small.thumbnail((THUMBNAIL_SIDE, THUMBNAIL_SIDE))
        buffer = io.BytesIO()
        small.save(buffer, "WEBP", quality=70)
        data = base64.b64encode(buffer.getvalue()).decode()
        shown.append(f'<img src="data:image/webp;base64,{data}" alt="">')
    return "".join(shown)


def score_table(table: pd.DataFrame, small: Sequence[str], collection: str | None = None) -> str:
    """Scores of many pairs, and the number without a score, as HTML.

    Parameters
    ----------
    table : pd.DataFrame
        ref, dist, score, low, high, unfamiliar, agree, edited and problem, which is empty for pairs
        with a score.
    small : sequence of str
        `thumbnails` of each pair, the only HTML among the cells.
    collection : str | None
        As for `score_card`.
    """
    failed = int((table["problem"] != "").sum())
    rest = f"; {failed} could not be scored (see remarks)" if failed else ""
    head = "".join(f'<th scope="col">{name}</th>' for name in SHOWN)
    rows = (
        f"<td>{pictures}</td>" + "".join(f"<td>{escape(cell)}</td>" for cell in _cells(row))
        for pictures, row in zip(small, table.to_dict("records"), strict=True)
    )
    return (
        f"<p>{len(table) - failed} of {len(table)} pairs scored{_as(collection)}{rest}.</p>"
        f'<div class="seiqa-table"><table><thead><tr>{head}</tr></thead>'
        f"<tbody><tr>{'</tr><tr>'.join(rows)}</tr></tbody></table></div>"
    )


def _cells(row: Mapping[Any, Any]) -> tuple[str, ...]:
    """A pair's cells but for its thumbnails, in the order of `SHOWN`."""
    if row["problem"]:
        return "", "", row["problem"], row["ref"], row["dist"]
    told = {
        "unfamiliar": row["unfamiliar"] == "yes",
        "metrics disagree": row["agree"] == "no",
        "edited": row["edited"] == "yes",
    }
    remarks = ", ".join(name for name, holds in told.items() if holds)
    interval = f"{row['low']:.2f} to {row['high']:.2f}"
    return f"{row['score']:.2f}", interval, remarks, row["ref"], row["dist"]


def contribution_chart(contributions: Mapping[str, float]) -> str:
    """What each group of features added to or took from the score, as HTML.

    Parameters
    ----------
    contributions : Mapping[str, float]
        Group → points, and "baseline", where the sum starts.
    """
    rows = _rows(contributions)
    told = "; ".join(f"{name} {value:+z.2f}" for name, value in rows)
    start = contributions["baseline"]
    return (
        '<figure class="seiqa-chart"><figcaption>What moved the score. A typical pair scores '
        f"{start:.2f}; each group of features raises or lowers that.</figcaption>"
        f'<img src="{_draw(rows)}" alt="{escape(told)}"></figure>'
    )


def _rows(contributions: Mapping[str, float]) -> list[tuple[str, float]]:
    """Groups sorted by absolute contribution, largest first; the smallest ones in one row."""
    parts = [(name, value) for name, value in contributions.items() if name != "baseline"]
    parts.sort(key=lambda part: -abs(part[1]))
    if len(parts) <= BARS:
        return parts
    rest = parts[BARS - 1 :]
    return [*parts[: BARS - 1], (f"{len(rest)} others", sum(value for _, value in rest))]


def _draw(rows: list[tuple[str, float]]) -> str:
    """Horizontal bars with their values, as an SVG data URI."""
    import matplotlib
    from matplotlib.figure import Figure

    with matplotlib.rc_context({"font.size": 11, "svg.hashsalt": "seiqa"}):
        figure = Figure(figsize=(5.2, 0.5 + 0.33 * len(rows)), layout="constrained")
        axes = figure.subplots()
        for row, (_, value) in enumerate(reversed(rows)):
            axes.barh(row, value, height=0.62, color=UP if value >= 0 else DOWN)
            axes.annotate(
                f"{value:+z.2f}",
                (value, row),
                xytext=(4 if value >= 0 else -4, 0),
                textcoords="offset points",
                ha="left" if value >= 0 else "right",
                va="center",
                color=INK,
            )
        axes.axvline(0, color=GREY, linewidth=1)
        axes.set_yticks(range(len(rows)), [name for name, _ in reversed(rows)])
        axes.tick_params(axis="y", length=0)
        axes.set_xticks([])
        axes.margins(x=0.16)
        for side in ("top", "right", "bottom", "left"):
            axes.spines[side].set_visible(False)
        for tick in axes.get_yticklabels():
            tick.set_parse_math(False)  # a name may hold a $
        buffer = io.BytesIO()
        figure.savefig(buffer, format="svg", metadata={"Date": None})
    return f"data:image/svg+xml;base64,{base64.b64encode(buffer.getvalue()).decode()}"
