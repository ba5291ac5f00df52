"""Score the how-tos' scenarios anew: `make scenarios`, after the built-in model has changed.

It draws the pictures (docs/how-to/pictures/) and writes what the built-in model and the extra
`content` say of them into the tables of the how-tos, between two marks.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import pandas as pd
import typer
from PIL import Image, ImageDraw

from seiqa_features import extract
from seiqa_models import Scorer
from tools.drawing import write
from tools.scenes import Scenario, scenarios

FOLDER = Path(__file__).resolve().parents[1] / "docs" / "how-to"
PLACE = re.compile(r"(<!-- measured -->\n).*?(<!-- end -->)", re.DOTALL)

COLUMNS = 4
CELL = (220, 150)
MARGIN, CAPTION = 8, 18


def main(pages: Annotated[list[str] | None, typer.Argument()] = None) -> None:
    """Write every scenario's picture and table, or those of some pages only."""
    scorer = Scorer.load()
    for scenario in scenarios():
        if pages and scenario.page not in pages:
            continue
        sheet(scenario).save(FOLDER / "pictures" / f"{scenario.page}.webp", quality=80, method=6)
        page = FOLDER / f"{scenario.page}.md"
        table = "\n".join(measured(scorer, scenario))
        page.write_text(with_table(page.read_text("utf-8"), table), "utf-8")


def with_table(text: str, table: str) -> str:
    """A how-to's text with another table between its marks.

    Raises
    ------
    ValueError
        It has not just one place for a table.
    """
    filled, places = PLACE.subn(lambda found: f"{found[1]}\n{table}\n\n{found[2]}", text)
    if places != 1:
        raise ValueError(f"{places} places for a table; expected one")
    return filled


def measured(scorer: Scorer, scenario: Scenario) -> list[str]:
    """Lines of a table: what was done, the score, and where there is text what was read."""
    dists = list(scenario.versions.values())
    scores = scorer.score_many([scenario.ref] * len(dists), dists)
    flags = ["unfamiliar", "edited"]
    head = ["what was done", "score", "90 % interval", *flags]
    rows = [
        [name, f"{row.score:.2f}", f"{row.low:.2f} to {row.high:.2f}"]
        + ["yes" * bool(getattr(row, flag)) for flag in flags]
        for name, row in zip(scenario.versions, scores.itertuples(), strict=True)
    ]
    if scenario.text:
        head += ["characters changed", "words lost", "words invented"]
        text = extract("text", [scenario.ref] * len(dists), dists, details=True)
        rows = [row + read for row, read in zip(rows, percentages(text), strict=True)]
    return [line(head), line(["---"] * len(head)), *map(line, rows)]


def percentages(text: pd.DataFrame) -> list[list[str]]:
    """What was read, row by row, in per cent."""
    columns = [f"text__{name}" for name in ("edit_distance", "words_lost", "words_invented")]
    return [[f"{100 * value:.0f} %" for value in row] for row in text[columns].to_numpy()]


def line(cells: Sequence[str]) -> str:
    """A row of a table."""
    return "| " + " | ".join(cells) + " |"


def sheet(scenario: Scenario) -> Image.Image:
    """The reference and its versions side by side, each with its name below."""
    pictures = {"reference": scenario.ref, **scenario.versions}
    count = -(-len(pictures) // COLUMNS)
    width, height = CELL[0] + MARGIN, CELL[1] + CAPTION + MARGIN
    whole = Image.new("RGB", (COLUMNS * width + MARGIN, count * height + MARGIN), "white")
    draw = ImageDraw.Draw(whole)
    for place, (name, picture) in enumerate(pictures.items()):
        x, y = MARGIN + place % COLUMNS * width, MARGIN + place // COLUMNS * height
        small = picture.copy()
        small.thumbnail(CELL, Image.Resampling.LANCZOS)
        whole.paste(small, (x + (CELL[0] - small.width) // 2, y + (CELL[1] - small.height) // 2))
        write(draw, (x, y + CELL[1] + 2), name, 12)
    return whole


if __name__ == "__main__":
    typer.run(main)
