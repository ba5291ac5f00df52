"""The steps of a run: features → train → submit → report. Each is a function of the settings.

A step reads what the one before it left in the run folder and writes its own results there, all of
them together or, if it is killed, none; apart from the shared feature store and the ledger nothing
outside the run folder changes.
"""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from pipelines.runs.card import model_card
from pipelines.runs.changes import require_same_data
from pipelines.runs.folder import (
    BUNDLE,
    BUNDLE_MANIFEST,
    SUBMISSION,
    Extracted,
    exclusive,
    read_run,
    require_training,
)
from pipelines.runs.ledger import note_run
from pipelines.runs.model import ablate, choose_splits, estimate, learners_worth
from pipelines.runs.record import MODEL, Record, features_digest
from pipelines.runs.writing import write_features, write_scores, write_training
from pipelines.settings import Settings
from seiqa_features.datasets import load_pairs
from seiqa_features.errors import DataError, UsageError
from seiqa_features.extraction.cached import extract_table
from seiqa_features.extraction.runner import RunReport
from seiqa_features.pictures.index import ImageIndex
from seiqa_features.progress import Progress, unwatched
from seiqa_features.table.recipe import Recipe
from seiqa_features.table.store import Store

if TYPE_CHECKING:
    from seiqa_models.evaluation.evaluate import Evaluation


def features(
    settings: Settings, *, on_image: Progress = unwatched, on_pair: Progress = unwatched
) -> tuple[RunReport, list[str]]:
    """Check the data, extract what the store lacks, and write the run's feature table.

    Returns
    -------
    tuple[RunReport, list[str]]
        What was computed, and one line for each pair left out (only with `keep_going`).

    Raises
    ------
    DataError
        See `load_pairs` and `extract`.
    StoreError
        The store or the run folder cannot be written.
    WeightsError
        Weights are missing (unless `skip_unavailable`), changed or damaged.
    DeviceError
        The device is not there or too small.
    """
    recipe = Recipe.parse(settings.features)
    if settings.data is None:
        raise DataError(["no data named; give DATA (a data set folder or a CSV manifest)"])
    runtime = settings.runtime()
    recipe, unavailable = runtime.bind(recipe, skip_unavailable=settings.skip_unavailable)
    with exclusive(settings.run):
        found, left_out = load_pairs(
            settings.data,
            ImageIndex(settings.cache),
            keep_going=settings.keep_going,
            workers=settings.workers,
            on_image=on_image,
        )
        table, seconds, report = extract_table(
            found,
            recipe,
            Store(settings.cache),
            runtime,
            workers=settings.workers,
            keep_going=settings.keep_going,
            on_progress=on_pair,
        )
        left_out += report.failures.values()
        pairs = report.kept(found)
        meta = {
            "recipe": recipe.to_dict(),
            "columns": table.shape[1],
            "unavailable": unavailable,
            "left_out": left_out,
            "failed": found.loc[~found["pair_id"].isin(pairs["pair_id"]), "pair_id"].tolist(),
            "data": str(settings.data.resolve()),
            "cache": str(settings.cache.resolve()),
            "seconds_per_pair": seconds,
            "device": runtime.device if recipe.weights else "cpu",
            "versions": _versions(recipe),
        }
        write_features(settings, pairs, table, meta, digest=features_digest(pairs, recipe))
    return report, left_out


def check_learners(settings: Settings) -> None:
    """Try the learners and the fusion before hours of feature extraction, and not after.

    Raises
    ------
    UsageError
        No learner or fusion has that name, the fusion has no such parameter, or one of them fails
        on a small made-up table, or cannot be saved and loaded.
    """
    from pipelines.runs.model import make_regressor
    from seiqa_models.evaluation.trial import try_fusion, try_learner

    try:
        for name in settings.learners:
            try_learner(name, random_state=settings.seed)
        try_fusion(make_regressor(settings).fusion)
    except ValueError as error:
        raise UsageError(str(error)) from None


def train(
    settings: Settings, *, on_fold: Progress = unwatched, on_ablation: Progress = unwatched
) -> dict[str, Any]:
    """Estimate honestly, fit on all training rows, and write metrics, predictions and bundle.

    The run gets a line in the ledger beside its folder.

    Rows for training are those of split train that have a label. Labelled rows of val and test are
    never trained on; the fitted stack's score on them is reported as held out.

    Raises
    ------
    DataError
        No features in the run folder, other features than the settings', or no labels.
    UsageError
        A learner or the fusion does not exist.
    TableError
        Too few pairs or groups, or labels that cannot be learned from.
    """
    check_learners(settings)
    with exclusive(settings.run):
        found = read_run(settings)
        require_same_data(settings, found)
        evaluation, metrics = _evaluate(settings, found, on_fold, on_ablation)
        training = found.pairs[_training_rows(found.pairs)]
        write_training(
            settings,
            metrics,
            evaluation.predictions.rename_axis("pair_id"),
            evaluation.regressor,
            recipe=found.meta["recipe"],
            card=model_card(settings, training, found.meta, metrics),
            features=found.digest,
        )
    note_run(settings, metrics)
    return metrics


def _training_rows(pairs: pd.DataFrame) -> pd.Series:
    return (pairs["split"] == "train") & pairs["mos"].notna()


def _evaluate(
    settings: Settings, found: Extracted, on_fold: Progress, on_ablation: Progress
) -> tuple[Evaluation, dict[str, Any]]:
    """The honest estimate with the fitted stack, and the content of metrics.json."""
    pairs, table = found.pairs, found.table
    rows = _training_rows(pairs)
    if not rows.any():
        source = pairs.attrs["source"]
        raise DataError(
            [f"{source}: no labelled training pair; add Train_scores.xlsx or a column mos"]
        )
    training, labelled = pairs[rows], table[rows.to_numpy()]
    blocks, why = choose_splits(settings, pairs)
    evaluation, left_out = estimate(settings, training, labelled, blocks=blocks, on_fold=on_fold)
    metrics = {
        **evaluation.to_dict(),
        "transfer_left_out": left_out,
        "splits": {"by": "block" if blocks else "group", "why": why},
        "heldout": _held_out(evaluation, pairs, table),
        "ablation": ablate(
            settings,
            training,
            labelled,
            learners_worth(evaluation.figures),
            blocks=blocks,
            kinds=evaluation.figures["transfer"] is not None,
            on_fit=on_ablation,
        ),
        "label_kind": pairs.attrs["label_kind"],
        "source": pairs.attrs["source"],
    }
    return evaluation, metrics


def score_test(settings: Settings) -> pd.DataFrame:
    """Score the test pairs and write scores.csv: pair_id, split, picture_name, score.

    Raises
    ------
    DataError
        No features or no training in the run folder, or no test pairs.
    TableError
        The bundle cannot be read.
    """
    with exclusive(settings.run):
        test, record, _ = _score(settings)
        write_scores(settings, test, record, None)
    return test


def submit(settings: Settings) -> Path:
    """Score the test pairs and write the challenge's zip beside scores.csv.

    Raises
    ------
    DataError
        As `score_test`, or scores that the challenge's format cannot hold; they are in scores.csv.
    TableError
        The bundle cannot be read.
    """
    from pipelines.runs.submission import submission_bytes

    with exclusive(settings.run):
        test, record, meta = _score(settings)
        try:
            content = submission_bytes(
                test["picture_name"].tolist(),
                test["score"].tolist(),
                # Measured when the features were computed and kept in the store with them, so that
                # a rerun writes the same bytes. Prediction, well under a millisecond a pair, is not
                # in.
                seconds_per_pair=meta["seconds_per_pair"],
                on_gpu=meta["device"] != "cpu",
                # Pretrained networks have seen other pictures than the challenge's.
                extra_data=any(block["weights"] for block in meta["recipe"]["blocks"].values()),
                description=f"seiqa {version('seiqa')}, configuration {Path(settings.config).stem},"
                f" {meta['columns']} features, learners {', '.join(settings.learners)}",
            )
        except ValueError as error:
            write_scores(settings, test, record, None)
            raise DataError([f"submission not written: {error}"]) from None
        write_scores(settings, test, record, content)
    return settings.run / SUBMISSION


def _score(settings: Settings) -> tuple[pd.DataFrame, Record, dict[str, Any]]:
    """Scores of the test pairs, the record of what they come of, and the features' description."""
    from seiqa_models.bundle import load_bundle
    from seiqa_models.score import settle_identical

    found = read_run(settings)
    require_same_data(settings, found)
    pairs = found.pairs
    rows = pairs["split"] == "test"
    if not rows.any():
        raise DataError([f"{pairs.attrs['source']}: no test pairs in it, nothing to score"])
    record = require_training(settings.run, BUNDLE_MANIFEST, MODEL)
    regressor = load_bundle(settings.run / BUNDLE).regressor
    test = pairs.loc[rows, ["pair_id", "split"]]
    test["picture_name"] = [Path(path).name for path in pairs.loc[rows, "dist_path"]]
    test["score"] = regressor.predict(found.table[rows.to_numpy()])
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


def _held_out(
    evaluation: Evaluation, pairs: pd.DataFrame, table: pd.DataFrame
) -> dict[str, Any] | None:
    """The fitted stack on labelled rows that were never trained on, by split."""
    from seiqa_models.core.metrics import score_summary

    summaries = {}
    for split in ("val", "test"):
        rows = (pairs["split"] == split) & pairs["mos"].notna()
        if rows.sum() > 1:
            scores = evaluation.regressor.predict(table[rows.to_numpy()])
            held = pairs[rows]
            summaries[split] = score_summary(held["mos"], scores, held["group_id"].to_numpy())
    return summaries or None


def _versions(recipe: Recipe) -> dict[str, str]:
    names = {name for block in recipe.blocks for name in block.spec.libraries}
    return {"seiqa": version("seiqa"), **{name: version(name) for name in sorted(names)}}
