"""Trained runs against each other, on the pairs that both predicted."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from pipelines.runs.folder import METRICS, PREDICTIONS, SETTINGS
from pipelines.runs.metrics import Metrics
from pipelines.runs.reading import read_training
from seiqa_features.commits import current
from seiqa_features.errors import DataError
from seiqa_features.remote.places import as_path
from seiqa_features.tabular.inert import read_inert_csv
from seiqa_models.evaluation.compare import compare as paired_bootstrap

SIGNIFICANT = 0.05


@dataclass(frozen=True)
class Trained:
    """Metrics and configuration of a trained run folder."""

    folder: Path
    config: str
    metrics: Metrics


def read_trained(folders: list[Path]) -> list[Trained]:
    """Metrics and configuration of each run folder.

    Raises
    ------
    DataError
        Folders without a finished training, or with files of several trainings; all are named.
    """
    problems, runs = [], []
    for folder in map(as_path, folders):
        needed = (METRICS, PREDICTIONS, SETTINGS)
        if missing := [name for name in needed if not current(folder / name).is_file()]:
            problems.append(f"{folder}: no {missing[0]} in it; name the folder of a trained run")
            continue
        try:
            metrics, settings = read_training(folder)
        except DataError as error:
            problems += error.problems
            continue
        runs.append(Trained(folder, Path(settings["config"]).stem, metrics))
    if problems:
        raise DataError(problems)
    return runs


def against(run: Trained, first: Trained) -> dict[str, Any]:
    """Whether a run is better than the first one: verdict, difference, interval, p, pairs, groups.

    Raises
    ------
    DataError
        The runs share no pairs, or the labels of shared pairs differ.
    """
    shared = shared_pairs(run, first)
    found = paired_bootstrap(
        shared["mos"], shared["score_run"], shared["score"], shared["group_id"]
    )
    verdict = "no difference shown"
    if found["p_value"] < SIGNIFICANT:
        verdict = "better" if found["difference"] > 0 else "worse"
    return {
        "run": str(run.folder),
        "first": str(first.folder),
        "verdict": verdict,
        **found,
        "pairs": len(shared),
        "groups": int(shared["group_id"].nunique()),
    }


def shared_pairs(run: Trained, first: Trained) -> pd.DataFrame:
    """`mos`, `group_id`, `score` of the first run and `score_run` for pairs that both predicted.

    Raises
    ------
    DataError
        There are no such pairs, or some have different labels.
    """
    ours, theirs = _predictions(run), _predictions(first)
    both = theirs.join(ours[["mos", "score"]].add_suffix("_run"), how="inner")
    names = f"{run.folder} and {first.folder}"
    if ours.index.name != theirs.index.name or both.empty:
        raise DataError(
            [f"{names} share no pairs: nothing to compare; train them on the same data"]
        )
    differ = int((both["mos"] != both["mos_run"]).sum())
    if differ:
        raise DataError(
            [f"{names} have different labels for {differ} of {len(both)} pairs of the same name:"
             " not compared; train them on the same data"]
        )  # fmt: skip
    return both


def _predictions(run: Trained) -> pd.DataFrame:
    """mos, group_id and score, indexed by the first column: pair_id, or row of a table."""
    cells = read_inert_csv(current(run.folder / PREDICTIONS), str)
    cells = cells.set_index(cells.columns[0])
    return cells[["mos", "group_id", "score"]].astype({"mos": float, "score": float})
