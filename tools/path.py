"""Draw docs/explanation/path.svg, the files from `seiqa score` to the number: python -m tools.path.

tests/test_path.py follows a real call and compares.
"""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from pathlib import Path

TARGET = Path(__file__).resolve().parents[1] / "docs/explanation/path.svg"


@dataclass(frozen=True)
class Step:
    """A file on the path, and how many files lie between it and the command."""

    depth: int
    file: str
    does: str


STEPS = (
    Step(0, "pipelines/cli.py", "finds the verb; an error becomes one line and an exit code"),
    Step(1, "pipelines/commands/score.py", "checks the arguments, prints the number"),
    Step(2, "seiqa_models/scorer.py", "joins the two halves: pictures to table, table to score"),
    Step(3, "seiqa_models/bundle.py", "loads the trained stack, without pickle"),
    Step(3, "seiqa_features/pictures/inputs.py", "path, Pillow, numpy or torch becomes RGB"),
    Step(4, "seiqa_features/pictures/decoding.py", "decodes a file, or says what is wrong with it"),
    Step(3, "seiqa_features/extraction/direct.py", "makes a feature table without a store"),
    Step(4, "seiqa_features/extraction/flow.py", "shares the work among threads"),
    Step(5, "seiqa_features/extraction/work.py", "one task: calls extractors (in extractors/)"),
    Step(6, "seiqa_features/pictures/views.py", "resizes and crops as an extractor wants it"),
    Step(4, "seiqa_features/table/table.py", "puts the columns of all features side by side"),
    Step(3, "seiqa_models/stack/predicting.py", "the score and its interval"),
    Step(4, "seiqa_models/stack/pool/fitted.py", "asks each member of the pool (in learners/)"),
    Step(4, "seiqa_models/stack/blend.py", "fuses their predictions (with one of fusions/)"),
    Step(3, "seiqa_models/score.py", "a float with interval and contributions"),
)

WIDTH, ROW, INDENT, TOP = 900, 40, 26, 12
COLOURS = {"pipelines": "#f4c98b", "seiqa_models": "#a9cdf0", "seiqa_features": "#b5dcb0"}


def draw() -> str:
    """The SVG: a tree, one row a file, coloured by package, a caller above what it calls."""
    height = TOP + ROW * len(STEPS)
    title = f"The {len(STEPS)} files from seiqa score to the number"
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img"'
        f' aria-label="{title}" font-family="sans-serif" font-size="14">',
        f"<title>{title}</title>",
        f'<rect width="{WIDTH}" height="{height}" fill="#ffffff" rx="6"/>',
    ]
    for row, step in enumerate(STEPS):
        lines += [*_arrow(row), *_box(row, step)]
    return "\n".join([*lines, "</svg>", ""])


def _box(row: int, step: Step) -> list[str]:
    x, y = _corner(row)
    colour = COLOURS[step.file.partition("/")[0]]
    width = 18 + round(7.6 * len(step.file))
    return [
        f'<rect x="{x}" y="{y}" width="{width}" height="28" rx="4" fill="{colour}"/>',
        f'<text x="{x + 9}" y="{y + 19}" fill="#111" font-family="monospace" font-size="12.5">'
        f"{step.file}</text>",
        f'<text x="{x + width + 10}" y="{y + 19}" fill="#444">{escape(step.does)}</text>',
    ]


def _arrow(row: int) -> list[str]:
    """From the box of the caller, the nearest one above that is less deep."""
    callers = [above for above in range(row) if STEPS[above].depth < STEPS[row].depth]
    if not callers:
        return []
    (x, y), (from_x, from_y) = _corner(row), _corner(callers[-1])
    return [
        f'<path d="M{from_x + 12} {from_y + 28} V{y + 14} H{x}" fill="none" stroke="#888"/>',
    ]


def _corner(row: int) -> tuple[int, int]:
    return 12 + INDENT * STEPS[row].depth, TOP + ROW * row


if __name__ == "__main__":
    TARGET.write_text(draw(), encoding="utf-8")
