"""`seiqa plan`: what the features of a data set will cost on a machine, before anything runs."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pipelines.commands.console import say, say_json
from pipelines.commands.options import Config, Data, Json, PrecisionOption, Workers

if TYPE_CHECKING:
    from seiqa_features.costs.model import Plan
    from seiqa_features.costs.pairs import PairSize
    from seiqa_features.datasets.pairs import Pair

MOST_EXPENSIVE = 5
MINUTE, HOUR = 60, 3600

PlanDevice = Annotated[
    str,
    typer.Option(
        "--device", metavar="DEVICE", help="cpu, h100, h200, a100, l40s, l4, t4 or rtx4090."
    ),
]
Machine = Annotated[
    bool, typer.Option("--this-cpu", help="Measure the extractors on this CPU first (seconds).")
]


def plan(
    data: Data = None, config: Config = None, device: PlanDevice = "cpu", workers: Workers = None,
    precision: PrecisionOption = None, this_cpu: Machine = False, json: Json = False,
) -> None:  # fmt: skip
    """Estimate the cost of DATA's features; computes nothing."""
    from pipelines.setting_sources import load_settings
    from seiqa_features.costs import model, survey
    from seiqa_features.costs.machines import find_gpu
    from seiqa_features.datasets import find_pairs
    from seiqa_features.table.recipe import Recipe

    gpu = find_gpu(device)
    settings = load_settings(data=data, config=config, workers=workers, precision=precision)
    recipe = Recipe.parse(settings.features)
    found = find_pairs(settings.named_data(), settings.dmos).pairs
    sizes = survey.sizes_of(found)
    planned_for = partial(
        model.plan,
        recipe,
        gpu=gpu,
        workers=settings.workers,
        half=settings.precision != "float32",
        core=survey.measured_core(block.spec for block in recipe.blocks) if this_cpu else None,
    )
    planned = planned_for(sizes, pairs=len(found), references=len({pair.ref for pair in found}))
    constructed = _constructed(found, sizes, planned_for) if settings.orders else None
    if json:
        say_json(as_object(planned, constructed, device=device.lower() if gpu else "cpu"))
        return
    where = f"{device.lower()} and {settings.workers} cores" if gpu else f"{settings.workers} cores"
    for name, value in [("machine", where), *lines(planned, constructed)]:
        say(f"{name:>12}  {value}")


def _constructed(
    found: list[Pair], sizes: list[PairSize], planned_for: Callable[..., Plan]
) -> Plan | None:
    """The plan of the pairs constructed from training references; None if there will be none."""
    from pipelines.sense import orders
    from seiqa_features.costs.pairs import PairSize

    labelled = {pair.ref for pair in found if pair.for_training}
    count = min(len(labelled), orders.REFERENCES)
    if not count:
        return None
    reduced = []
    for size in sizes:
        scale = min(1.0, orders.LONGEST_SIDE / max(size.width, size.height))
        reduced.append(PairSize(round(scale * size.width), round(scale * size.height), ".png"))
    pairs = count * (1 + len(orders.every_edit()))
    return planned_for(reduced, pairs=pairs, references=count)


def lines(planned: Plan, constructed: Plan | None = None) -> list[tuple[str, str]]:
    """The plan as (name, value) lines, and what constructed pairs will take besides."""
    on_gpu = planned.gpu > 0
    seconds = {name: cost.gpu if on_gpu else cost.cpu for name, cost in planned.blocks.items()}
    costly = sorted(seconds, key=seconds.__getitem__, reverse=True)[:MOST_EXPENSIVE]
    shares = [f"{name} {seconds[name] / (planned.gpu or planned.cpu):.0%}" for name in costly]
    found = [
        ("pairs", f"{planned.pairs}, {planned.megapixels:.2f} megapixels on average"),
        ("blocks", f"{len(planned.blocks)}"),
        ("pairs/s", f"{planned.rate:.3g}"),
        ("time", _duration(planned.hours * HOUR)),
        ("limit", planned.limit),
        ("CPU", f"{planned.cpu:.3g} s a pair on one core, {planned.decoding:.2g} s of it to decode"
                " and resize"),
        ("weights", f"{planned.weights / 1e9:.3g} GB"),
        ("store", f"{planned.store / 1e9:.3g} GB"),
        ("costs most", f"on the {'GPU' if on_gpu else 'CPU'} {', '.join(shares)}"),
    ]  # fmt: skip
    if planned.gpu:
        found.insert(6, ("GPU", f"{planned.gpu:.3g} s a pair"))
    if constructed:
        more = f"{constructed.pairs} pairs more, {_duration(constructed.hours * HOUR)}"
        found.append(("constructed", more))
    return found


def as_object(planned: Plan, constructed: Plan | None = None, *, device: str) -> dict[str, Any]:
    """The plan for JSON: seconds, and bytes, as numbers."""
    return {
        "device": device,
        "workers": planned.workers,
        "pairs": planned.pairs,
        "megapixels": planned.megapixels,
        "pairs_per_second": planned.rate,
        "seconds": planned.hours * HOUR,
        "limit": planned.limit,
        "cpu_seconds_per_pair": planned.cpu,
        "decoding_seconds_per_pair": planned.decoding,
        "gpu_seconds_per_pair": planned.gpu,
        "weights_bytes": planned.weights,
        "store_bytes": planned.store,
        "constructed_pairs": constructed.pairs if constructed else 0,
        "constructed_seconds": constructed.hours * HOUR if constructed else 0.0,
        "seconds_per_pair_of_blocks": {name: cost.seconds for name, cost in planned.blocks.items()},
    }


def _duration(seconds: float) -> str:
    if seconds < 2 * MINUTE:
        return f"{seconds:.0f} s"
    if seconds < 2 * HOUR:
        return f"{seconds / MINUTE:.0f} min"
    return f"{seconds / HOUR:.1f} h"
