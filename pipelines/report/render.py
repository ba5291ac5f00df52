"""report.html: a run's results on one page that needs no other file and no network."""

from __future__ import annotations

import math
from collections import Counter
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from pipelines.report import plots, tables
from pipelines.report.pictures import examples
from pipelines.report.plots import Dot
from pipelines.report.published import beside
from pipelines.runs.folder import REPORT
from pipelines.runs.model import audit_pairs
from pipelines.runs.reading import Run, read
from seiqa_features.files import write_whole

FINAL = "final = 0.6·SROCC + 0.4·PLCC"

TITLES = {
    "result": "Result",
    "learners": "Learners and fusion",
    "gain": "Is the stack better than its ingredients?",
    "challenge": "The challenge's published scores",
    "heldout": "Held-out splits",
    "folds": "Fold by fold",
    "laboratories": "Laboratories",
    "kinds": "Kinds of distortion",
    "calibration": "Calibration and errors",
    "intervals": "Prediction intervals",
    "ablation": "Groups of features",
    "sense": "Common sense",
    "examples": "Pairs as pictures",
    "data": "Data",
    "audit": "Data audit",
    "features": "Features",
    "made": "How this was made",
}
"""Sections by name, in their order; `templates/report_<name>.j2` is each one's body."""


def render_report(run: Path) -> Path:
    """Write report.html into a run folder.

    Parameters
    ----------
    run : Path
        Holds metrics.json and pairs.parquet; other files are used if present, and sections without
        their files are left out.

    Returns
    -------
    Path
        The report. Equal run folders give equal bytes.

    Raises
    ------
    ValueError
        The folder, its metrics.json or its pairs.parquet is missing.
    DataError
        The metrics were written by another version of seiqa.
    """
    found = read(run)
    content = _content(found)
    page = _template().render(
        **content,
        run=found,
        metrics=found.metrics,
        pseudo=found.label == "pseudo-label",
        label=found.label,
        sections={name: title for name, title in TITLES.items() if content[name]},
        extractors=tables.extractors(found.features),
        single_names=Counter(filter(None, found.metrics.best_single.names)),
        scores=None if found.scores is None else found.scores["score"].describe().to_dict(),
    )
    write_whole(run / REPORT, page.encode())
    return run / REPORT


def _content(run: Run) -> dict[str, Any]:
    """The content of each section; nothing if its data is absent."""
    approaches = tables.approaches(run.metrics)
    return {
        "result": _result(run, approaches),
        "learners": approaches,
        "gain": _gain(run),
        "challenge": beside(run),
        "heldout": run.metrics.heldout,
        "folds": tables.folds(run),
        "laboratories": _laboratories(run),
        "kinds": _kinds(run),
        "calibration": _calibration(run),
        "intervals": _intervals(run),
        "ablation": _ablation(run),
        "sense": {"found": run.metrics.sense, "left_out": run.metrics.sense_left_out}
        if run.metrics.sense or run.metrics.sense_left_out
        else {},
        "examples": _examples(run),
        "data": tables.splits(run),
        "audit": _audit(run),
        "features": run.features,
        "made": _made(run),
    }


def _result(run: Run, approaches: list[tables.Row]) -> dict[str, Any]:
    rows = [
        Dot(
            row["name"],
            row["final"],
            row["interval"],
            hollow=row["kind"] == "naive",
            emphasis=row["kind"] == "stack",
        )
        for row in approaches
    ]
    result: dict[str, Any] = {"comparison": plots.dots(rows, xlabel=FINAL)}
    if run.predictions is not None:
        mos, score = run.predictions["mos"], run.predictions["score"]
        result["scatter"] = plots.scatter(mos, score, label=run.label, limits=run.limits)
        result["spread"] = plots.few_values(mos)
        result["ordered"] = tables.share_ordered(mos.to_numpy(float), score.to_numpy(float))
    return result


def _gain(run: Run) -> dict[str, Any]:
    rows = tables.gains(run.metrics)
    marks = [Dot(row["name"], row["difference"], row["interval"], emphasis=True) for row in rows]
    return {"rows": rows, "figure": plots.dots(marks, xlabel="stack minus this, final", line=0.0)}


def _laboratories(run: Run) -> dict[str, Any]:
    cells = run.metrics.laboratories
    if not cells:
        return {}
    names = sorted({cell.judged_on for cell in cells})
    return {
        "rows": tables.laboratories(cells),
        "figure": plots.matrix([cell for cell in cells if cell.scored_as is None], names),
        "scales": run.metrics.scales,
    }


def _kinds(run: Run) -> dict[str, Any]:
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
    without_kinds = run.metrics.without_kinds or {}
    return {
        "rows": rows,
        "transfer": transfer,
        "without_kinds": without_kinds,
        "left_out": left_out,
        "figure": figure,
    }


def _calibration(run: Run) -> dict[str, Any]:
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


def _intervals(run: Run) -> dict[str, Any]:
    rows, figure = tables.coverage(run), None
    if run.predictions is not None:
        figure = plots.intervals(run.predictions, label=run.label)
    return {**run.metrics.prediction_interval.model_dump(), "rows": rows, "figure": figure}


def _ablation(run: Run) -> dict[str, Any]:
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


def _examples(run: Run) -> dict[str, Any]:
    shown = examples(run)
    return {**shown, "key": plots.colour_key()} if shown else {}


def _audit(run: Run) -> dict[str, Any]:
    """The audit of pairs and labels, with the kind of folds that this run used."""
    found = run.metrics.audit or audit_pairs(run.pairs, seed=run.settings.get("seed", 0))
    return {**found, "used": run.metrics.splits and run.metrics.splits.by}


def _made(run: Run) -> dict[str, Any]:
    timings = {name: _duration(seconds) for name, seconds in tables.timings(run).items()}
    versions = {**run.features.get("versions", {}), **run.libraries}
    return {"timings": timings, "versions": versions} if timings or versions or run.settings else {}


def _template() -> Any:
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["number"] = _number
    environment.filters["duration"] = _duration
    return environment.get_template("report.html.j2")


def _number(value: float | None, digits: int = 3, sign: bool = False) -> str:
    if value is None or not math.isfinite(value):
        return "–"
    return f"{value:{'+' if sign else ''}z.{digits}f}".replace("-", "−")  # z: no negative zero


def _duration(seconds: float) -> str:
    if seconds < 1:
        return f"{1000 * seconds:.3g} ms"
    if seconds < 120:
        return f"{seconds:.3g} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s"
