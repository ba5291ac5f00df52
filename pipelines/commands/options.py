"""Arguments and options shared by several verbs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Data = Annotated[
    list[Path] | None,
    typer.Argument(
        help="Data set folder (SeIQA, TID2013, …) or CSV manifest; several are collections, with"
        " label scales of their own."
    ),
]
Config = Annotated[str | None, typer.Option(help="Name in pipelines/configs, or a YAML file.")]
Run = Annotated[Path | None, typer.Option(help="Folder for results [runs/<data>-<config>].")]
Cache = Annotated[Path | None, typer.Option(help="Feature store [runs/cache].")]
Workers = Annotated[
    int | None,
    typer.Option(min=1, max=1024, help="Worker threads and processes [all cores]."),
]
Seed = Annotated[
    int | None,
    typer.Option(min=0, max=2**31 - 1, help="Seed of folds, learners and bootstrap [0]."),
]
KeepGoing = Annotated[
    bool | None, typer.Option("--keep-going", help="Leave bad pairs out instead of stopping.")
]
Device = Annotated[
    str | None, typer.Option(help="auto, cpu, cuda, cuda:<n>, or several with commas [auto].")
]
EngineOption = Annotated[
    str | None, typer.Option("--engine", help="local, or ray: extract on a Ray cluster [local].")
]
RayAddress = Annotated[
    str | None, typer.Option(help="host:port of the cluster, or auto [this machine alone].")
]
Weights = Annotated[
    Path | None, typer.Option(help="Folder of your own weights [~/.cache/seiqa/weights].")
]
PrecisionOption = Annotated[
    str | None, typer.Option("--precision", help="auto, float32 or mixed (faster) [auto].")
]
GpuMemory = Annotated[float | None, typer.Option(help="Limit on GPU memory, in GB [none].")]
Skip = Annotated[
    bool | None,
    typer.Option("--skip-unavailable", help="Leave out features whose weights are missing."),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON, for other programs.")]
As = Annotated[
    str | None,
    typer.Option(
        "--as",
        metavar="NAME",
        help="Score as the observers of this collection [what all have in common].",
    ),
]
BundleDir = Annotated[
    Path | None, typer.Option(help="Bundle folder of a trained run [the built-in model].")
]
