"""The command line: `seiqa VERB …`. Only what a verb needs is imported, so that help is instant."""

from __future__ import annotations

import logging

import typer

from pipelines.commands import audit, compare, run, sense, serve, tables, use, weights
from pipelines.commands.console import fail

DATA_EXIT_CODE = 3  # a table that cannot be learned from is bad data, too

app = typer.Typer(
    help="Score how much of an image's meaning survives degradation.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
for verb in (
    use.demo,
    run.check,
    audit.audit,
    run.features,
    run.train,
    run.submit,
    run.report,
    run.run,
    compare.compare,
    use.score,
    sense.sense,
    serve.serve,
    use.extractors,
    tables.fit_table,
    tables.predict_table,
):
    app.command()(verb)
app.add_typer(weights.app, name="weights")


def main(arguments: list[str] | None = None) -> None:
    """Entry point: errors that the user can fix become plain lines and an exit code."""
    from seiqa_features.errors import SeiqaError
    from seiqa_models.core.errors import TableError

    logging.basicConfig(level=logging.WARNING, format="seiqa: %(message)s")
    try:
        app(arguments)
    except (SeiqaError, TableError) as error:
        fail(str(error), getattr(error, "exit_code", DATA_EXIT_CODE))
    except OSError as error:  # disk full, no permission, a folder where a file should be
        fail(f"{error.filename or 'file system'}: {error.strerror or error}", 1)


if __name__ == "__main__":
    main()
