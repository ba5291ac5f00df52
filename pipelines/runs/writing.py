"""Writing a step's results to its run folder: all files together with the entry in run.json."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from pipelines.runs.folder import (
    BUNDLE,
    BUNDLE_MANIFEST,
    FEATURES,
    FEATURES_META,
    METRICS,
    ORDERS,
    ORDERS_FEATURES,
    PAIRS,
    PREDICTIONS,
    SCORES,
    SETTINGS,
    SUBMISSION,
    Constructed,
    write_json,
)
from pipelines.runs.metrics import Metrics, write_metrics
from pipelines.runs.record import (
    MODEL,
    Features,
    Record,
    Scores,
    Training,
    checksums,
    read_record,
)
from pipelines.settings import Settings
from seiqa_features.commits import committing
from seiqa_features.errors import StoreError
from seiqa_features.spending import Spent
from seiqa_features.table.table import write_table
from seiqa_features.tabular.inert import inert_csv

if TYPE_CHECKING:
    from seiqa_models.stack.regressor import SeiqaRegressor


@contextmanager
def _results(run: Path) -> Iterator[Path]:
    """A temporary folder whose files atomically replace those in the run folder."""
    try:
        with committing(run) as fresh:
            yield fresh
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno else str(error)
        raise StoreError(
            f"{run}: results cannot be written ({reason}); those that were there are kept: free"
            " space or name another folder with --run, then run again"
        ) from None


def write_features(
    settings: Settings,
    pairs: pd.DataFrame,
    table: pd.DataFrame,
    meta: dict[str, Any],
    constructed: Constructed | None = None,
    *,
    digest: str,
    spent: Spent | None = None,
) -> None:
    """Write the results of `features`.

    Parameters
    ----------
    pairs, table : pd.DataFrame
        The pair table and the feature table of the same pairs.
    meta : dict[str, Any]
        Content of features.json.
    constructed : Constructed | None
        Only with the setting orders.
    digest : str
        See `pipelines.runs.record.features_digest`.
    spent : Spent | None
        None if nothing was computed; what the same features took earlier is then kept.

    Raises
    ------
    StoreError
        Something cannot be written.
    """
    with _results(settings.run) as fresh:
        settings.save(fresh / SETTINGS)
        pairs.to_parquet(fresh / PAIRS)
        write_table(table, fresh / FEATURES, unavailable=meta["unavailable"])
        write_json(fresh / FEATURES_META, meta)
        record = read_record(settings.run) or Record()
        names = [PAIRS, FEATURES, FEATURES_META]
        if constructed is not None:
            constructed.rows.to_parquet(fresh / ORDERS)
            write_table(constructed.table, fresh / ORDERS_FEATURES, unavailable={})
            names += [ORDERS, ORDERS_FEATURES]
        files = checksums(fresh, names)
        if spent is None and record.features is not None and record.features.digest == digest:
            spent = record.features.spent
        record.features = Features(files=files, digest=digest, spent=spent)
        record.save(fresh)


def write_training(
    settings: Settings,
    metrics: Metrics,
    predictions: pd.DataFrame,
    regressor: SeiqaRegressor,
    *,
    recipe: dict[str, Any],
    card: dict[str, Any],
    features: str | None = None,
    spent: Spent | None = None,
) -> None:
    """Write the results of a training: metrics, held-out predictions and bundle.

    Parameters
    ----------
    metrics : Metrics
    predictions : pd.DataFrame
        Its index, with its name, is the first column of predictions.csv.
    recipe, card : dict[str, Any]
        See `seiqa_models.bundle.save_bundle`.
    features : str | None
        Digest of the features; None if the training was on a table.
    spent : Spent | None
        What the training took.

    Raises
    ------
    StoreError
        Something cannot be written.
    """
    from seiqa_models.bundle import save_bundle

    with _results(settings.run) as fresh:
        settings.save(fresh / SETTINGS)
        write_metrics(fresh / METRICS, metrics)
        (fresh / PREDICTIONS).write_text(inert_csv(predictions.reset_index()), encoding="utf-8")
        save_bundle(fresh / BUNDLE, regressor, recipe=recipe, card=card)
        record = read_record(settings.run) or Record()
        record.training = Training(
            files=checksums(fresh, (METRICS, PREDICTIONS, BUNDLE_MANIFEST, MODEL)),
            features=features,
            settings=settings.model_dump(mode="json"),
            spent=spent,
        )
        record.save(fresh)


def write_scores(
    settings: Settings, scores: pd.DataFrame, record: Record, submission: bytes | None
) -> None:
    """Write the scores of the test pairs, and the challenge's zip if there is one.

    Parameters
    ----------
    record : Record
        Record of the run whose features and training the scores come from.

    Raises
    ------
    StoreError
        Something cannot be written.
    """
    if record.features is None or record.training is None:
        raise ValueError("scores come from features and a training")
    with _results(settings.run) as fresh:
        (fresh / SCORES).write_text(inert_csv(scores), encoding="utf-8")
        names = [SCORES]
        if submission is not None:
            (fresh / SUBMISSION).write_bytes(submission)
            names.append(SUBMISSION)
        record.scores = Scores(
            files=checksums(fresh, names),
            features=record.features.digest,
            model=record.training.files[MODEL],
        )
        record.save(fresh)
