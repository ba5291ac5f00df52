"""`seiqa sense`: how many relations that hold by construction a trained model keeps."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pipelines.commands.console import bars, say_json, show_table
from pipelines.commands.options import BundleDir, Device, Json, Weights, Workers


def sense(
    bundle: BundleDir = None,
    workers: Workers = None,
    device: Device = None,
    weights: Weights = None,
    out: Annotated[
        Path | None, typer.Option(help="CSV file for every relation and its two scores [none].")
    ] = None,
    json: Json = False,
) -> None:
    """Score a suite of edited photographs and count the orders that the scores keep.

    A harmless change has to score above an erased object, a blurred picture above another one, an
    identical copy above everything. No human labels are used.
    """
    from pipelines.commands.use import load_scorer
    from pipelines.runs.outputs import require_writable
    from pipelines.sense.suite import held_relations, shares_of
    from seiqa_features.files import write_whole

    if out is not None:
        require_writable(out)
    scorer = load_scorer(bundle, None, workers, device, weights)
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
