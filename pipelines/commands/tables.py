"""`seiqa fit-table` and `seiqa predict-table`; their needs are imported when they run."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pipelines.commands.console import bars, say, say_figures
from pipelines.commands.options import As, Config, Seed, Workers

if TYPE_CHECKING:
    from pipelines.tables.reading import Labelled

Tables = Annotated[
    list[Path],
    typer.Argument(
        metavar="TABLE",
        help="Table of numbers: .csv, .xlsx, .parquet, …; several are collections, with label"
        " scales of their own.",
    ),
]
Table = Annotated[
    Path, typer.Argument(metavar="TABLE", help="Table of numbers: .csv, .xlsx, .parquet, …")
]


Label = Annotated[str, typer.Option(metavar="COLUMN", help="Column of scores, higher is better.")]
Group = Annotated[
    str,
    typer.Option(
        metavar="COLUMN", help="Column of groups that share a fold, such as the reference."
    ),
]
Results = Annotated[
    Path, typer.Option(metavar="FOLDER", help="Folder for metrics, predictions and bundle.")
]
Order = Annotated[
    str | None,
    typer.Option(metavar="COLUMN", help="Column of file order, if neighbouring files are alike."),
]
Kind = Annotated[
    str | None,
    typer.Option(
        metavar="COLUMN", help="Column of kinds of distortion, learned from and held out."
    ),
]
Study = Annotated[
    str | None,
    typer.Option(metavar="COLUMN", help="Column of studies with label scales of their own."),
]
Drop = Annotated[
    list[str] | None,
    typer.Option(metavar="COLUMN", help="Column that is not a feature; repeat it for several."),
]


def fit_table(
    tables: Tables, label: Label, group: Group, out: Results,
    order: Order = None, kind: Kind = None, collection: Study = None, drop: Drop = None,
    config: Config = None, workers: Workers = None, seed: Seed = None,
) -> None:  # fmt: skip
    """Train on a table of numbers instead of pictures.

    Every column that has no other role is a feature.

    The report is that of `seiqa train`, without what needs pictures.
    """
    from pipelines.report.render import render_report
    from pipelines.setting_sources import load_settings
    from pipelines.tables.fitting import fit_table as fit
    from seiqa_models.audit.tables import Roles

    settings = load_settings(data=tables, run=out, config=config, workers=workers, seed=seed)
    roles = Roles(label, group, order, kind, collection, tuple(drop or ()))
    with bars("training folds", "judging collections") as (folds, laboratories):
        metrics = fit(settings, roles, on_read=_say_read, on_fold=folds, on_laboratory=laboratories)
    honest, single = metrics.honest, metrics.best_single
    low, high = honest.interval
    if metrics.unlabelled:
        say(f"seiqa: {metrics.unlabelled} rows without a label left out", err=True)
    say(
        f"honest estimate: final {honest.final:.4f} ({low:.3f} to {high:.3f}),"
        f" SROCC {honest.srocc:.4f}, PLCC {honest.plcc:.4f} on {metrics.n} rows,"
        f" {metrics.splitter}"
    )
    say(f"best single column: final {single.final:.4f} ({single.name})")
    say_figures(metrics)
    where = settings.run
    say(f"metrics, predictions and bundle in {where}; report in {render_report(where)}")


def _say_read(found: Labelled) -> None:
    """Print what several tables have in common, and what not all of them have."""
    if found.left_out:
        say(
            f"seiqa: features that not every table has are left out: {', '.join(found.left_out)}",
            err=True,
        )
    if shared := found.shared_groups:
        names = ", ".join(shared[:3]) + (", …" if shared[3:] else "")
        say(
            f"seiqa: {len(shared)} groups have the same name in several collections ({names}) and"
            " are one group in every fold",
            err=True,
        )


def predict_table(
    table: Table,
    bundle: Annotated[
        Path, typer.Option(metavar="FOLDER", help="Folder that fit-table wrote, or its bundle.")
    ],
    score_as: As = None,
    out: Annotated[
        Path | None, typer.Option(metavar="FILE", help="CSV to write [standard output].")
    ] = None,
) -> None:
    """Score every row of a table with a trained bundle."""
    from pipelines.runs.outputs import require_writable
    from seiqa_features.remote.places import as_path
    from seiqa_features.tabular.inert import inert_csv
    from seiqa_features.writing import write_whole

    if out is not None:
        out = as_path(out)
        require_writable(out, inputs=[table])

    from pipelines.tables.fitting import predict_table as predict

    scored = predict(as_path(table), as_path(bundle), collection=score_as)
    if out is None:
        typer.echo(inert_csv(scored).encode(), nl=False)  # UTF-8 as in a file, wherever it goes
        return
    write_whole(out, inert_csv(scored))
    say(f"{len(scored)} scores in {out}")
