"""The steps after training: score the test pairs, write the challenge's zip, write the report."""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path
from typing import Any

import pandas as pd

from pipelines.runs.folder import (
    BUNDLE,
    BUNDLE_MANIFEST,
    SUBMISSION,
    exclusive,
    require_training,
)
from pipelines.runs.record import MODEL, Record
from pipelines.runs.writing import write_scores
from pipelines.settings import Settings
from pipelines.steps.extracting import Features, read_unchanged
from seiqa_features.errors import DataError


def score_test(settings: Settings, done: Features | None = None) -> pd.DataFrame:
    """Score the test pairs and write scores.csv: pair_id, split, picture_name, score.

    Parameters
    ----------
    done : Features | None
        As for `train`.

    Raises
    ------
    DataError
        The run folder has no features or no training, or there are no test pairs.
    TableError
        The bundle cannot be read, or knows no collection of the setting score_as.
    """
    with exclusive(settings.run):
        test, record, _ = _score(settings, done)
        write_scores(settings, test, record, None)
    return test


def submit(settings: Settings, done: Features | None = None) -> Path:
    """Score the test pairs and write the challenge's zip beside scores.csv.

    Parameters
    ----------
    done : Features | None
        As for `train`.

    Raises
    ------
    DataError
        As `score_test`, or the challenge's format cannot hold the scores; they are in scores.csv.
    TableError
        The bundle cannot be read.
    """
    from pipelines.runs.submission import submission_bytes

    with exclusive(settings.run):
        test, record, meta = _score(settings, done)
        try:
            content = submission_bytes(
                test["picture_name"].tolist(),
                test["score"].tolist(),
                # Measured when the features were computed and kept in the store with them, so that
                # a rerun writes the same bytes. Prediction, well under a millisecond a pair, is not
                # in.
                seconds_per_pair=meta["seconds_per_pair"],
                on_gpu=meta["device"] != "cpu",
                # Pretrained networks have seen pictures outside the challenge.
                extra_data=any(block["weights"] for block in meta["recipe"]["blocks"].values()),
                description=f"seiqa {version('seiqa')}, configuration {Path(settings.config).stem},"
                f" {meta['columns']} features, learners {', '.join(settings.learners)}",
            )
        except ValueError as error:
            write_scores(settings, test, record, None)
            raise DataError([f"submission not written: {error}"]) from None
        write_scores(settings, test, record, content)
    return settings.run / SUBMISSION


def _score(
    settings: Settings, done: Features | None
) -> tuple[pd.DataFrame, Record, dict[str, Any]]:
    """Scores of the test pairs, the record of their origin, and the features' description."""
    from seiqa_models.bundle import load_bundle
    from seiqa_models.score import settle_identical

    found = done.extracted if done else read_unchanged(settings)
    pairs = found.pairs
    rows = pairs["split"] == "test"
    if not rows.any():
        raise DataError([f"{pairs.attrs['source']}: no test pairs in it, nothing to score"])
    record = require_training(settings.run, BUNDLE_MANIFEST, MODEL)
    regressor = load_bundle(settings.run / BUNDLE).regressor
    test = pairs.loc[rows, ["pair_id", "split"]]
    test["picture_name"] = [Path(path).name for path in pairs.loc[rows, "dist_path"]]
    test["score"] = regressor.predict(found.table[rows.to_numpy()], settings.score_as)
    identical = pairs.loc[rows, "ref_key"] == pairs.loc[rows, "dist_key"]
    test = settle_identical(test, identical, regressor.label_range_[1])
    return test, record, found.meta


def report(settings: Settings) -> Path:
    """Write the run's report.html.

    Raises
    ------
    DataError
        The run folder holds no trained run.
    """
    from pipelines.report.render import render_report

    try:
        return render_report(settings.run)
    except ValueError as error:
        raise DataError([str(error)]) from None
