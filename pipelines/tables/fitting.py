"""Fit the model half to tables of numbers, and score one with it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd

from pipelines.runs.card import collection_facts
from pipelines.runs.folder import exclusive
from pipelines.runs.ledger import note_run
from pipelines.runs.metrics import Metrics
from pipelines.runs.model import KINDS_DIFFER, make_regressor
from pipelines.runs.readiness import require_members, require_scales, require_training_labels
from pipelines.runs.writing import write_training
from pipelines.scales import collections_of, scale_parameters
from pipelines.settings import Settings
from pipelines.steps.laboratories import judge_collections
from pipelines.tables.reading import Labelled, features_of, read_labelled
from seiqa_features.errors import UsageError
from seiqa_features.progress import Progress, unwatched
from seiqa_features.spending import Spent, spending
from seiqa_features.tabular.names import column_key
from seiqa_features.tabular.reading import read_text_table
from seiqa_models.audit.tables import Roles
from seiqa_models.bundle import load_bundle
from seiqa_models.core.columns import is_dense, split_columns
from seiqa_models.core.errors import TableError
from seiqa_models.core.readiness import require_folds
from seiqa_models.evaluation.evaluate import evaluate

PSEUDO_LABEL = "pseudo_label"  # a label column of this name holds pseudo-labels, as in a manifest
SCORE = "score"


def fit_table(
    settings: Settings,
    roles: Roles,
    *,
    on_read: Callable[[Labelled], None] = lambda _: None,
    on_fold: Progress = unwatched,
    on_laboratory: Progress = unwatched,
) -> Metrics:
    """Estimate honestly, fit on every labelled row, and write metrics, predictions and bundle.

    The run gets a line in the ledger beside its folder.

    Parameters
    ----------
    settings : Settings
        `data` is the table, or several that are collections; `run` the folder for the results.
    roles : Roles
        The columns that are not features.
    on_read : callable
        Called with what was read, before anything is fitted.

    Returns
    -------
    Metrics

    Raises
    ------
    DataError
        A table cannot be read, lacks a column or rows, or a label is not a number; or several
        have no feature in common.
    TableError
        One holds columns that must not be features, or they cannot be learned from.
    UsageError
        The settings name a learner or a representation that does not exist.
    """
    require_members(settings)
    with exclusive(settings.run), spending() as spent:
        found = read_labelled(settings.named_data(), roles)
        on_read(found)
        metrics = _fit(settings, found, spent, on_fold, on_laboratory)
    note_run(settings, metrics)
    return metrics


def _fit(
    settings: Settings,
    found: Labelled,
    spent: Callable[[], Spent],
    on_fold: Progress,
    on_laboratory: Progress,
) -> Metrics:
    roles, training = found.roles, _training(settings, found)
    _require_trainable(settings, training)
    several = "collection" in training
    evaluation = evaluate(
        make_regressor(settings, **scale_parameters(settings, training)),
        found.features,
        training["mos"],
        training["group_id"],
        training.get("order"),
        kinds=found.rows[roles.kind] if roles.kind and not several else None,
        collections=collections_of(settings, training),
        n_splits=settings.folds,
        seed=settings.seed,
        n_jobs=settings.workers,
        on_fold=on_fold,
    )
    laboratories, unjudged = judge_collections(
        settings, evaluation, training, found.features, on_laboratory
    )
    columns = {**vars(roles), "drop": list(roles.drop), "features": list(found.features.columns)}
    metrics = Metrics.of(
        evaluation.figures,
        unlabelled=found.unlabelled,
        transfer_left_out=KINDS_DIFFER if roles.kind and several else None,
        label_kind="pseudo-label" if column_key(roles.label) == PSEUDO_LABEL else "MOS",
        source=settings.shown_data,
        scales=getattr(evaluation.regressor, "scales_", None),
        laboratories=laboratories,
        laboratories_left_out=unjudged,
        columns=columns,
    )
    write_training(
        settings,
        metrics,
        _identified(found, evaluation.predictions),
        evaluation.regressor,
        recipe={"table": columns},
        card=_card(settings, training, metrics, columns),
        spent=spent(),
    )
    return metrics


def _identified(found: Labelled, predictions: pd.DataFrame) -> pd.DataFrame:
    """Predictions after the columns of the table that help to identify their rows."""
    known = {*found.features.columns, found.roles.label, found.roles.group, *predictions.columns}
    return _ids(found.rows, known).join(predictions)


def _training(settings: Settings, found: Labelled) -> pd.DataFrame:
    """The labelled rows in the columns of a pair table, collection only if there are several."""
    rows, roles = found.rows, found.roles
    training = pd.DataFrame({"mos": rows[roles.label], "group_id": rows[roles.group]})
    training["pair_id"] = [f"row {row}" for row in rows.index]
    if roles.order is not None:
        training["order"] = rows[roles.order]
    names = found.collections
    if names is not None and names.isna().any():
        row = training["pair_id"][names.isna()].iloc[0]
        raise TableError(
            f"{row} has no value in column {roles.collection!r}: every row needs its collection"
        )
    if names is not None and names.nunique() > 1:
        training["collection"] = names
    for name in settings.dmos:
        if "collection" not in training or name not in set(training["collection"]):
            known = ", ".join(sorted(set(training.get("collection", ())))) or "no collections"
            raise UsageError(f"setting dmos: there is no collection {name!r}; there are {known}")
        turned = training["collection"] == name
        training.loc[turned, "mos"] = 0.0 - training["mos"]
    training.attrs["source"] = settings.shown_data
    return training


def _require_trainable(settings: Settings, training: pd.DataFrame) -> None:
    """Refuse labels and groups that allow no estimate, before anything is fitted."""
    require_training_labels(training)
    if training["group_id"].isna().any():
        return  # evaluate says so
    if "collection" in training:
        require_scales(settings, training)
        return
    require_folds(
        training["mos"],
        training["group_id"],
        training.get("order"),
        names=training["pair_id"].tolist(),
        n_splits=settings.folds,
        seed=settings.seed,
    )


def predict_table(table: Path, bundle: Path, *, collection: str | None = None) -> pd.DataFrame:
    """The columns of a table that the bundle's model does not read, plus `score`.

    Parameters
    ----------
    table : Path
        Must have the columns that the model was trained on, and may have others.
    bundle : Path
        A bundle, or the folder that `fit_table` wrote.
    collection : str, optional
        Score as its observers; by default as all collections have in common.

    Raises
    ------
    DataError
        The table cannot be read, or a feature column is missing or not entirely numeric.
    TableError
        There is no bundle, or its model knows no such collection.
    """
    regressor = load_bundle(bundle).regressor
    rows = read_text_table(table)
    features, spelled = features_of(rows, regressor.features_)
    split_columns(features)
    return _ids(rows.cells, {*spelled, SCORE}).assign(
        **{SCORE: regressor.predict(features, collection)}
    )


def _ids(rows: pd.DataFrame, others: set[str]) -> pd.DataFrame:
    """Columns that help to identify a row: all except those named, and dense blocks."""
    gone = set(map(column_key, others))
    kept = [name for name in rows.columns if column_key(name) not in gone]
    return rows[[name for name in kept if not is_dense(rows[name])]]


def _card(
    settings: Settings, training: pd.DataFrame, metrics: Metrics, columns: dict[str, Any]
) -> dict[str, Any]:
    roles = ("label", "group", "order", "kind", "collection")
    flags = " ".join(f"--{role} {columns[role]}" for role in roles if columns[role])
    return {
        "name": settings.run.name,
        "label_kind": metrics.label_kind,
        "data": {
            "source": metrics.source,
            "rows trained on": metrics.n,
            "groups": metrics.groups,
            **collection_facts(training, metrics),
            "scores lie in": f"{metrics.label.min:g} to {metrics.label.max:g}",
        },
        "evaluation": metrics.for_card(),
        "features": columns["features"],
        "limits": "The estimate holds for new references of the same kind of pictures and"
        " distortions, and for columns computed in the same way.",
        "reproduce": f"seiqa fit-table {metrics.source} {flags} --out {settings.run}"
        f" --config {settings.config} --seed {settings.seed}",
    }
