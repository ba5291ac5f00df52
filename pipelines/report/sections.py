"""Sections of the report with tables and figures of their own, as content of their templates."""

from __future__ import annotations

from typing import Any

from pipelines.report import panels, plots, tables
from pipelines.report.plots import Dot
from pipelines.runs.reading import Run


def kinds(run: Run) -> dict[str, Any]:
    """Figures kind by kind, and with the kind itself held out; empty if no kind is known."""
    rows, transfer = tables.kinds(run), run.metrics.transfer
    left_out = run.metrics.transfer_left_out
    if not (rows or transfer or left_out):
        return {}
    marks = [
        Dot(row["name"], row["srocc"], second=row["unseen"], emphasis=True)
        for row in rows
        if row["srocc"] is not None
    ]
    figure = plots.dots(marks, xlabel="SROCC") if marks and transfer else None
    scatter = None
    if run.predictions is not None and len(rows) > 1:
        names = tables.in_order(run.predictions["distortion"].unique())
        scatter = panels.by_kind(run.predictions, names, label=run.label, limits=run.limits)
    return {
        "scatter": scatter,
        "rows": rows,
        "transfer": transfer,
        "without_kinds": run.metrics.without_kinds or {},
        "left_out": left_out,
        "figure": figure,
    }


def calibration(run: Run) -> dict[str, Any]:
    """Whether the scale is right, and where the errors are."""
    if run.predictions is None:
        return {}
    bins = tables.reliability(run.predictions)
    mos, score = run.predictions["mos"], run.predictions["score"]
    return {
        "bins": len(bins),
        "slope": tables.slope(run.predictions),
        "kept": run.metrics.calibrated,
        "reliability": plots.reliability(bins, label=run.label),
        "residuals": plots.residuals(mos, score, label=run.label, limits=run.limits),
    }


def ablation(run: Run) -> dict[str, Any]:
    """What each group of features is worth."""
    found = run.metrics.ablation
    if found is None:
        return {}
    rows = tables.ablation(found)
    lost, alone = (
        [Dot(row["name"], row[figure], emphasis=True) for row in rows if row[figure] is not None]
        for figure in ("lost", "alone")
    )
    return {
        "learner": found.learner,
        "all": found.all,
        "rows": rows,
        "lost": plots.dots(lost, xlabel="final lost without it", line=0.0),
        "alone": plots.dots(alone, xlabel="final alone", line=found.all),
    }
