"""`seiqa compare RUN_A RUN_B …`: trained runs side by side, and whether one is better."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pipelines.commands.console import say, say_aside, say_json
from pipelines.commands.options import Json
from pipelines.text_tables import show_table

if TYPE_CHECKING:
    from pipelines.report.comparing import Trained

COLUMNS = (
    "run", "data", "config", "n", "final", "SROCC", "PLCC", "gap", "best single", "kind unseen",
    "s a pair", "training s", "GB",
)  # fmt: skip
Runs = Annotated[
    list[Path],
    typer.Argument(metavar="RUN", help="Folders of trained runs; the first is the baseline."),
]
Html = Annotated[
    Path | None,
    typer.Option(
        "--html",
        metavar="FILE",
        help="HTML file to write: pairs on which the runs disagree, as pictures.",
    ),
]


def compare(runs: Runs, html: Html = None, json: Json = False) -> None:
    """Show trained runs, and test each against the first.

    The test is on the pairs that both predicted.

    The columns final, SROCC and PLCC are the honest estimate, gap is how much more a naive estimate
    would claim, and kind unseen is final on kinds of distortion that the training part lacked. The
    last three columns are the seconds for the features of a pair and its score, the seconds of the
    training (with fine-tuning), and the peak memory in GB, followed by that of a GPU. A second
    table has the share of relations that each model keeps (see `seiqa sense`), if training measured
    it.
    """
    from pipelines.report.comparing import against, read_trained
    from pipelines.runs.outputs import require_writable
    from seiqa_features.errors import DataError, UsageError

    if len(runs) < 2:
        raise UsageError("compare needs two run folders or more; the first is the baseline")
    if html is not None:
        require_writable(html)
    first, *others = read_trained(runs)
    problems, found = [], []
    for run in others:
        try:
            found.append(against(run, first))
        except DataError as error:
            problems += error.problems
    if json:
        say_json(
            {"runs": [_facts(run) for run in (first, *others)], "against the first": list(found)}
        )
    else:
        show_table(COLUMNS, [_row(run) for run in (first, *others)], few=True)
        _show_sense([first, *others])
        for line in map(sentence, found):
            say(line)
    if html is not None and found:
        from pipelines.report.comparison import write_comparison

        write_comparison(html, first, others, found)
        say_aside(f"seiqa: comparison in {html}")
    if problems:
        raise DataError(problems)


def sentence(found: dict[str, Any]) -> str:
    """What `against` found, in words."""
    low, high = found["interval"]
    return (
        f"{found['run']} against {found['first']}: {found['verdict']}; final"
        f" {found['difference']:+.4f} ({low:+.4f} to {high:+.4f}), p = {found['p_value']:.3f}, on"
        f" {found['pairs']} pairs of {found['groups']} groups"
    )


def _show_sense(runs: list[Trained]) -> None:
    """Print the suite of relations by class, one column per run; nothing if no run has it."""
    found = [run.metrics.sense for run in runs]
    classes = list(dict.fromkeys(kind for sense in found if sense for kind in sense.shares))
    if not classes:
        return
    typer.echo("")

    def row(name: str, shares: list[float | None]) -> list[str]:
        return [name, *("–" if share is None else f"{share:.3f}" for share in shares)]

    rows = [
        row(kind, [sense.shares.get(kind) if sense else None for sense in found])
        for kind in classes
    ]
    rows.append(row("mean", [sense.mean if sense else None for sense in found]))
    rows.append(["photographs", *(str(sense.photographs) if sense else "–" for sense in found)])
    show_table(("relations kept", *(str(run.folder) for run in runs)), rows)


def _facts(run: Trained) -> dict[str, Any]:
    """A run for JSON: folder, configuration, content of metrics.json, and what it took."""
    from pipelines.runs.effort import read_effort

    return {
        "run": str(run.folder),
        "config": run.config,
        "metrics": run.metrics.model_dump(mode="json"),
        "effort": asdict(read_effort(run.folder, run.metrics)),
    }


def _row(run: Trained) -> list[str]:
    metrics = run.metrics
    honest, transfer = metrics.honest, metrics.transfer
    low, high = honest.interval
    data = Path(metrics.source)
    return [
        str(run.folder),
        str(Path(*data.parts[-2:])) if data.suffix else data.name,  # "pairs.csv" alone says little
        run.config,
        str(metrics.n),
        f"{honest.final:.4f} ({low:.3f} to {high:.3f})",
        f"{honest.srocc:.4f}",
        f"{honest.plcc:.4f}",
        f"{metrics.gap:+.4f}",
        f"{metrics.best_single.final:.4f}",
        f"{transfer.final:.4f}" if transfer else "",
        *_effort(run),
    ]


def _effort(run: Trained) -> list[str]:
    """What a run took, as cells of the table; empty where it is not known."""
    from pipelines.runs.effort import read_effort

    effort = read_effort(run.folder, run.metrics)
    seconds = (effort.seconds_per_pair, effort.training_seconds)
    memory = [effort.gigabytes] if effort.gigabytes is not None else []
    if effort.gpu_gigabytes:
        memory.append(effort.gpu_gigabytes)
    return [
        *("" if value is None else f"{value:.3g}" for value in seconds),
        " + ".join(f"{value:.2f}" for value in memory),
    ]
