"""The steps of a run: features → train → submit → report. Each is a function of the settings.

A step reads what the one before it left in the run folder and writes its own results there, all of
them together or, if it is killed, none; apart from the shared feature store and the ledger nothing
outside the run folder changes.
"""

from __future__ import annotations

from dataclasses import dataclass
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
from pipelines.runs.metrics import Metrics, learners_worth
from pipelines.runs.model import Splits, ablate, choose_splits, estimate
from pipelines.runs.readiness import before_decoding, before_extraction, require_trainable
from pipelines.runs.record import MODEL, Record, features_digest
from pipelines.runs.writing import write_features, write_scores, write_training
from pipelines.sense.constructed import construct, orders_of
from pipelines.sense.judging import judge_stack
from pipelines.settings import Settings
from seiqa_features.datasets import check_pairs, find_pairs
from seiqa_features.errors import DataError, UsageError
from seiqa_features.extraction.cached import extract_table
from seiqa_features.extraction.runner import RunReport
from seiqa_features.pictures.index import ImageIndex
from seiqa_features.progress import Progress, unwatched
from seiqa_features.table.recipe import Recipe
from seiqa_features.table.store import Store

if TYPE_CHECKING:
    from seiqa_models.evaluation.evaluate import Evaluation


@dataclass(frozen=True)
class Features:
    """What `features` did.

    Attributes
    ----------
    extracted : Extracted
        What it left in the run folder.
    report : RunReport
        What had to be computed.
    left_out : list[str]
        One line for each pair left out (only with `keep_going`), and each file.
    splits : Splits | None
        The folds to train with, where that was asked for.
    """

    extracted: Extracted
    report: RunReport
    left_out: list[str]
    splits: Splits | None


def features(
    settings: Settings,
    *,
    to_train: bool = False,
    on_image: Progress = unwatched,
    on_pair: Progress = unwatched,
    on_order: Progress = unwatched,
) -> Features:
    """Check the data, extract what the store lacks, and write the run's feature table.

    Parameters
    ----------
    to_train : bool
        Whether a training is to follow. What would make it fail is found before a picture is
        decoded, or, as far as it takes to know which pictures are the same, before features are
        extracted.

    Raises
    ------
    DataError
        See `load_pairs` and `extract`; or see `pipelines.runs.readiness`.
    TableError, UsageError
        See `pipelines.runs.readiness`.
    StoreError
        The store or the run folder cannot be written.
    WeightsError
        Weights are missing (unless `skip_unavailable`), changed or damaged.
    DeviceError
        The device is not there or too small.
    """
    recipe, data = Recipe.parse(settings.features), settings.named_data()
    listed = find_pairs(data)
    if to_train:
        before_decoding(settings, listed)
    runtime = settings.runtime()
    recipe, unavailable = runtime.bind(recipe, skip_unavailable=settings.skip_unavailable)
    with exclusive(settings.run):
        found, left_out = check_pairs(
            listed,
            ImageIndex(settings.cache),
            keep_going=settings.keep_going,
            workers=settings.workers,
            on_image=on_image,
        )
        splits = choose_splits(settings, found) if to_train else None
        if splits is not None:
            before_extraction(settings, found, splits, recipe)
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
        constructed = None
        if settings.orders:
            constructed = construct(settings, pairs, recipe, runtime, on_pair=on_order)
        meta = {
            "recipe": recipe.to_dict(),
            "columns": table.shape[1],
            "unavailable": unavailable,
            "left_out": left_out,
            "failed": found.loc[~found["pair_id"].isin(pairs["pair_id"]), "pair_id"].tolist(),
            "data": str(data.resolve()),
            "cache": str(settings.cache.resolve()),
            "seconds_per_pair": seconds,
            "device": runtime.device if recipe.weights else "cpu",
            "versions": _versions(recipe),
        }
        digest = features_digest(pairs, recipe)
        write_features(settings, pairs, table, meta, constructed, digest=digest)
    extracted = Extracted(pairs, table, meta, digest, constructed)
    return Features(extracted, report, left_out, splits)


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
    from seiqa_models.stack.pool import check_members
    from seiqa_models.stack.representations import member

    fusion = make_regressor(settings).fusion
    try:
        check_members(settings.learners)
        for name in dict.fromkeys(member(name).learner for name in settings.learners):
            try_learner(name, random_state=settings.seed)
        try_fusion(fusion)
    except ValueError as error:
        raise UsageError(str(error)) from None


def train(
    settings: Settings,
    done: Features | None = None,
    *,
    on_fold: Progress = unwatched,
    on_ablation: Progress = unwatched,
    on_sense: Progress = unwatched,
) -> Metrics:
    """Estimate honestly, fit on all training rows, and write metrics, predictions and bundle.

    The run gets a line in the ledger beside its folder.

    Rows for training are those of split train that have a label. Labelled rows of val and test are
    never trained on; the fitted stack's score on them is reported as held out. At last the stack
    is judged by a suite of relations (`pipelines.sense`), as far as that takes about a minute.

    Parameters
    ----------
    done : Features | None
        What `features` has just done in this process; by default the run folder is read.

    Raises
    ------
    DataError
        No features in the run folder, or other features than the settings'.
    DataError, TableError
        No labels, too few pairs or groups, or labels that cannot be learned from.
    UsageError
        A learner or the fusion does not exist.
    """
    check_learners(settings)
    with exclusive(settings.run):
        found = done.extracted if done else _read_unchanged(settings)
        splits = (done and done.splits) or choose_splits(settings, found.pairs)
        require_trainable(settings, found.pairs, splits)
        evaluation, metrics = _evaluate(settings, found, splits, on_fold, on_ablation)
        sense, left_out = judge_stack(
            settings,
            evaluation.regressor,
            found.meta["recipe"],
            found.meta.get("seconds_per_pair"),
            on_pair=on_sense,
        )
        metrics = metrics.model_copy(update={"sense": sense, "sense_left_out": left_out})
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


def _read_unchanged(settings: Settings) -> Extracted:
    """What `features` left in the run folder, if the data is still what it was."""
    found = read_run(settings)
    require_same_data(settings, found)
    return found


def _training_rows(pairs: pd.DataFrame) -> pd.Series:
    return (pairs["split"] == "train") & pairs["mos"].notna()


def _evaluate(
    settings: Settings,
    found: Extracted,
    splits: Splits,
    on_fold: Progress,
    on_ablation: Progress,
) -> tuple[Evaluation, Metrics]:
    """The honest estimate with the fitted stack, and the content of metrics.json."""
    pairs, table = found.pairs, found.table
    rows = _training_rows(pairs)
    training, labelled = pairs[rows], table[rows.to_numpy()]
    orders, said = orders_of(found.constructed) if found.constructed else (None, None)
    evaluation, left_out = estimate(
        settings, training, labelled, orders, blocks=splits.blocks, on_fold=on_fold
    )
    metrics = Metrics.of(
        evaluation.figures,
        transfer_left_out=left_out,
        splits={"by": "block" if splits.blocks else "group", "why": splits.why},
        audit=splits.audit,
        heldout=_held_out(evaluation, pairs, table),
        ablation=ablate(
            settings,
            training,
            labelled,
            learners_worth(evaluation.figures),
            blocks=splits.blocks,
            kinds=evaluation.figures.transfer is not None,
            on_fit=on_ablation,
        ),
        orders=said,
        label_kind=pairs.attrs["label_kind"],
        source=pairs.attrs["source"],
    )
    return evaluation, metrics


def score_test(settings: Settings, done: Features | None = None) -> pd.DataFrame:
    """Score the test pairs and write scores.csv: pair_id, split, picture_name, score.

    Parameters
    ----------
    done : Features | None
        As for `train`.

    Raises
    ------
    DataError
        No features or no training in the run folder, or no test pairs.
    TableError
        The bundle cannot be read.
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
        As `score_test`, or scores that the challenge's format cannot hold; they are in scores.csv.
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


def _score(
    settings: Settings, done: Features | None
) -> tuple[pd.DataFrame, Record, dict[str, Any]]:
    """Scores of the test pairs, the record of what they come of, and the features' description."""
    from seiqa_models.bundle import load_bundle
    from seiqa_models.score import settle_identical

    found = done.extracted if done else _read_unchanged(settings)
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
