"""report.html: what a run found, on one page that needs no other file and no network."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from pipelines.report_plots import Estimate, comparison, few_values, scatter, thumbnail
from pipelines.submission import write_whole

EXAMPLES = 4
"""Pairs shown as pictures at either end."""


@dataclass(frozen=True)
class Run:
    """A run folder as read from disk; None (or empty) where an optional file is not there."""

    folder: Path
    pairs: pd.DataFrame
    metrics: dict[str, Any]
    features: dict[str, Any]
    settings: dict[str, Any]
    predictions: pd.DataFrame | None
    scores: pd.DataFrame | None

    @property
    def label(self) -> str:
        """What the labels are called: MOS, or pseudo-label if a program made them up."""
        return str(self.pairs.attrs.get("label_kind", "MOS"))

    @property
    def limits(self) -> tuple[float, float]:
        """The label scale: as declared, or as far as the labels go."""
        declared = self.pairs.attrs.get("label_range")
        low, high = declared or self.pairs["mos"].agg(["min", "max"])
        return float(low), float(high)


def render_report(run: Path) -> Path:
    """Write report.html into a run folder.

    Parameters
    ----------
    run : Path
        Holds metrics.json and pairs.parquet; features.json, settings.yaml, predictions.csv and
        scores.csv are used where present, and their sections left out where not.

    Returns
    -------
    Path
        The report. Equal run folders give equal bytes.

    Raises
    ------
    ValueError
        The folder, its metrics.json or its pairs.parquet is missing.
    """
    found = _read(run)
    page = _template().render(
        run=found,
        pseudo=found.label == "pseudo-label",
        label=found.label,
        metrics=found.metrics,
        approaches=_approaches(found.metrics),
        single_names=Counter(filter(None, found.metrics["best_single"].get("names", []))),
        figures=_figures(found),
        folds=_folds(found),
        examples=_examples(found),
        splits=_splits(found),
        features=found.features,
        timings=_timings(found),
        scores=None if found.scores is None else found.scores["score"].describe().to_dict(),
    )
    write_whole(run / "report.html", page.encode())
    return run / "report.html"


def _read(run: Path) -> Run:
    for needed in (run, run / "metrics.json", run / "pairs.parquet"):
        if not needed.exists():
            raise ValueError(f"{needed} is missing; run `seiqa train` first")

    def table(name: str) -> pd.DataFrame | None:
        if not (run / name).is_file():
            return None
        texts = {"pair_id": str, "group_id": str}  # a pair may well be called 007 or NA
        return pd.read_csv(run / name, dtype=texts, keep_default_na=False)

    features, settings = run / "features.json", run / "settings.yaml"
    return Run(
        folder=run,
        pairs=pd.read_parquet(run / "pairs.parquet"),
        metrics=json.loads((run / "metrics.json").read_text("utf-8")),
        features=json.loads(features.read_text("utf-8")) if features.is_file() else {},
        settings=yaml.safe_load(settings.read_text("utf-8")) if settings.is_file() else {},
        predictions=table("predictions.csv"),
        scores=table("scores.csv"),
    )


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


def _approaches(metrics: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Rows of the comparison: the stack, its learners from the best down, baselines, naive last."""
    weights = metrics.get("weights") or {}
    weights = weights.get("final", weights)
    learners = sorted(metrics["learners"].items(), key=lambda item: -item[1]["final"])
    rows = [{"name": "stack", "kind": "stack", **metrics["honest"]}]
    rows += [
        {"name": name, "kind": "learner", "weight": weights.get(name), **summary}
        for name, summary in learners
    ]
    rows.append({"name": "best single feature", "kind": "baseline", **metrics["best_single"]})
    if metrics.get("index_only"):
        rows.append({"name": "file order only", "kind": "baseline", **metrics["index_only"]})
    rows.append({"name": "stack, naive claim", "kind": "naive", **metrics["naive"]})
    return [{"weight": None, "interval": None, **row} for row in rows]


def _figures(run: Run) -> dict[str, Any]:
    estimates = [
        Estimate(
            row["name"],
            row["final"],
            row["interval"],
            honest=row["kind"] != "naive",
            emphasis=row["kind"] == "stack",
        )
        for row in _approaches(run.metrics)
    ]
    figures: dict[str, Any] = {"comparison": comparison(estimates)}
    if run.predictions is not None:
        mos, score = run.predictions["mos"], run.predictions["score"]
        figures["scatter"] = scatter(mos, score, label=run.label, limits=run.limits)
        figures["spread"] = few_values(mos)
        figures["ordered"] = _share_ordered(mos.to_numpy(float), score.to_numpy(float))
    return figures


def _share_ordered(
    mos: np.typing.NDArray[np.float64], score: np.typing.NDArray[np.float64]
) -> float:
    """Of any two rows whose labels differ, the share that the scores put in the same order."""
    right = total = 0
    for label, guess in zip(mos, score, strict=True):
        worse = mos < label
        total += int(worse.sum())
        right += int((score[worse] < guess).sum())
    return right / total if total else math.nan


def _folds(run: Run) -> list[dict[str, Any]]:
    if run.predictions is None:
        return []
    rows = []
    for fold, part in run.predictions.groupby("fold"):
        mos, score = part["mos"], part["score"]
        varies = mos.nunique() > 1 and score.nunique() > 1
        rows.append(
            {
                "fold": fold,
                "groups": part["group_id"].nunique(),
                "n": len(part),
                "srocc": float(mos.rank().corr(score.rank())) if varies else None,
                "plcc": float(mos.corr(score)) if varies else None,
                "rmse": float(np.sqrt(((mos - score) ** 2).mean())),
            }
        )
    return rows


def _examples(run: Run) -> dict[str, list[dict[str, Any]]]:
    """Pairs with the largest and the smallest error, with their pictures."""
    if run.predictions is None:
        return {}
    paths = run.pairs[["pair_id", "ref_path", "dist_path"]]
    table = run.predictions.merge(paths, on="pair_id")
    table["error"] = table["score"] - table["mos"]
    ranked = table.iloc[table["error"].abs().argsort(kind="stable")]
    return {"worst": _cards(ranked.iloc[::-1][:EXAMPLES]), "best": _cards(ranked[:EXAMPLES])}


def _cards(rows: pd.DataFrame) -> list[dict[str, Any]]:
    return [
        {
            "pair_id": row.pair_id,
            "mos": row.mos,
            "score": row.score,
            "error": row.error,
            "pictures": [
                _picture("reference", str(row.ref_path)),
                _picture("degraded", str(row.dist_path)),
            ],
        }
        for row in rows.itertuples()
    ]


def _picture(role: str, path: str) -> dict[str, str | None]:
    problem = "picture cannot be read" if Path(path).is_file() else "picture not found"
    return {"role": role, "path": path, "data": thumbnail(Path(path)), "problem": problem}


def _splits(run: Run) -> list[dict[Hashable, Any]]:
    splits = run.pairs.groupby("split", sort=False)
    table = splits["mos"].agg(["count", "min", "median", "max"])
    table["pairs"], table["groups"] = splits.size(), splits["group_id"].nunique()
    return table.reset_index().to_dict("records")


def _timings(run: Run) -> dict[str, float]:
    timings = {"features, per pair": run.features.get("seconds_per_pair")}
    timings["prediction, per pair"] = run.metrics.get("seconds_per_row")
    timings |= run.metrics.get("seconds", {})
    return {name: seconds for name, seconds in timings.items() if seconds is not None}
