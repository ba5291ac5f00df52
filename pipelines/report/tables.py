"""The report's tables: rows of plain numbers, computed from the run folder."""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pipelines.runs.metrics import Metrics
from pipelines.runs.reading import Run
from seiqa_models.core.canonical import codes_of
from seiqa_models.core.metrics import plcc, rmse, srocc
from seiqa_models.judged import Judged
from seiqa_models.results import Ablation, Summary

Row = dict[str, Any]
BINS = 10
PAIRS_PER_BIN = 15
DRAWS = 1000


FILE_ORDER = "file order only"


def approaches(metrics: Metrics) -> list[Row]:
    """The stack, its learners (best first), baselines, and the naive claim last."""
    weights = metrics.weights.final if metrics.weights else {}
    learners = sorted(metrics.learners.items(), key=lambda item: -item[1].final)
    rows = [_approach("stack", "stack", metrics.honest)]
    rows += [_approach(name, "learner", own, weights.get(name)) for name, own in learners]
    baselines = {
        "greedy selection": metrics.greedy,
        "best single feature": metrics.best_single,
        FILE_ORDER: metrics.index_only,
    }
    rows += [_approach(name, "baseline", own) for name, own in baselines.items() if own]
    return [*rows, _approach("stack, naive claim", "naive", metrics.naive)]


def _approach(name: str, kind: str, figures: Summary, weight: float | None = None) -> Row:
    return {**figures.model_dump(), "name": name, "kind": kind, "weight": weight}


def gains(metrics: Metrics) -> list[Row]:
    """The stack compared with each of the others on the same held-out pairs, and the conclusion."""
    return [
        {
            **found.model_dump(),
            "name": "best single feature" if name == "best_single" else name,
            "reading": _reading(found.interval),
        }
        for name, found in metrics.gain.items()
    ]


def laboratories(cells: Sequence[Judged]) -> list[Row]:
    """Every cell of trained-on × judged-on, those that say most about other laboratories first."""
    return [
        {**cell.model_dump(), "trained_on": ", ".join(cell.trained_on), "left_out": cell.left_out}
        for cell in sorted(cells, key=lambda cell: (not cell.left_out, -len(cell.trained_on)))
    ]


def _reading(interval: tuple[float, float]) -> str:
    low, high = interval
    if low > 0:
        return "the stack is better"
    return "the stack is worse" if high < 0 else "no difference shown"


def folds(run: Run) -> list[Row]:
    """Figures of each held-out fold by itself."""
    if run.predictions is None:
        return []
    return [{"fold": fold, **agreement(part)} for fold, part in run.predictions.groupby("fold")]


def agreement(part: pd.DataFrame) -> Row:
    """Figures of some held-out pairs; correlations are None if either side is constant."""
    mos, score = part["mos"].to_numpy(float), part["score"].to_numpy(float)
    varies = len(part) > 1 and np.ptp(mos) > 0 and np.ptp(score) > 0
    return {
        "n": len(part),
        "groups": part["group_id"].nunique(),
        "srocc": srocc(mos, score) if varies else None,
        "plcc": plcc(mos, score) if varies else None,
        "rmse": rmse(mos, score),
        "bias": float(np.mean(score - mos)),
    }


def kinds(run: Run) -> list[Row]:
    """Figures of each kind of distortion, and its SROCC when the kind is absent from training."""
    if run.predictions is None or "distortion" not in run.predictions:
        return []
    unseen = run.metrics.transfer.kinds if run.metrics.transfer else {}
    parts = {str(kind): part for kind, part in run.predictions.groupby("distortion")}
    return [
        {
            "name": kind or "not known",
            **agreement(parts[kind]),
            "unseen": unseen[kind].srocc if kind in unseen else None,
            "unseen_n": unseen[kind].n if kind in unseen else None,
        }
        for kind in in_order(parts)
    ]


def in_order(kinds: Iterable[str]) -> list[str]:
    """Kinds of distortion by name, numbered ones by number, and unknown ones last."""
    return sorted(kinds, key=lambda kind: (kind == "", len(kind) * kind.isdigit(), kind))


def ablation(found: Ablation) -> list[Row]:
    """Feature groups, largest loss first; None if nothing was left to learn from."""
    complete = found.all
    rows = [
        {
            "name": name,
            **group.model_dump(),
            "lost": None if group.without is None or complete is None else complete - group.without,
        }
        for name, group in found.groups.items()
    ]
    return sorted(rows, key=lambda row: -math.inf if row["lost"] is None else -row["lost"])


def coverage(run: Run) -> list[Row]:
    """Coverage of prediction intervals: all pairs, each third of the scores, unseen kinds."""
    found = run.metrics.prediction_interval
    rows = [{"name": "all held-out pairs", **found.model_dump()}]
    if run.predictions is not None:
        thirds = np.array_split(np.argsort(run.predictions["score"], kind="stable"), 3)
        for name, at in zip(("lowest", "middle", "highest"), thirds, strict=True):
            part = run.predictions.iloc[at]
            rows.append({"name": f"{name} third by score", **_held(part)})
    if found.transfer is not None:
        rows.append({"name": "kinds never seen", **found.transfer.model_dump()})
    return rows


def _held(part: pd.DataFrame) -> Row:
    return {
        "coverage": float(part["mos"].between(part["low"], part["high"]).mean()),
        "mean_width": float((part["high"] - part["low"]).mean()),
        "unfamiliar": float(part["unfamiliar"].mean()),
    }


def reliability(predictions: pd.DataFrame) -> list[Row]:
    """Mean score and mean label of equal parts by score, with a 95 % interval of the mean label.

    The interval is a bootstrap over whole groups. A part whose pairs all belong to one group has
    none.
    """
    count = int(np.clip(len(predictions) // PAIRS_PER_BIN, 2, BINS))
    groups = codes_of(predictions["group_id"])[0]
    n_groups = int(groups.max()) + 1
    drawn = np.random.default_rng(0).multinomial(n_groups, [1 / n_groups] * n_groups, DRAWS)
    order = np.argsort(predictions["score"].to_numpy(), kind="stable")
    mos, score = predictions["mos"].to_numpy(float), predictions["score"].to_numpy(float)
    rows = []
    for at in np.array_split(order, count):
        sums = np.bincount(groups[at], mos[at], n_groups)
        sizes = np.bincount(groups[at], minlength=n_groups)
        weights = drawn @ sizes
        means = (drawn @ sums)[weights > 0] / weights[weights > 0]
        several = np.count_nonzero(sizes) > 1
        interval = tuple(np.percentile(means, [2.5, 97.5]).tolist()) if several else None
        rows.append(
            {"score": score[at].mean(), "mos": mos[at].mean(), "n": len(at), "interval": interval}
        )
    return rows


def slope(predictions: pd.DataFrame) -> float:
    """Slope of the least-squares line from scores to labels; 1 is calibrated."""
    mos, score = predictions["mos"].to_numpy(float), predictions["score"].to_numpy(float)
    spread = float(np.var(score))
    return (
        float(np.mean((score - score.mean()) * (mos - mos.mean()))) / spread if spread else math.nan
    )


def share_ordered(mos: NDArray[np.float64], score: NDArray[np.float64]) -> float:
    """The share of pairs of n rows with different labels that the scores put in the same order."""
    right = total = 0
    for label, guess in zip(mos, score, strict=True):
        worse = mos < label
        total += int(worse.sum())
        right += int((score[worse] < guess).sum())
    return right / total if total else math.nan


def extractors(features: Mapping[str, Any]) -> dict[str, list[str]]:
    """Names of extractors, keyed by the views that they were used with."""
    by_views: dict[str, list[str]] = {}
    for name, views in features.get("recipe", {}).get("features", {}).items():
        by_views.setdefault(", ".join(views), []).append(name)
    return by_views


def splits(run: Run) -> list[dict[Hashable, Any]]:
    """Pairs, groups and labels of train, val and test."""
    parts = run.pairs.groupby("split", sort=False)
    table = parts["mos"].agg(["count", "min", "median", "max"])
    table["pairs"], table["groups"] = parts.size(), parts["group_id"].nunique()
    return table.reset_index().to_dict("records")


def timings(run: Run) -> dict[str, float]:
    """Seconds by activity."""
    seconds = {
        "features, per pair": run.features.get("seconds_per_pair"),
        "prediction, per pair": run.metrics.seconds_per_row,
        **run.metrics.seconds.model_dump(),
    }
    return {name: value for name, value in seconds.items() if value is not None}
