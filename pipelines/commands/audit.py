"""`seiqa audit DATA`: which split of a data set to trust, and what in it could mislead."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pipelines.commands.console import bars, say, say_json, say_left_out
from pipelines.commands.options import Cache, Config, Data, Json, Run, Workers

if TYPE_CHECKING:
    from pipelines.settings import Settings
    from seiqa_features.progress import Progress


def audit(
    data: Data = None,
    config: Config = None,
    run: Run = None,
    cache: Cache = None,
    workers: Workers = None,
    out: Annotated[
        Path | None, typer.Option(metavar="FILE", help="JSON file for all findings [none].")
    ] = None,
    json: Json = False,
) -> None:
    """Look for what would make an estimate on DATA too high.

    Examples are duplicates, similar neighbouring files and features that reveal the label. Features
    are examined if the run folder has those of DATA.
    """
    from pipelines.runs.folder import write_json
    from pipelines.runs.outputs import require_writable
    from pipelines.setting_sources import load_settings
    from seiqa_features.errors import UsageError
    from seiqa_models.audit.rendering import render

    settings = load_settings(data=data, config=config, run=run, cache=cache, workers=workers)
    if settings.run.exists() and not settings.run.is_dir():
        raise UsageError(f"{settings.run}: is no folder; name that of a run, or none")
    if out is not None:
        require_writable(out, inputs=settings.named_data())
    with bars("checking images") as (progress,):
        found, left_out = audit_data(settings, on_image=progress)
    say_left_out(left_out)
    if json:
        say_json(found)
    else:
        for line in render(found).splitlines():
            say(line)
    if out is not None:
        write_json(out, found)


def audit_data(settings: Settings, *, on_image: Progress) -> tuple[dict[str, Any], list[str]]:
    """Audit of the usable pairs of `settings.data`, and one line for each pair left out.

    Raises
    ------
    DataError
        No pair is usable, or the run folder's features have another configuration.
    TableError
        The run folder's features belong to other data.
    """
    from pipelines.runs.folder import FEATURES, read_run
    from seiqa_features.commits import current
    from seiqa_features.datasets import check_pairs, find_pairs
    from seiqa_features.datasets.hashes import reference_hashes
    from seiqa_features.datasets.scenes import reference_scenes
    from seiqa_features.pictures.index import ImageIndex
    from seiqa_models.audit.audit import audit as audit_pairs

    pairs, left_out = check_pairs(
        find_pairs(settings.named_data(), settings.dmos),
        ImageIndex(settings.cache),
        keep_going=True,
        workers=settings.workers,
        on_image=on_image,
    )
    there = current(settings.run / FEATURES).is_file()
    features = read_run(settings).of(pairs) if there else None
    found = audit_pairs(
        pairs, features, reference_hashes(pairs), reference_scenes(pairs), seed=settings.seed
    )
    return found, left_out
