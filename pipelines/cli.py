"""The command line: `seiqa VERB …`. Only what a verb needs is imported, so that help is instant."""

from __future__ import annotations

import logging

import typer

from pipelines import (
    audit_command,
    compare_command,
    run_commands,
    serve_command,
    table_commands,
    use_commands,
    weights_commands,
)
from pipelines.console import fail

DATA_EXIT_CODE = 3  # a table that cannot be learned from is bad data too

app = typer.Typer(
    help="Score how much of an image's meaning survives degradation.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
for verb in (
    use_commands.demo,
    run_commands.check,
    audit_command.audit,
    run_commands.features,
    run_commands.train,
    run_commands.submit,
    run_commands.report,
    run_commands.run,
    compare_command.compare,
    use_commands.score,
    serve_command.serve,
    use_commands.extractors,
    table_commands.fit_table,
    table_commands.predict_table,
):
    app.command()(verb)
app.add_typer(weights_commands.app, name="weights")


def main(arguments: list[str] | None = None) -> None:
    """Entry point: errors the user can mend become plain lines and an exit code."""
    from seiqa_features.errors import SeiqaError
    from seiqa_models.errors import TableError

    logging.basicConfig(level=logging.WARNING, format="seiqa: %(message)s")
    try:
        app(arguments)
    except (SeiqaError, TableError) as error:
        fail(str(error), getattr(error, "exit_code", DATA_EXIT_CODE))
    except OSError as error:  # disk full, no permission, a folder where a file should be
        fail(f"{error.filename or 'file system'}: {error.strerror or error}", 1)


if __name__ == "__main__":
    main()
