"""Arguments and options shared by several verbs, and how the help of a verb shows them.

`of_setting` makes the options that are settings of a run, too: what the environment says of them
(SEIQA_…) holds for every verb. An empty variable says nothing.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperCommand


def of_setting(setting: str, *names: str, **options: Any) -> Any:
    """An option that SEIQA_<setting> gives as well."""
    variable = f"SEIQA_{setting.upper()}"
    return typer.Option(*names, envvar=variable, **options)


Data = Annotated[
    list[Path] | None,
    typer.Argument(
        metavar="DATA",
        help="Data set folder (SeIQA, TID2013, …) or CSV manifest; several are collections, with"
        " label scales of their own.",
    ),
]
Config = Annotated[
    str | None,
    of_setting("config", metavar="CONFIG", help="Name in pipelines/configs, or a YAML file."),
]
Run = Annotated[
    Path | None,
    typer.Option(metavar="FOLDER", help="Folder for results [runs/<data>-<config>]."),
]
Cache = Annotated[
    Path | None, of_setting("cache", metavar="FOLDER", help="Feature store [runs/cache].")
]
Workers = Annotated[
    int | None,
    of_setting(
        "workers",
        metavar="NUMBER",
        min=1,
        max=1024,
        help="Worker threads and processes [all cores].",
    ),
]
Seed = Annotated[
    int | None,
    typer.Option(
        metavar="NUMBER", min=0, max=2**31 - 1, help="Seed of folds, learners and bootstrap [0]."
    ),
]
KeepGoing = Annotated[
    bool | None,
    of_setting("keep_going", "--keep-going", help="Leave bad pairs out instead of stopping."),
]
Device = Annotated[
    str | None,
    of_setting(
        "device", metavar="DEVICE", help="auto, cpu, cuda, cuda:<n>, or several with commas [auto]."
    ),
]
EngineOption = Annotated[
    str | None,
    of_setting(
        "engine",
        "--engine",
        metavar="ENGINE",
        help="local, or ray: extract on a Ray cluster [local].",
    ),
]
RayAddress = Annotated[
    str | None,
    of_setting(
        "ray_address",
        metavar="HOST:PORT",
        help="Address of the cluster, or auto [this machine alone].",
    ),
]
Weights = Annotated[
    Path | None,
    of_setting(
        "weights", metavar="FOLDER", help="Folder of your own weights [~/.cache/seiqa/weights]."
    ),
]
PrecisionOption = Annotated[
    str | None,
    typer.Option(
        "--precision", metavar="PRECISION", help="auto, float32 or mixed (faster) [auto]."
    ),
]
GpuMemory = Annotated[
    float | None, typer.Option(metavar="GB", help="Limit on GPU memory, in GB [none].")
]
Skip = Annotated[
    bool | None,
    typer.Option("--skip-unavailable", help="Leave out features whose weights are missing."),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON, for other programs.")]
As = Annotated[
    str | None,
    of_setting(
        "score_as",
        "--as",
        metavar="NAME",
        help="Score as the observers of this collection [what all have in common].",
    ),
]
BundleDir = Annotated[
    Path | None,
    typer.Option(
        metavar="FOLDER", help="Folder of a trained run, or its bundle [the built-in model]."
    ),
]


class Verb(TyperCommand):
    """A verb whose help names its arguments by metavars, where Typer would add Python types."""

    def collect_usage_pieces(self, ctx: Any) -> list[str]:  # noqa: ARG002
        """What follows the verb: DATA is required, [DATA] is not, DATA... may be several."""
        pieces = [self.options_metavar or ""]
        for param in self.params:
            if param.param_type_name == "argument":
                name = param.metavar or ""
                several = "..." if param.nargs != 1 else ""
                pieces.append((name if param.required else f"[{name}]") + several)
        return pieces

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Write the sections of arguments and of options."""
        sections: dict[str, list[tuple[str, str]]] = {"argument": [], "option": []}
        for param in self.get_params(ctx):
            if record := help_record(param, ctx):
                sections[param.param_type_name].append(record)
        for kind, records in sections.items():
            if records:
                with formatter.section(f"{kind.capitalize()}s"):
                    formatter.write_dl(records)


def help_record(param: Any, ctx: Any) -> tuple[str, str] | None:
    """An argument or option with its metavar, and what is said of it; None if it is hidden."""
    record: tuple[str, str] | None = param.get_help_record(ctx)
    if record is None or param.param_type_name == "option":
        return record
    return param.metavar, record[1]
