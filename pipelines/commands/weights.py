"""`seiqa weights list|fetch|verify`: the pretrained files that a configuration needs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import typer

from pipelines.commands.console import say
from pipelines.commands.options import Config, Json, Verb, Weights

if TYPE_CHECKING:
    from pipelines.settings import Settings
    from seiqa_features.extractors.specs import Weight

app = typer.Typer(
    help="Pretrained weights that a configuration needs.",
    context_settings={"help_option_names": ["-h", "--help"]},
    no_args_is_help=True,
    rich_markup_mode=None,
)


@app.command("list", cls=Verb)
def list_weights(config: Config = None, weights: Weights = None, json: Json = False) -> None:
    """List every file with its size, licence, users and location."""
    from pipelines.commands.console import say_json
    from pipelines.text_tables import show_table

    settings, needed = _needed(config, weights)
    weight_files = settings.runtime().weight_files
    if json:
        found = {w: weight_files.find(w) for w in needed}
        say_json([
            {"weights": w.name, "megabytes": w.megabytes, "licence": w.licence, "for": users,
             "file": None if found[w] is None else str(found[w])}
            for w, users in needed.items()
        ])  # fmt: skip
        return
    rows = [
        (
            w.name,
            f"{w.megabytes}",
            w.licence,
            ", ".join(users),
            str(weight_files.find(w) or "missing"),
        )
        for w, users in needed.items()
    ]
    show_table(("weights", "MB", "licence", "for", "file"), rows)
    total = sum(weight.megabytes for weight in needed)
    say(f"{len(needed)} files, {total} MB, {len(weight_files.missing(needed))} missing")


@app.command(cls=Verb)
def fetch(config: Config = None, weights: Weights = None) -> None:
    """Download missing files and record their SHA-256.

    Files go into the caches of the libraries that use them.
    """
    settings, needed = _needed(config, weights)
    files = settings.runtime().weight_files.fetch(needed)
    say(f"{len(files)} files are present")


@app.command(cls=Verb)
def verify(config: Config = None, weights: Weights = None, json: Json = False) -> None:
    """Compare present files with their recorded SHA-256.

    A file's SHA-256 is recorded when it is first used.
    """
    from pipelines.commands.console import say_json

    settings, needed = _needed(config, weights)
    weight_files = settings.runtime().weight_files
    missing = weight_files.missing(needed)
    if json:
        found = {w.name: None if w in missing else str(weight_files.verified(w)) for w in needed}
        say_json(found)
        return
    for weight in needed:
        if weight in missing:
            say(f"missing   {weight.name}")
        else:
            say(f"verified  {weight.name}  {weight_files.verified(weight)}")


def _needed(config: str | None, weights: Path | None) -> tuple[Settings, dict[Weight, list[str]]]:
    from pipelines.setting_sources import load_settings
    from seiqa_features.table.recipe import Recipe

    settings = load_settings(config=config, weights=weights, run=Path("runs"))
    features = dict(settings.features)
    if settings.finetune is not None:  # what is to be trained, not what was trained in some run
        features.pop(settings.finetuned_feature)
        features[settings.finetune.base] = [settings.finetune.view]
    return settings, Recipe.parse(features).weights
