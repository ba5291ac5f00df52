"""Hooks of the documentation's build: text that comes from the program, and no outside requests.

A page asks for such text with a line `<!-- from the program: NAME -->`, NAME being a key of
`SOURCES`. What is generated cannot be out of date, and is not in the repository. A line
`<!-- notebook: NAME -->` asks for a notebook with the outputs of its last `make notebooks`.
"""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

PLACE = re.compile(r"^<!-- from the program: ([a-z ]+) -->$", re.MULTILINE)
NOTEBOOK = re.compile(r"^<!-- notebook: (\w+) -->$", re.MULTILINE)
ROOT = Path(__file__).parents[1]
LOADED = re.compile(
    r"<(?:script|img|iframe|link)\b[^>]*?\b(?:src|href)=[\"']?((?:https?:)?//[^\"' >]+)"
)


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Called by MkDocs for every page: put in what comes from the program, and notebooks."""
    markdown = NOTEBOOK.sub(lambda place: notebook(place[1]), markdown)
    return PLACE.sub(lambda place: SOURCES[place[1]](), markdown)


def on_post_build(config: Any, **_: Any) -> None:
    """Called by MkDocs at the end: refuse pages that would load something from elsewhere.

    Raises
    ------
    PluginError
        A page has such an address.
    """
    from mkdocs.exceptions import PluginError

    for page in sorted(Path(config.site_dir).rglob("*.html")):
        if found := LOADED.findall(page.read_text("utf-8")):
            raise PluginError(f"{page}: loads {found[0]}; the site must do without the network")


def notebook(name: str, root: Path = ROOT) -> str:
    """A notebook as Markdown: executed, its pictures in the page; else as stored, and a note."""
    from nbconvert import MarkdownExporter

    executed = root / "runs" / "notebooks" / f"{name}.ipynb"
    stored = root / "notebooks" / f"{name}.ipynb"
    there = executed.is_file()
    text, resources = MarkdownExporter().from_filename(str(executed if there else stored))
    for file, content in resources["outputs"].items():
        text = text.replace(f"({file})", f"(data:image/png;base64,{b64encode(content).decode()})")
    said = "" if there else "\n\n!!! note\n    `make notebooks` was not run before this build.\n"
    return f"{text}{said}"


def command_line() -> str:
    """Every verb with its help, arguments and options."""
    from typer.main import get_command

    from pipelines.cli import app

    group: Any = get_command(app)
    return "\n\n".join(_verbs(group, "seiqa"))


def _verbs(group: Any, prefix: str) -> Iterable[str]:
    for name, command in group.commands.items():
        call = f"{prefix} {name}"
        if hasattr(command, "commands"):
            yield f"## {call}\n\n{command.help}"
            yield from _verbs(command, call)
        else:
            yield _verb(command, call)


def _verb(command: Any, call: str) -> str:
    from typer import Context

    from pipelines.commands.options import help_record

    context = Context(command, info_name=call)
    usage = " ".join([call, *command.collect_usage_pieces(context)])
    records = [help_record(param, context) for param in command.params]
    rows = [(f"`{name}`", text) for name, text in filter(None, records)]
    help_text = re.sub(r"\n(?!\n)", " ", command.help)
    return f"## {call}\n\n{help_text}\n\n```text\n{usage}\n```\n\n" + _table(("", ""), rows)


def settings() -> str:
    """Every setting with its default."""
    from pydantic import BaseModel

    from pipelines.settings import Settings

    rows = []
    for name, field in Settings.model_fields.items():
        value = field.get_default()
        if isinstance(value, BaseModel):
            value = value.model_dump()
        default = "required" if field.is_required() else f"`{value}`"
        if name == "workers":
            default = "all cores"
        rows.append((f"`{name}`", default, field.description or ""))
    return _table(("setting", "default", "meaning"), rows)


def configurations() -> str:
    """Every configuration file that comes with the package, whole."""
    from pipelines.config_files import CONFIGS

    files = sorted(CONFIGS.glob("*.yaml"))
    return "\n\n".join(
        f"### {file.stem}\n\n```yaml\n{file.read_text('utf-8').strip()}\n```" for file in files
    )


def extractors() -> str:
    """The table that `seiqa extractors` prints, with the names of all outputs and the source."""
    from pipelines.commands.listing import COLUMNS, table_row
    from seiqa_features.extractors.registry import all_extractors

    specs = [entry.spec for entry in all_extractors().values()]
    rows = []
    for spec in specs:
        name, _, *others = table_row(spec)
        outputs = ", ".join(f"`{output}`" for output in spec.outputs)
        rows.append((f"`{name}`", outputs, *others, spec.source))
    return _table((*COLUMNS, "source"), rows)


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(
        "| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in line) + " |"
        for line in lines
    )


SOURCES: dict[str, Callable[[], str]] = {
    "command line": command_line,
    "settings": settings,
    "configurations": configurations,
    "extractors": extractors,
}
