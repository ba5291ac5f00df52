"""The command line: `seiqa VERB …`. Only what a verb needs is imported, so that help is instant."""

from __future__ import annotations

import os
import sys

import typer

from pipelines.commands import (
    audit,
    cache,
    compare,
    plan,
    run,
    sense,
    serve,
    tables,
    use,
    weights,
)  # fmt: skip
from pipelines.commands.console import fail, prepare_output

DATA_EXIT_CODE = 3  # a table that cannot be learned from counts as bad data
READER_GONE = 141  # as if SIGPIPE had ended it

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
    plan.plan,
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
app.add_typer(cache.app, name="cache")


def main(arguments: list[str] | None = None) -> None:
    """Entry point: any failure ends with plain lines and an exit code.

    0 done, 1 disk, permission or an error of the program, 2 usage, 3 data, 4 weights, 130
    interrupted, 141 the reader of the output has gone. ``SEIQA_DEBUG=1`` shows tracebacks.
    """
    from seiqa_features.errors import SeiqaError
    from seiqa_models.core.errors import TableError

    prepare_output()
    try:
        app(arguments)
    except SystemExit as stopped:
        if isinstance(stopped.__context__, BrokenPipeError):  # typer exits silently with 1
            sys.exit(READER_GONE)
        raise
    except Exception as error:
        if os.environ.get("SEIQA_DEBUG"):
            raise
        if isinstance(error, SeiqaError | TableError):
            fail(str(error), getattr(error, "exit_code", DATA_EXIT_CODE))
        elif isinstance(error, OSError):  # disk full, no permission, a folder in place of a file
            fail(f"{error.filename or 'file system'}: {error.strerror or error}", 1)
        said = " ".join(str(error).split()) or "no message"
        fail(
            f"unexpected {type(error).__name__}: {said}; SEIQA_DEBUG=1 in the environment shows"
            " where: please report it",
            1,
        )


if __name__ == "__main__":
    main()
