"""`seiqa fit-table` and `seiqa predict-table`; their needs are imported when they run."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pipelines.commands.console import bars, say_few_groups, say_kinds, say_purpose, say_sampled
from pipelines.commands.options import Config, Seed, Workers

Table = Annotated[Path, typer.Argument(help="Table of numbers: .csv, .xlsx, .parquet, …")]


def fit_table(
    table: Table,
    label: Annotated[str, typer.Option(help="Column of scores, higher is better.")],
    group: Annotated[str, typer.Option(help="Column of what stays in one fold: the reference.")],
    out: Annotated[Path, typer.Option(help="Folder for metrics, predictions and bundle.")],
    order: Annotated[
        str | None, typer.Option(help="Column of file order, if neighbouring files are alike.")
    ] = None,
    kind: Annotated[
        str | None, typer.Option(help="Column of kinds of distortion, learned from and held out.")
    ] = None,
    drop: Annotated[list[str] | None, typer.Option(help="Column that is not a feature.")] = None,
    config: Config = None,
    workers: Workers = None,
    seed: Seed = None,
) -> None:
    """Fit the model half on a table: every column that has no other role is a feature.

    The report is that of `seiqa train`, without what needs pictures.
    """
    from pipelines.report.render import render_report
    from pipelines.runs.tables import fit_table as fit
    from pipelines.settings import load_settings
    from seiqa_models.audit.tables import Roles

    settings = load_settings(data=table, run=out, config=config, workers=workers, seed=seed)
    roles = Roles(label, group, order, kind, tuple(drop or ()))
    with bars("training folds") as (progress,):
        metrics = fit(settings, roles, on_fold=progress)
    honest, single = metrics.honest, metrics.best_single
    low, high = honest.interval
    if metrics.unlabelled:
        typer.echo(f"seiqa: {metrics.unlabelled} rows without a label left out", err=True)
    typer.echo(
        f"honest estimate: final {honest.final:.4f} ({low:.3f} to {high:.3f}),"
        f" SROCC {honest.srocc:.4f}, PLCC {honest.plcc:.4f} on {metrics.n} rows,"
        f" {metrics.splitter}\n"
        f"best single column: final {single.final:.4f} ({single.name})"
    )
    say_few_groups(metrics)
    say_sampled(metrics)
    say_purpose(metrics)
    say_kinds(metrics)
    where = settings.run
    typer.echo(f"metrics, predictions and bundle in {where}; report in {render_report(where)}")


def predict_table(
    table: Table,
    bundle: Annotated[Path, typer.Option(help="Folder that fit-table wrote, or its bundle.")],
    out: Annotated[Path | None, typer.Option(help="CSV to write [standard output].")] = None,
) -> None:
    """Score every row of a table with a trained bundle."""
    from pipelines.runs.outputs import require_writable
    from seiqa_features.files import write_whole
    from seiqa_features.remote.places import as_path
    from seiqa_features.tabular.inert import inert_csv

    if out is not None:
        out = as_path(out)
        require_writable(out)

    from pipelines.runs.tables import predict_table as predict

    scored = predict(as_path(table), as_path(bundle))
    if out is None:
        typer.echo(inert_csv(scored).encode(), nl=False)  # UTF-8 as in a file, wherever it goes
        return
    write_whole(out, inert_csv(scored))
    typer.echo(f"{len(scored)} scores in {out}")
