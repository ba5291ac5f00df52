"""The model half on a table from elsewhere: no pictures, the columns are the features."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd

from pipelines.runs.folder import BUNDLE, METRICS, PREDICTIONS, SETTINGS, write_json
from pipelines.runs.ledger import note_run
from pipelines.runs.model import make_regressor
from pipelines.settings import Settings
from seiqa_features.progress import Progress, unwatched
from seiqa_models.audit.tables import (
    Roles,
    feature_columns,
    labelled_rows,
    read_table,
    require_columns,
)
from seiqa_models.bundle import MANIFEST_FILE, load_bundle, save_bundle
from seiqa_models.core.columns import is_dense, split_columns
from seiqa_models.evaluation.evaluate import evaluate

PSEUDO_LABEL = "pseudo_label"  # the column's name says so, as in a manifest


def fit_table(settings: Settings, roles: Roles, *, on_fold: Progress = unwatched) -> dict[str, Any]:
    """Estimate honestly, fit on every labelled row, and write metrics, predictions and bundle.

    The run gets a line in the ledger beside its folder.

    Parameters
    ----------
    settings : Settings
        `data` is the table (.csv or .parquet), `run` the folder for the results.
    roles : Roles
        The columns that are no features.

    Returns
    -------
    dict[str, Any]
        The content of metrics.json.

    Raises
    ------
    TableError
        The table cannot be read, lacks a column, holds columns that are no features,
        or cannot be learned from.
    """
    table = read_table(str(settings.data))
    X = feature_columns(table, roles)
    rows = labelled_rows(table, roles)
    evaluation = evaluate(
        make_regressor(settings),
        X,
        rows[roles.label],
        rows[roles.group],
        rows[roles.order] if roles.order else None,
        kinds=rows[roles.kind] if roles.kind else None,
        n_splits=settings.folds,
        seed=settings.seed,
        n_jobs=settings.workers,
        on_fold=on_fold,
    )
    columns = {**vars(roles), "features": list(X.columns)}
    metrics = {
        **evaluation.to_dict(),
        "unlabelled": len(table) - len(rows),
        "label_kind": "pseudo-label" if roles.label == PSEUDO_LABEL else "MOS",
        "source": str(settings.data),
        "columns": columns,
    }
    settings.run.mkdir(parents=True, exist_ok=True)
    write_json(settings.run / METRICS, metrics)
    predictions = evaluation.predictions
    ids = _ids(rows, [*X.columns, roles.label, roles.group, *predictions.columns])
    ids.join(predictions).to_csv(settings.run / PREDICTIONS, index_label="row")
    save_bundle(
        settings.run / BUNDLE,
        evaluation.regressor,
        recipe={"table": columns},
        card=_card(settings, metrics),
    )
    settings.save(settings.run / SETTINGS)
    note_run(settings, metrics)
    return metrics


def predict_table(table: Path, bundle: Path) -> pd.DataFrame:
    """The columns of a table that the bundle's model does not read, and `score`, row by row.

    Parameters
    ----------
    table : Path
        .csv or .parquet with the columns that the model was trained on.
    bundle : Path
        A bundle, or the folder that `fit_table` wrote.

    Raises
    ------
    TableError
        A feature column is missing or holds no numbers, or there is no bundle.
    """
    inner = bundle / BUNDLE
    regressor = load_bundle(inner if (inner / MANIFEST_FILE).is_file() else bundle).regressor
    rows = read_table(table)
    require_columns(rows, regressor.features_)
    features = rows[regressor.features_]
    split_columns(features)
    return _ids(rows, regressor.features_).assign(score=regressor.predict(features))


def _ids(rows: pd.DataFrame, others: list[str]) -> pd.DataFrame:
    """What helps to find a row again: all but the named columns and dense blocks."""
    ids = rows.drop(columns=others, errors="ignore")
    return ids[[name for name in ids.columns if not is_dense(ids[name])]]


def _card(settings: Settings, metrics: dict[str, Any]) -> dict[str, Any]:
    columns, label = metrics["columns"], metrics["label"]
    flags = " ".join(
        f"--{role} {columns[role]}" for role in ("label", "group", "order", "kind") if columns[role]
    )
    return {
        "name": settings.run.name,
        "label_kind": metrics["label_kind"],
        "data": {
            "source": metrics["source"],
            "rows trained on": metrics["n"],
            "groups": metrics["groups"],
            "scores lie in": f"{label['min']:g} to {label['max']:g}",
        },
        "evaluation": metrics,
        "features": columns["features"],
        "limits": "The estimate holds for new references of the same kind of pictures and"
        " distortions, and for columns computed in the same way.",
        "reproduce": f"seiqa fit-table {settings.data} {flags} --out {settings.run}"
        f" --config {settings.config} --seed {settings.seed}",
    }
