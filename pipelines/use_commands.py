"""The verbs beside a run: demo data, scoring with a trained bundle, the list of extractors."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from pipelines.console import bars, say_left_out
from pipelines.options import BundleDir, Device, KeepGoing, Weights, Workers


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


def score(
    images: Annotated[list[Path], typer.Argument(help="REF DIST, or one CSV manifest.")],
    bundle: BundleDir,
    out: Annotated[Path | None, typer.Option(help="CSV to write a manifest's scores to.")] = None,
    cache: Annotated[
        Path | None, typer.Option(help="Feature store to use and fill [none: nothing is kept].")
    ] = None,
    workers: Workers = None,
    device: Device = None,
    weights: Weights = None,
    keep_going: KeepGoing = None,
) -> None:
    """Score one pair (prints the score), or a manifest's pairs into --out."""
    from pipelines.scoring import score_manifest
    from seiqa_features.errors import UsageError
    from seiqa_features.runtime import Runtime
    from seiqa_features.weights import DEFAULT_FOLDER, Vault
    from seiqa_models.scorer import Scorer

    if (len(images), out is None) not in ((2, True), (1, False)):
        raise UsageError("give REF DIST, or one MANIFEST.csv with --out SCORES.csv")
    folder = weights or Path(os.environ.get("SEIQA_WEIGHTS", DEFAULT_FOLDER))
    runtime = Runtime(Vault(folder), device=device or "auto", scratch=cache)
    count = workers or os.cpu_count() or 1
    scorer = Scorer.load(bundle, cache=cache, workers=count, runtime=runtime)
    if out is None:
        typer.echo(f"{scorer.score(ref=images[0], dist=images[1]):.4f}")
        return
    with bars("scoring") as (progress,):
        left_out = score_manifest(
            scorer, images[0], out, keep_going=bool(keep_going), on_pair=progress
        )
    say_left_out(left_out)
    typer.echo(f"scores in {out}")


def extractors(
    name: Annotated[str | None, typer.Argument(help="One extractor, in full.")] = None,
) -> None:
    """Table of every extractor, or all that is to say of one: outputs, weights, licence, cost."""
    from pipelines.console import show_table
    from pipelines.listing import COLUMNS, details, table_row
    from seiqa_features.registry import all_extractors, get_extractor

    if name is not None:
        for key, value in details(get_extractor(name).spec):
            typer.echo(f"{key:>11}  {value}")
        return
    show_table(COLUMNS, [table_row(entry.spec) for entry in all_extractors().values()])
    typer.echo("also timm:<model> and openclip:<model>:<tag>; `seiqa extractors NAME` says more")
