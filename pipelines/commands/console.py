"""Output of the command line during work and on failure."""

from __future__ import annotations

import io
import logging
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from seiqa_features.errors import printable

if TYPE_CHECKING:
    from pipelines.runs.metrics import Metrics
    from seiqa_features.progress import Progress as Callback

PACKAGES = ("pipelines", "seiqa_models", "seiqa_features")


class PrintableFormatter(logging.Formatter):
    """Messages on one line, whatever names they contain."""

    def format(self, record: logging.LogRecord) -> str:
        """The line, followed by a traceback if there is one."""
        message = printable(record.getMessage())
        trace = self.formatException(record.exc_info) if record.exc_info else ""
        return f"seiqa: {message}" + (f"\n{trace}" if trace else "")


def prepare_output() -> None:
    """Make any text printable to any terminal, file or pipe, and show warnings as log lines.

    Characters that the output's encoding lacks, such as "é" in ASCII, are written as escapes.
    Streams that the caller has closed (``>&-``) lead nowhere: otherwise the next files that are
    opened would get their numbers, and what a library prints.
    """
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, Path(os.devnull).open(mode))  # noqa: SIM115 — for all of the process
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    handler = logging.StreamHandler()
    handler.setFormatter(PrintableFormatter())
    logging.basicConfig(level=logging.WARNING, handlers=[handler])
    set_verbosity(verbose=False, quiet=False)


def set_verbosity(*, verbose: bool, quiet: bool) -> None:
    """Choose which log lines of seiqa are shown; `is_quiet` and `debugging` follow from it."""
    level = logging.ERROR if quiet else logging.INFO if verbose else logging.WARNING
    for name in PACKAGES:
        logging.getLogger(name).setLevel(level)


def is_quiet() -> bool:
    """Whether the user wants no progress and no hints."""
    return logging.getLogger(PACKAGES[0]).level > logging.WARNING


def debugging() -> bool:
    """Whether the user wants tracebacks."""
    verbose = logging.getLogger(PACKAGES[0]).level == logging.INFO
    return verbose or bool(os.environ.get("SEIQA_DEBUG"))


def say(line: str, *, err: bool = False) -> None:
    """Print one line, whatever names it contains, on standard output or error."""
    typer.echo(printable(line), err=err)


def say_aside(line: str) -> None:
    """Print what helps to understand a result, on standard error, unless the user wants quiet."""
    if not is_quiet():
        say(line, err=True)


def say_json(value: Any) -> None:
    """Print an object as JSON, for other programs; numbers that are not finite are null."""
    from pipelines.runs.folder import json_text

    typer.echo(json_text(value))


def fail(message: str, code: int) -> None:
    """Print what is wrong, line by line, and exit."""
    for line in message.splitlines():
        say(f"seiqa: {line}", err=True)
    sys.exit(code)


def say_left_out(problems: Sequence[str]) -> None:
    """List the pairs that are left out at the user's request."""
    for line in problems:
        say(f"seiqa: left out: {line}", err=True)


def say_figures(metrics: Metrics) -> None:
    """Print what has to be known of an estimate besides its figure."""
    say_few_groups(metrics)
    say_sampled(metrics)
    say_purpose(metrics)
    say_kinds(metrics)
    say_laboratories(metrics)
    say_sense(metrics)


def say_kinds(metrics: Metrics) -> None:
    """Print the gain from known kinds of distortion, and the estimate for unseen kinds."""
    for name, without_kinds in (metrics.without_kinds or {}).items():
        gain = without_kinds.gain
        low, high = gain.interval
        say(
            f"without kinds of distortion, {name} alone: final {without_kinds.final:.4f};"
            f" the stack minus that {gain.difference:+.4f} ({low:+.4f} to {high:+.4f})"
        )
    if transfer := metrics.transfer:
        low, high = transfer.interval
        say(
            f"a kind of distortion never seen: final {transfer.final:.4f}"
            f" ({low:.3f} to {high:.3f}) on {transfer.n} rows; once seen"
            f" {transfer.by_group.final:.4f}, best single feature"
            f" {transfer.best_single.final:.4f}"
        )
    elif reason := metrics.transfer_left_out:
        say(f"seiqa: no estimate for kinds of distortion never seen: {reason}", err=True)


def say_few_groups(metrics: Metrics) -> None:
    """Print a caution if an estimate is based on few scenes."""
    from seiqa_models.core.checks import FEW_GROUPS

    if metrics.groups < FEW_GROUPS:
        say(
            f"caution: only {metrics.groups} scenes; below {FEW_GROUPS} an estimate can be off by"
            " more than its interval says, and it is slightly too low on average"
        )


def say_sampled(metrics: Metrics) -> None:
    """Print what was done differently because rows are many."""
    for size in sorted(set(metrics.sampled.values())):
        names = [name for name, rows in metrics.sampled.items() if rows == size]
        say(
            f"{', '.join(names)}: fitted on {size} of {metrics.n} rows, spread over scenes and"
            " labels, because time or size would grow too fast with them"
        )
    for size in sorted(set(metrics.inducing.values())):
        names = [name for name, rows in metrics.inducing.items() if rows == size]
        say(f"{', '.join(names)}: approximated by {size} rows, fitted to all {metrics.n}")
    if metrics.inner_folds:
        say(f"{metrics.inner_folds} inner folds, because there are {metrics.n} rows")


def say_purpose(metrics: Metrics) -> None:
    """Print what a stack for pictures from anywhere loses on new scenes of its own collection."""
    if at_home := metrics.at_home:
        cost = at_home.final - metrics.honest.final
        say(
            f"purpose {metrics.purpose}: costs {cost:.4f} on new scenes of this collection,"
            f" where purpose home has {at_home.final:.4f}"
        )


def say_laboratories(metrics: Metrics) -> None:
    """Print how well models that have seen nothing of a collection rank its pairs."""
    if metrics.scales is not None:
        say(f"scale of the scores: {metrics.scales['scale']}")
    cells = metrics.laboratories or []
    elsewhere = [cell for cell in cells if cell.left_out and cell.scored_as is None]
    # The last one of a collection is from all others together, or from the only other one.
    last = {cell.judged_on: cell for cell in elsewhere}
    for name, found in sorted(last.items()):
        say(
            f"collection {name} from {' and '.join(found.trained_on)}: SROCC {found.srocc:.4f},"
            f" within scenes {found.within:.4f}, PLCC {found.plcc:.4f} after a monotone mapping,"
            f" on {found.n} pairs"
        )
    for reason in metrics.laboratories_left_out or []:
        say(f"seiqa: collection {reason}", err=True)


def say_sense(metrics: Metrics) -> None:
    """Print how many relations that hold by construction the model keeps."""
    if found := metrics.sense:
        kind, share = found.least
        say(
            f"common sense: keeps {found.mean:.3f} of the orders that hold by construction (mean of"
            f" {len(found.shares)} classes, {found.photographs} photographs, {found.seconds:.0f}"
            f" s); least kept: {kind}, {share:.3f}"
        )
    elif reason := metrics.sense_left_out:
        say(f"seiqa: common sense was not measured: {reason}", err=True)


@contextmanager
def bars(*names: str) -> Iterator[list[Callback]]:
    """A progress bar with rate and remaining time for each name, shown from its first report on."""
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )

    columns = (
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"), TimeRemainingColumn(),
    )  # fmt: skip
    display = Progress(*columns, console=Console(stderr=True), disable=is_quiet())

    def bar(name: str) -> Callback:
        task = display.add_task(name, visible=False, start=False, total=None, rate="")

        def report(done: int, total: int) -> None:
            display.start()
            display.start_task(task)
            elapsed = display.tasks[task].elapsed or 0.0
            rate = f"{done / elapsed:.1f}/s" if elapsed > 1 else ""
            display.update(task, completed=done, total=total, visible=True, rate=rate)

        return report

    try:
        yield [bar(name) for name in names]
    finally:
        if display.live.is_started:  # otherwise it would print an empty line
            display.stop()
