"""The command line: `seiqa VERB …`. Only what a verb needs is imported, so that help is instant."""

from __future__ import annotations

import errno
import sys
from pathlib import Path
from typing import Annotated

import typer

from pipelines.commands import (
    audit,
    cache,
    compare,
    finetune,
    listing,
    plan,
    run,
    score,
    serve,
    tables,
    trying,
    weights,
)
from pipelines.commands.console import debugging, fail, prepare_output, set_verbosity
from pipelines.commands.options import Verb
from pipelines.unexpected import described

DATA_EXIT_CODE = 3  # a table that cannot be learned from counts as bad data
READER_GONE = 141  # as if SIGPIPE had ended it

app = typer.Typer(
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
for verb in (
    trying.demo,
    run.check,
    audit.audit,
    plan.plan,
    run.features,
    run.train,
    run.submit,
    run.report,
    run.run,
    finetune.finetune,
    compare.compare,
    score.score,
    trying.sense,
    serve.serve,
    listing.extractors,
    tables.fit_table,
    tables.predict_table,
):
    app.command(cls=Verb)(verb)
app.add_typer(weights.app, name="weights")
app.add_typer(cache.app, name="cache")


def _say_version(asked: bool) -> None:
    if asked:
        from pipelines import __version__

        typer.echo(f"seiqa {__version__}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[  # noqa: ARG001
        bool,
        typer.Option("--version", callback=_say_version, is_eager=True, help="Show the version."),
    ] = False,
    verbose: Annotated[
        bool, typer.Option("--verbose", "-v", help="Show what is loaded, and tracebacks.")
    ] = False,
    quiet: Annotated[
        bool, typer.Option("--quiet", "-q", help="Only results and errors: no progress, no hints.")
    ] = False,
) -> None:
    """Score how much of an image's meaning survives degradation."""
    set_verbosity(verbose=verbose, quiet=quiet)


def main(arguments: list[str] | None = None) -> None:
    """Entry point: any failure ends with plain lines and an exit code.

    0 done, 1 disk, permission or an error of the program, 2 usage, 3 data, 4 weights, 130
    interrupted, 141 the reader of the output has gone. Tracebacks are shown with ``-v`` or
    ``SEIQA_DEBUG=1``.
    """
    from seiqa_features.errors import SeiqaError
    from seiqa_models.core.errors import TableError

    prepare_output()
    try:
        Path.cwd()
    except FileNotFoundError:  # libraries end the process in their own words
        fail("the current folder does not exist any more; change to another one", 1)
    try:
        app(arguments)
    except SystemExit as stopped:
        if isinstance(stopped.__context__, BrokenPipeError):  # typer exits silently with 1
            sys.exit(READER_GONE)
        raise
    except Exception as error:
        if debugging():
            raise
        if isinstance(error, SeiqaError | TableError):
            fail(str(error), getattr(error, "exit_code", DATA_EXIT_CODE))
        elif isinstance(error, OSError) and error.errno != errno.ENOMEM:  # disk full, no permission
            fail(f"{error.filename or 'file system'}: {error.strerror or error}", 1)
        fail(described(error), 1)


if __name__ == "__main__":
    main()
