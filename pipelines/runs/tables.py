"""The model half on a third-party table: no pictures, the columns are the features."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd

from pipelines.runs.folder import BUNDLE, exclusive
from pipelines.runs.ledger import note_run
from pipelines.runs.metrics import Metrics
from pipelines.runs.model import make_regressor
from pipelines.runs.writing import write_training
from pipelines.settings import Settings
from seiqa_features.commits import current
from seiqa_features.errors import DataError
from seiqa_features.progress import Progress, unwatched
from seiqa_features.spending import Spent, spending
from seiqa_features.tabular.names import column_key
from seiqa_features.tabular.numbers import read_number
from seiqa_features.tabular.reading import TextTable, read_text_table
from seiqa_models.audit.tables import Roles, feature_columns, labelled_rows
from seiqa_models.bundle import MANIFEST_FILE, load_bundle
from seiqa_models.core.columns import is_dense, split_columns
from seiqa_models.core.readiness import require_folds, require_labels
from seiqa_models.evaluation.evaluate import evaluate

PSEUDO_LABEL = "pseudo_label"  # a label column of this name holds pseudo-labels, as in a manifest
SCORE = "score"


def fit_table(settings: Settings, roles: Roles, *, on_fold: Progress = unwatched) -> Metrics:
    """Estimate honestly, fit on every labelled row, and write metrics, predictions and bundle.

    The run gets a line in the ledger beside its folder.

    Parameters
    ----------
    settings : Settings
        `data` is the table, `run` the folder for the results.
    roles : Roles
        The columns that are not features.

    Returns
    -------
    Metrics

    Raises
    ------
    DataError
        The table cannot be read, lacks a column or rows, or a label is not a number.
    TableError
        It holds columns that must not be features, or cannot be learned from.
    """
    with exclusive(settings.run), spending() as spent:
        metrics = _fit(settings, roles, on_fold, spent)
    note_run(settings, metrics)
    return metrics


def _fit(
    settings: Settings, roles: Roles, on_fold: Progress, spent: Callable[[], Spent]
) -> Metrics:
    table, roles = by_role(read_text_table(settings.named_data()[0]), roles)
    X = feature_columns(table, roles)
    rows = labelled_rows(table, roles)
    order = rows[roles.order] if roles.order else None
    names = [f"row {row}" for row in rows.index]
    require_labels(rows[roles.label], names)
    if rows[roles.group].notna().all():  # otherwise evaluate reports it
        require_folds(
            rows[roles.label],
            rows[roles.group],
            order,
            names=names,
            n_splits=settings.folds,
            seed=settings.seed,
        )
    evaluation = evaluate(
        make_regressor(settings),
        X,
        rows[roles.label],
        rows[roles.group],
        order,
        kinds=rows[roles.kind] if roles.kind else None,
        n_splits=settings.folds,
        seed=settings.seed,
        n_jobs=settings.workers,
        on_fold=on_fold,
    )
    columns = {**vars(roles), "drop": list(roles.drop), "features": list(X.columns)}
    metrics = Metrics.of(
        evaluation.figures,
        unlabelled=len(table) - len(rows),
        label_kind="pseudo-label" if column_key(roles.label) == PSEUDO_LABEL else "MOS",
        source=str(settings.data),
        columns=columns,
    )
    predictions = evaluation.predictions
    ids = _ids(rows, {*X.columns, roles.label, roles.group, *predictions.columns})
    write_training(
        settings,
        metrics,
        ids.join(predictions),
        evaluation.regressor,
        recipe={"table": columns},
        card=_card(settings, metrics, columns),
        spent=spent(),
    )
    return metrics


def predict_table(table: Path, bundle: Path) -> pd.DataFrame:
    """The columns of a table that the bundle's model does not read, plus `score`.

    Parameters
    ----------
    table : Path
        Must have the columns that the model was trained on, and may have others.
    bundle : Path
        A bundle, or the folder that `fit_table` wrote.

    Raises
    ------
    DataError
        The table cannot be read, or a feature column is missing or not entirely numeric.
    TableError
        There is no bundle.
    """
    inner = bundle / BUNDLE
    regressor = load_bundle(inner if current(inner / MANIFEST_FILE).is_file() else bundle).regressor
    rows = read_text_table(table)
    features, spelled = features_of(rows, regressor.features_)
    split_columns(features)
    return _ids(rows.cells, {*spelled, SCORE}).assign(**{SCORE: regressor.predict(features)})


def by_role(table: TextTable, roles: Roles) -> tuple[pd.DataFrame, Roles]:
    """The table with typed columns, and the roles with column names as spelled in its header.

    Its index holds the rows' numbers in the file.

    Label, order and every column without a role become float64 (NaN if a cell is missing), group
    and kind text (missing if a cell is empty). Columns to drop are left unchanged, and so is a
    column without a role that is not entirely numeric: it is not a feature.

    Raises
    ------
    DataError
        A role's column is missing, there are no rows, or labels or order are not all numbers.
    """
    spelled = dict(zip(roles.columns, table.columns(roles.columns), strict=True))
    if not len(table.rows):
        raise DataError([f"{table.source}: no rows in it, expected a header and one row per pair"])
    roles = replace(
        roles,
        label=spelled[roles.label],
        group=spelled[roles.group],
        order=roles.order and spelled[roles.order],
        kind=roles.kind and spelled[roles.kind],
        drop=tuple(spelled[name] for name in roles.drop),
    )
    texts = [name for name in (roles.group, roles.kind) if name is not None]
    kept = {*texts, *roles.drop}
    numbers = table.numbers([name for name in table.cells.columns if name not in kept])
    for name in filter(None, (roles.label, roles.order)):
        if name in numbers:
            _require_numbers(table, name, numbers[name])
    typed = table.cells.copy(deep=False)
    typed[numbers.columns] = numbers
    for name in texts:
        text = table.text(name)
        typed[name] = text.mask(text == "")
    return typed.set_axis(pd.Index(table.rows, name="row")), roles


def features_of(table: TextTable, names: Sequence[str]) -> tuple[pd.DataFrame, list[str]]:
    """Features under the names used by a model, and their spelling in the table's header.

    Raises
    ------
    DataError
        One is missing, or is not entirely numeric.
    """
    spelled = table.columns(names)
    features = table.numbers(spelled)
    for name in spelled:
        _require_numbers(table, name, features[name])
    return features.set_axis(list(names), axis=1), spelled


def _require_numbers(table: TextTable, name: str, column: pd.Series) -> None:
    """Refuse a text column; the message shows its first non-numeric cell."""
    if column.dtype != "str":
        return
    cells = table.number_text(name)
    odd = [row for row, cell in enumerate(cells) if read_number(cell) is None]
    more = f" (nor are {len(odd) - 1} cells below)" if odd[1:] else ""
    raise DataError(
        [f"{table.where(odd[0])}: {cells[odd[0]]!r} in column {name!r} is not a number{more}"]
    )


def _ids(rows: pd.DataFrame, others: set[str]) -> pd.DataFrame:
    """Columns that help to identify a row: all except those named, and dense blocks."""
    gone = set(map(column_key, others))
    kept = [name for name in rows.columns if column_key(name) not in gone]
    return rows[[name for name in kept if not is_dense(rows[name])]]


def _card(settings: Settings, metrics: Metrics, columns: dict[str, Any]) -> dict[str, Any]:
    flags = " ".join(
        f"--{role} {columns[role]}" for role in ("label", "group", "order", "kind") if columns[role]
    )
    return {
        "name": settings.run.name,
        "label_kind": metrics.label_kind,
        "data": {
            "source": metrics.source,
            "rows trained on": metrics.n,
            "groups": metrics.groups,
            "scores lie in": f"{metrics.label.min:g} to {metrics.label.max:g}",
        },
        "evaluation": metrics.model_dump(mode="json"),
        "features": columns["features"],
        "limits": "The estimate holds for new references of the same kind of pictures and"
        " distortions, and for columns computed in the same way.",
        "reproduce": f"seiqa fit-table {settings.data} {flags} --out {settings.run}"
        f" --config {settings.config} --seed {settings.seed}",
    }
