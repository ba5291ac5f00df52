"""The steps of a run: features → train → submit → report. Each is a function of the settings.

A step reads what the one before it left in the run folder and writes its own results there; apart
from the shared feature store and the ledger nothing outside the run folder changes.
"""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from pipelines.runs.card import model_card
from pipelines.runs.folder import (
    BUNDLE,
    FEATURES,
    FEATURES_META,
    METRICS,
    PAIRS,
    PREDICTIONS,
    SCORES,
    SETTINGS,
    SUBMISSION,
    read_run,
    write_json,
)
from pipelines.runs.ledger import note_run
from pipelines.runs.model import ablate, choose_splits, estimate, learners_worth
from pipelines.settings import Settings
from seiqa_features.datasets import load_pairs
from seiqa_features.errors import DataError, UsageError
from seiqa_features.extraction.runner import RunReport, extract
from seiqa_features.pictures.index import ImageIndex
from seiqa_features.progress import Progress, unwatched
from seiqa_features.table.recipe import Recipe
from seiqa_features.table.store import Store
from seiqa_features.table.table import assemble, write_table

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
    index, store = ImageIndex(settings.cache), Store(settings.cache)
    pairs, left_out = load_pairs(
        settings.data,
        index,
        keep_going=settings.keep_going,
        workers=settings.workers,
        on_image=on_image,
    )
    report = extract(
        pairs,
        recipe,
        store,
        runtime,
        workers=settings.workers,
        keep_going=settings.keep_going,
        on_progress=on_pair,
    )
    left_out += report.failures.values()
    pairs = report.kept(pairs)
    table, seconds = assemble(pairs, recipe, store)
    settings.run.mkdir(parents=True, exist_ok=True)
    settings.save(settings.run / SETTINGS)
    pairs.to_parquet(settings.run / PAIRS)
    write_table(table, settings.run / FEATURES, unavailable=unavailable)
    meta = {
        "recipe": recipe.to_dict(),
        "columns": table.shape[1],
        "unavailable": unavailable,
        "left_out": left_out,
        "seconds_per_pair": seconds,
        "device": runtime.device if recipe.weights else "cpu",
        "versions": _versions(recipe),
    }
    write_json(settings.run / FEATURES_META, meta)
    return report, left_out


def check_learners(settings: Settings) -> None:
    """Find out about a misspelt learner or fusion before hours of feature extraction, not after.

    Raises
    ------
    UsageError
        No learner or fusion has that name, or the fusion has no such parameter.
    """
    from pipelines.runs.model import make_regressor
    from seiqa_models.stack.pool import check_members

    make_regressor(settings)
    try:
        check_members(settings.learners)
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
    from seiqa_models.bundle import save_bundle

    check_learners(settings)
    pairs, table, meta = read_run(settings)
    rows = (pairs["split"] == "train") & pairs["mos"].notna()
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
    write_json(settings.run / METRICS, metrics)
    evaluation.predictions.to_csv(settings.run / PREDICTIONS, index_label="pair_id")
    save_bundle(
        settings.run / BUNDLE,
        evaluation.regressor,
        recipe=meta["recipe"],
        card=model_card(settings, training, meta, metrics),
    )
    settings.save(settings.run / SETTINGS)
    note_run(settings, metrics)
    return metrics


def score_test(settings: Settings) -> pd.DataFrame:
    """Score the test pairs and write scores.csv: pair_id, split, picture_name, score.

    Raises
    ------
    DataError
        No features in the run folder, or no test pairs.
    TableError
        No bundle in the run folder.
    """
    from seiqa_models.bundle import load_bundle
    from seiqa_models.score import settle_identical

    pairs, table, _ = read_run(settings)
    rows = pairs["split"] == "test"
    if not rows.any():
        raise DataError([f"{pairs.attrs['source']}: no test pairs in it, nothing to score"])
    regressor = load_bundle(settings.run / BUNDLE).regressor
    test = pairs.loc[rows, ["pair_id", "split"]]
    test["picture_name"] = [Path(path).name for path in pairs.loc[rows, "dist_path"]]
    test["score"] = regressor.predict(table[rows.to_numpy()])
    identical = pairs.loc[rows, "ref_key"] == pairs.loc[rows, "dist_key"]
    test = settle_identical(test, identical, regressor.label_range_[1])
    test.to_csv(settings.run / SCORES, index=False)
    return test


def submit(settings: Settings) -> Path:
    """Score the test pairs and write the challenge's zip beside scores.csv.

    Raises
    ------
    DataError
        As `score_test`, or scores that the challenge's format cannot hold.
    TableError
        No bundle in the run folder.
    """
    from pipelines.runs.submission import write_submission

    test = score_test(settings)
    _, table, meta = read_run(settings)
    path = settings.run / SUBMISSION
    try:
        write_submission(
            path,
            test["picture_name"].tolist(),
            test["score"].tolist(),
            # Measured when the features were computed and kept in the store with them, so that a
            # rerun writes the same bytes. Prediction, well under a millisecond a pair, is not in.
            seconds_per_pair=meta["seconds_per_pair"],
            on_gpu=meta["device"] != "cpu",
            # Pretrained networks have seen other pictures than the challenge's.
            extra_data=any(block["weights"] for block in meta["recipe"]["blocks"].values()),
            description=f"seiqa {version('seiqa')}, configuration {Path(settings.config).stem},"
            f" {table.shape[1]} features, learners {', '.join(settings.learners)}",
        )
    except ValueError as error:
        raise DataError([f"submission not written: {error}"]) from None
    return path


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
