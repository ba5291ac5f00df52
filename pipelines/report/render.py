"""report.html: a run's results on one page that needs no other file and no network."""

from __future__ import annotations

import math
from base64 import b64encode
from collections import Counter
from hashlib import sha256
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from pipelines.report import columns, plots, rates, sections, tables
from pipelines.report.pictures import examples
from pipelines.report.plots import Dot
from pipelines.report.points import MOST_POINTS, hover_scatter
from pipelines.report.published import beside
from pipelines.runs.folder import REPORT
from pipelines.runs.model import audit_pairs
from pipelines.runs.reading import Run, read
from seiqa_features.writing import write_whole
from seiqa_models.core.checks import FEW_GROUPS

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
    "rates": "Rate and quality",
    "calibration": "Calibration and errors",
    "intervals": "Prediction intervals",
    "anchors": "What scores mean",
    "ablation": "Groups of features",
    "similar": "Which features are redundant",
    "sense": "Common sense",
    "examples": "Pairs as pictures",
    "disagreement": "Where score and other metrics disagree",
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
    jinja = environment()
    script, script_hash = hashed_script(jinja)
    page = jinja.get_template("report.html.j2").render(
        **content,
        script=script,
        script_hash=script_hash,
        run=found,
        metrics=found.metrics,
        pseudo=found.label == "pseudo-label",
        label=found.label,
        sections={name: title for name, title in TITLES.items() if content[name]},
        few_groups=FEW_GROUPS,
        extractors=tables.extractors(found.features),
        single_names=Counter(filter(None, found.metrics.best_single.names)),
        scores=None if found.scores is None else found.scores["score"].describe().to_dict(),
    )
    write_whole(run / REPORT, page.encode())
    return run / REPORT


def _content(run: Run) -> dict[str, Any]:
    """The content of each section; nothing if its data is absent."""
    approaches = tables.approaches(run.metrics)
    chosen = columns.representatives(run)
    return {
        "result": _result(run, approaches),
        "learners": approaches,
        "gain": _gain(run),
        "challenge": beside(run),
        "heldout": run.metrics.heldout,
        "folds": tables.folds(run),
        "laboratories": _laboratories(run),
        "kinds": sections.kinds(run),
        "rates": rates.section(run),
        "calibration": sections.calibration(run),
        "intervals": _intervals(run),
        "anchors": run.metrics.anchors,
        "ablation": sections.ablation(run),
        "similar": columns.similar(chosen),
        "disagreement": columns.disagreement(run, chosen),
        "sense": {"found": run.metrics.sense, "left_out": run.metrics.sense_left_out}
        if run.metrics.sense or run.metrics.sense_left_out
        else {},
        "examples": _examples(run),
        "data": tables.splits(run),
        "audit": _audit(run) if run.metrics.columns is None else {},
        "features": run.features,
        "made": _made(run),
    }


def _result(run: Run, approaches: list[tables.Row]) -> dict[str, Any]:
    # A low score of file order would leave no room to tell the others apart.
    least = run.metrics.honest.final / 2
    shown = [row for row in approaches if row["name"] != tables.FILE_ORDER or row["final"] >= least]
    rows = [
        Dot(
            row["name"],
            row["final"],
            row["interval"],
            hollow=row["kind"] == "naive",
            emphasis=row["kind"] == "stack",
        )
        for row in shown
    ]
    result: dict[str, Any] = {
        "comparison": plots.dots(rows, xlabel=FINAL),
        "beside": len(shown) < len(approaches),
    }
    if run.predictions is not None:
        mos, score = run.predictions["mos"], run.predictions["score"]
        draw = hover_scatter if len(mos) <= MOST_POINTS else plots.scatter
        result["scatter"] = draw(run.predictions, label=run.label, limits=run.limits)
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
        "left_out": run.metrics.laboratories_left_out,
    }


def _intervals(run: Run) -> dict[str, Any]:
    rows, figure = tables.coverage(run), None
    if run.predictions is not None:
        figure = plots.intervals(run.predictions, label=run.label)
    return {**run.metrics.prediction_interval.model_dump(), "rows": rows, "figure": figure}


def _examples(run: Run) -> dict[str, Any]:
    shown = examples(run)
    return {**shown, "key": plots.colour_key()} if shown else {}


def _audit(run: Run) -> dict[str, Any]:
    """The audit of pairs and labels, with the kind of folds that this run used, and why."""
    found = run.metrics.audit or audit_pairs(run.pairs, seed=run.settings.get("seed", 0))
    splits = run.metrics.splits
    return {**found, "used": splits and splits.by, "why": splits and splits.why}


def _made(run: Run) -> dict[str, Any]:
    timings = {name: _duration(seconds) for name, seconds in tables.timings(run).items()}
    versions = {**run.features.get("versions", {}), **run.libraries}
    return {"timings": timings, "versions": versions} if timings or versions or run.settings else {}


def hashed_script(jinja: Environment) -> tuple[Markup, str]:
    """The script that compares pictures, and its SHA-256 for the page's security policy."""
    script = jinja.get_template("report_script.j2").render()
    return Markup(script), b64encode(sha256(script.encode()).digest()).decode()


def environment() -> Environment:
    """The templates of the report with their filters."""
    jinja = Environment(
        loader=FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    jinja.filters |= {"number": _number, "duration": _duration}
    return jinja


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
