"""The verbs that need no data of yours: `seiqa demo`, and `seiqa sense` for any model."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from pipelines.commands.console import bars, say, say_aside, say_json
from pipelines.commands.options import BundleDir, Device, Json, Weights, Workers
from pipelines.text_tables import show_table

Folder = Annotated[
    Path | None,
    typer.Argument(
        metavar="FOLDER", help="Folder to write [runs/demo-data, or runs/demo-semantic]."
    ),
]
Semantic = Annotated[
    bool,
    typer.Option("--semantic", help="Photographs with edits of their meaning, and pseudo-labels."),
]
EditSeed = Annotated[
    int, typer.Option(metavar="NUMBER", min=0, help="Seed of the edits of --semantic.")
]
Truth = Annotated[
    Path | None,
    typer.Option(
        metavar="RUN", help="Compare the claim of this run on the demo with people's scores."
    ),
]
Relations = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="CSV file for every relation and its two scores [none]."),
]


def demo(
    folder: Folder = None,
    semantic: Semantic = False,
    seed: EditSeed = 0,
    truth: Truth = None,
    json: Json = False,
) -> None:
    """Write a demo data set: eight scenes scored by people.

    Two of them are held back as test pairs. After a run on it, --truth RUN compares its scores of
    those two with people's.
    """
    from seiqa_features.errors import DataError, UsageError

    if truth is not None:
        if folder is not None or semantic:
            raise UsageError("--truth RUN cannot be combined with FOLDER or --semantic")
        _say_verdict(truth, json=json)
        return
    if json:
        raise UsageError("--json needs --truth RUN")
    try:
        say(_write_semantic(folder, seed) if semantic else _write_rated(folder))
    except ValueError as error:
        raise DataError([str(error)]) from None


def _say_verdict(run: Path, *, json: bool) -> None:
    """Print how the claim of a run compares with people's scores, and what to do next."""
    from pipelines.demo.verdict import judge, next_steps

    verdict = judge(run)
    if json:
        say_json(verdict.as_object())
        return
    for line in verdict.lines():
        say(line)
    called = sys.argv[0] if Path(sys.argv[0]).name == "seiqa" else "seiqa"
    for line in next_steps(run, called):
        say_aside(line)


def _write_rated(folder: Path | None) -> str:
    from pipelines.demo.data import make_demo_data

    made = make_demo_data(folder or Path("runs/demo-data"))
    return f"demo data in {made}; its scores are people's, of the LIVE database, release 2"


def _write_semantic(folder: Path | None, seed: int) -> str:
    from pipelines.demo.semantic import make_semantic_data

    made = make_semantic_data(folder or Path("runs/demo-semantic"), seed=seed)
    return f"demo data in {made}; its labels are pseudo-labels, made up by a recipe"


def sense(
    bundle: BundleDir = None,
    workers: Workers = None,
    device: Device = None,
    weights: Weights = None,
    out: Relations = None,
    json: Json = False,
) -> None:
    """Score edited photographs and count the orders kept.

    A harmless change has to score above an erased object, a blurred picture above another one, an
    identical copy above everything. No human labels are used.
    """
    from pipelines.loading.scorer import load_scorer, make_runtime
    from pipelines.runs.outputs import require_writable
    from pipelines.sense.suite import held_relations, shares_of
    from seiqa_features.writing import write_whole

    if out is not None:
        require_writable(out)
    scorer = load_scorer(bundle, make_runtime(None, device, weights), workers)
    with bars("scoring photographs") as (progress,):
        table = held_relations(scorer, on_pair=progress)
    found = shares_of(table)
    counts = table["kind"].value_counts()
    if json:
        say_json({"shares": found, "relations": {k: int(n) for k, n in counts.items()}})
    else:
        rows = [(name, f"{share:.3f}", str(counts.get(name, ""))) for name, share in found.items()]
        show_table(("relation", "share kept", "relations"), rows)
    if out is not None:
        write_whole(out, table.to_csv(index=False))
