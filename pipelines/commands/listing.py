"""`seiqa extractors`: the table of all extractors, and everything about one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from pipelines.commands.options import Json

if TYPE_CHECKING:
    from seiqa_features.extractors.specs import ExtractorSpec, Output

COLUMNS = ("extractor", "outputs", "view", "weights", "s/pair", "licence")


def extractors(
    name: Annotated[
        str | None, typer.Argument(metavar="NAME", help="One extractor, in full.")
    ] = None,
    json: Json = False,
) -> None:
    """List all extractors, or the details of one."""
    from pipelines.commands.console import say, say_aside, say_json
    from pipelines.text_tables import show_table
    from seiqa_features.extractors.registry import all_extractors, get_extractor

    if name is not None:
        spec = get_extractor(name).spec
        if json:
            say_json(as_object(spec))
            return
        for key, value in details(spec):
            say(f"{key:>11}  {value}")
        return
    specs = [entry.spec for entry in all_extractors().values()]
    if json:
        say_json([as_object(spec) for spec in specs])
        return
    show_table(COLUMNS, [table_row(spec) for spec in specs])
    say_aside("also timm:<model> and openclip:<model>:<tag>; `seiqa extractors NAME` says more")


def table_row(spec: ExtractorSpec) -> tuple[str, ...]:
    """One line of the table of all extractors, in the order of `COLUMNS`."""
    megabytes = sum(weight.megabytes for weight in spec.weights)
    return (
        spec.name,
        str(len(spec.outputs)),
        _views(spec),
        f"{megabytes} MB" if megabytes else "none",
        f"{spec.cost:g}",
        spec.licence,
    )


def as_object(spec: ExtractorSpec) -> dict[str, Any]:
    """A spec for JSON: megabytes and seconds as numbers, outputs with their dimension."""
    return {
        "extractor": spec.name,
        "version": spec.version,
        "outputs": {name: output.dim for name, output in spec.outputs.items()},
        "view": _views(spec),
        "weights": {weight.name: weight.megabytes for weight in spec.weights},
        "seconds_per_pair": spec.cost,
        "licence": spec.licence,
        "source": spec.source,
    }


def details(spec: ExtractorSpec) -> list[tuple[str, str]]:
    """All fields of a spec, as (name, value) lines."""
    lines = [
        ("extractor", f"{spec.name}, version {spec.version}"),
        ("outputs", ", ".join(_output(name, output) for name, output in spec.outputs.items())),
        ("views", _views(spec)),
        ("colour", spec.colour),
        ("resampling", spec.resampling),
        ("cost", f"{spec.cost:g} s a 512×384 pair on one CPU core"),
        ("licence", spec.licence),
        ("source", spec.source),
        ("libraries", ", ".join(spec.libraries)),
    ]
    for weight in spec.weights:
        lines.append(
            ("weights", f"{weight.name}, {weight.megabytes} MB, {weight.licence}"
             f" ({weight.location})")
        )  # fmt: skip
    where = spec.precision if spec.weights else spec.gpu or "no"
    on_gpu = where if spec.runs_on_gpu else "no"
    lines.append(("on a GPU", f"{on_gpu}, {spec.gpu_note}" if spec.gpu_note else on_gpu))
    return lines


def _views(spec: ExtractorSpec) -> str:
    if spec.sides:
        return " ".join(f"c{side}" for side in spec.sides)
    return f"s{spec.side_multiple}·n" if spec.side_multiple > 1 else "any"


def _output(name: str, output: Output) -> str:
    return f"{name}[{output.dim}]" if output.dim else name
