"""The command line: `seiqa VERB …`. Only what a verb needs is imported, so that help is instant."""

from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pipelines.console import bars, fail, say_left_out

if TYPE_CHECKING:
    from pipelines.settings import Settings

DATA_EXIT_CODE = 3  # a table that cannot be learned from is bad data too

app = typer.Typer(
    help="Score how much of an image's meaning survives degradation.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

Data = Annotated[Path | None, typer.Argument(help="SeIQA folder or CSV manifest.")]
Config = Annotated[str | None, typer.Option(help="Name in pipelines/configs, or a YAML file.")]
Run = Annotated[Path | None, typer.Option(help="Folder for results [runs/<data>-<config>].")]
Cache = Annotated[Path | None, typer.Option(help="Feature store [runs/cache].")]
Workers = Annotated[int | None, typer.Option(help="Worker threads and processes [all cores].")]
Seed = Annotated[int | None, typer.Option(help="Seed of folds, learners and bootstrap [0].")]
KeepGoing = Annotated[
    bool | None, typer.Option("--keep-going", help="Leave bad pairs out instead of stopping.")
]
BundleDir = Annotated[Path, typer.Option(help="Bundle folder of a trained run.")]


@app.command()
def check(data: Data = None, cache: Cache = None, workers: Workers = None) -> None:
    """Say what is in DATA and everything that is wrong with it."""
    from seiqa_features.datasets import find_pairs
    from seiqa_features.errors import DataError
    from seiqa_features.images import ImageIndex
    from seiqa_features.pairs import build_pairs
    from seiqa_features.summary import summarise

    settings = _settings(data=data, cache=cache, workers=workers, announce=False)
    with bars("checking images") as (progress,):
        pairs, problems = build_pairs(
            find_pairs(_named(settings)),
            ImageIndex(settings.cache),
            workers=settings.workers,
            on_image=progress,
        )
    for name, value in summarise(pairs):
        typer.echo(f"{name:>22}  {value}")
    if problems:
        raise DataError(problems)


@app.command()
def features(
    data: Data = None, config: Config = None, run: Run = None, cache: Cache = None,
    workers: Workers = None, keep_going: KeepGoing = None,
) -> None:  # fmt: skip
    """Extract the features of every pair in DATA into the store; what is there is not redone."""
    settings = _settings(
        data=data, config=config, run=run, cache=cache, workers=workers, keep_going=keep_going
    )
    _features(settings)


@app.command()
def train(
    data: Data = None, config: Config = None, run: Run = None,
    workers: Workers = None, seed: Seed = None,
) -> None:  # fmt: skip
    """Estimate honestly, then train on all labelled training pairs and save the bundle."""
    _train(_settings(data=data, config=config, run=run, workers=workers, seed=seed))


@app.command()
def submit(data: Data = None, config: Config = None, run: Run = None) -> None:
    """Score the test pairs and write the challenge's submission zip."""
    _submit(_settings(data=data, config=config, run=run))


@app.command()
def report(data: Data = None, config: Config = None, run: Run = None) -> None:
    """Write the run's report.html."""
    _report(_settings(data=data, config=config, run=run))


@app.command("run")
def run_all(
    data: Data = None, config: Config = None, run: Run = None, cache: Cache = None,
    workers: Workers = None, keep_going: KeepGoing = None, seed: Seed = None,
) -> None:  # fmt: skip
    """features, train, submit (where the challenge's test pairs are) and report, in one go."""
    from pipelines import steps

    settings = _settings(
        data=data, config=config, run=run, cache=cache, workers=workers,
        keep_going=keep_going, seed=seed,
    )  # fmt: skip
    steps.check_learners(settings)
    _features(settings)
    _train(settings)
    _finish(settings)
    _report(settings)


@app.command()
def demo(
    folder: Annotated[Path, typer.Argument(help="Where the demo's pictures go.")] = Path(
        "runs/demo-data"
    ),
    seed: Annotated[int, typer.Option(help="Seed of the degradations.")] = 0,
) -> None:
    """Write the demo data set: bundled photographs, degraded, with pseudo-labels."""
    from pipelines.demo_data import make_demo_data
    from seiqa_features.errors import DataError

    try:
        made = make_demo_data(folder, seed=seed)
    except ValueError as error:
        raise DataError([str(error)]) from None
    typer.echo(f"demo data in {made}; its labels are pseudo-labels, made up by a recipe")


@app.command()
def score(
    images: Annotated[list[Path], typer.Argument(help="REF DIST, or one CSV manifest.")],
    bundle: BundleDir,
    out: Annotated[Path | None, typer.Option(help="CSV to write a manifest's scores to.")] = None,
    cache: Annotated[
        Path | None, typer.Option(help="Feature store to use and fill [none: nothing is kept].")
    ] = None,
    workers: Workers = None,
    keep_going: KeepGoing = None,
) -> None:
    """Score one pair (prints the score), or a manifest's pairs into --out."""
    from pipelines.scoring import score_manifest
    from seiqa_features.errors import UsageError
    from seiqa_models.scorer import Scorer

    count = workers or os.cpu_count() or 1
    if len(images) == 2 and out is None:
        value = Scorer.load(bundle, cache=cache, workers=count).score(ref=images[0], dist=images[1])
        typer.echo(f"{value:.4f}")
    elif len(images) == 1 and out is not None:
        scorer = Scorer.load(bundle, cache=cache, workers=count)
        with bars("scoring") as (progress,):
            left_out = score_manifest(
                scorer, images[0], out, keep_going=bool(keep_going), on_pair=progress
            )
        say_left_out(left_out)
        typer.echo(f"scores in {out}")
    else:
        raise UsageError("give REF DIST, or one MANIFEST.csv with --out SCORES.csv")


@app.command()
def extractors() -> None:
    """List every extractor: outputs, cost, licence and source."""
    from seiqa_features.registry import all_extractors

    for name, entry in all_extractors().items():
        spec = entry.spec
        outputs = ", ".join(f"{o}[{v.dim}]" if v.dim else o for o, v in spec.outputs.items())
        default = "" if spec.default else "  (in no default set)"
        typer.echo(f"{name}  v{spec.version}{default}\n    outputs  {outputs}")
        typer.echo(f"    colour   {spec.colour}\n    cost     {spec.cost:g} s a 512×384 pair")
        typer.echo(f"    licence  {spec.licence}\n    source   {spec.source}")


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


def _settings(*, announce: bool = True, **flags: Any) -> Settings:
    from pipelines.settings import load_settings

    settings = load_settings(**flags)
    if announce:
        typer.echo(
            f"config {settings.config}, data {settings.data}, run {settings.run},"
            f" cache {settings.cache}, {settings.workers} workers, seed {settings.seed}",
            err=True,
        )
    return settings


def _named(settings: Settings) -> Path:
    from seiqa_features.errors import UsageError

    if settings.data is None:
        raise UsageError("no data named; give DATA, a SeIQA folder or a CSV manifest")
    return settings.data


def _features(settings: Settings) -> None:
    from pipelines import steps

    _named(settings)
    with bars("checking images", "extracting pairs") as (images, pairs):
        done, left_out = steps.features(settings, on_image=images, on_pair=pairs)
    say_left_out(left_out)
    typer.echo(
        f"features: {done.computed} pairs computed, {done.cached} already in the store,"
        f" {done.seconds:.1f} s"
    )


def _train(settings: Settings) -> None:
    from pipelines import steps

    with bars("training folds") as (progress,):
        metrics = steps.train(settings, on_fold=progress)
    honest = metrics["honest"]
    low, high = honest["interval"]
    labels = "MOS" if metrics["label_kind"] == "MOS" else f"{metrics['label_kind']}s"
    typer.echo(
        f"honest estimate against {labels}: final {honest['final']:.4f}"
        f" ({low:.3f} to {high:.3f}), SROCC {honest['srocc']:.4f}, PLCC {honest['plcc']:.4f}"
        f" on {metrics['n']} pairs, {metrics['splitter']}"
    )


def _submit(settings: Settings) -> None:
    from pipelines import steps

    typer.echo(f"submission in {steps.submit(settings)}")


def _finish(settings: Settings) -> None:
    """Scores of test pairs if there are any; the zip where they are on the challenge's scale."""
    from pipelines import steps
    from pipelines.run_folder import SCORES, read_run
    from pipelines.submission import SCORE_RANGE

    pairs, _, _ = read_run(settings)
    if not (pairs["split"] == "test").any():
        return
    if pairs.attrs["label_range"] == list(SCORE_RANGE):
        _submit(settings)
    else:
        steps.score_test(settings)
        typer.echo(f"scores of the test pairs in {settings.run / SCORES}")


def _report(settings: Settings) -> None:
    from pipelines import steps

    typer.echo(f"report in {steps.report(settings)}")


if __name__ == "__main__":
    main()
