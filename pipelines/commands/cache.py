"""`seiqa cache stats|compact|prune`: what is in the feature store, and its upkeep."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pipelines.commands.console import bars, say, say_json
from pipelines.commands.options import Cache, Json, Verb
from pipelines.text_tables import show_table

if TYPE_CHECKING:
    from seiqa_features.table.upkeep import Cached

app = typer.Typer(
    help="The feature store: contents and upkeep.",
    context_settings={"help_option_names": ["-h", "--help"]},
    no_args_is_help=True,
    rich_markup_mode=None,
)

MEGABYTE = 1e6


@app.command(cls=Verb)
def stats(cache: Cache = None, json: Json = False) -> None:
    """List every block in the store with its rows and size.

    The list also says which blocks the installed versions cannot use.
    """
    from seiqa_features.table.upkeep import survey

    root = _root(cache)
    blocks = survey(root)
    if json:
        say_json({"store": str(root), "blocks": [_as_object(block) for block in blocks]})
        return
    rows = [
        (
            block.name,
            f"{block.rows}",
            f"{len(block.shards)}",
            f"{block.size / MEGABYTE:.1f}",
            block.outdated or "",
            f"{len(block.damaged)}" if block.damaged else "",
        )
        for block in blocks
    ]
    show_table(("block", "rows", "shards", "MB", "outdated because", "damaged shards"), rows)
    total = sum(block.size for block in blocks)
    say(f"{root}: {len(blocks)} blocks, {total / MEGABYTE:.1f} MB")


@app.command(cls=Verb)
def compact(cache: Cache = None) -> None:
    """Merge the shards of every block.

    Runs merge shards by themselves; this merges the rest, and converts those that an earlier
    version wrote. Other processes may use the store at the same time.
    """
    from seiqa_features.table import upkeep

    root = _root(cache)
    with bars("merging blocks") as (on_block,):
        busy = upkeep.compact(root, on_block=on_block)
    for line in busy:
        say(f"seiqa: left out: {line}", err=True)
    shards = sum(len(block.shards) for block in upkeep.survey(root))
    say(f"{root}: {shards} shards")


@app.command(cls=Verb)
def prune(
    cache: Cache = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only list what would be removed.")
    ] = False,
    json: Json = False,
) -> None:
    """Remove outdated rows and damaged shards.

    Outdated rows are those that the installed versions cannot use.
    """
    from seiqa_features.table.upkeep import remove, sweep_store, useless

    root, removed = _root(cache), []
    if not dry_run:
        sweep_store(root)
    for removal in list(useless(root)):
        if not dry_run:
            remove(removal)
        removed.append(removal)
        if not json:
            say(f"{removal.path}  {removal.size / MEGABYTE:.1f} MB  {removal.why}")
    if json:
        lines = [{"path": str(r.path), "bytes": r.size, "why": r.why} for r in removed]
        say_json({"store": str(root), "removed": not dry_run, "files": lines})
        return
    total = sum(removal.size for removal in removed)
    say(f"{root}: {total / MEGABYTE:.1f} MB {'to remove' if dry_run else 'removed'}")


def _as_object(block: Cached) -> dict[str, Any]:
    """A block for JSON, its size in bytes."""
    return {
        "block": block.name,
        "rows": block.rows,
        "shards": len(block.shards),
        "bytes": block.size,
        "outdated": block.outdated,
        "damaged": [str(path) for path in block.damaged],
    }


def _root(cache: Path | None) -> Path:
    from pipelines.setting_sources import load_settings
    from seiqa_features.errors import UsageError

    root = load_settings(cache=cache, run=Path("runs")).cache
    if not root.is_dir():
        raise UsageError(f"--cache {root}: no such folder; expected a feature store")
    return root
