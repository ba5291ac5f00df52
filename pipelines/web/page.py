"""The page: two pictures in, score and reasons out; or a zip in, a table out.

Gradio must not be imported before its environment is set; see `pipelines.web.server`.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from html import escape
from pathlib import Path
from typing import Any

import gradio as gr
import pandas as pd
from PIL import Image

from pipelines.web.archives import EXPECTED, PairArchive
from pipelines.web.examples import EXAMPLES, write_examples
from pipelines.web.results import Scale, contribution_chart, heat_map, score_card, score_table
from pipelines.web.style import INTRODUCTION
from pipelines.web.turns import Turns
from pipelines.web.uploads import (
    MB,
    Limits,
    Upload,
    decode,
    find_upload,
    is_animation,
    read_upload,
)
from seiqa_features.errors import SeiqaError, printable
from seiqa_features.tabular.inert import inert_csv
from seiqa_models.core.errors import TableError
from seiqa_models.scorer import Scorer

AT_WORK = 24
"""Requests of a kind scored in turns; a waiting one takes a thread, but no memory."""

QUEUE = 40
"""Further requests that may wait; the next one is refused because the queue is full."""

COLUMNS = ("ref", "dist", "score", "low", "high", "unfamiliar", "agree", "problem")

Payload = Mapping[str, Any] | None  # Gradio's FileData, as it came from the browser


class Page:
    """What the page's buttons do.

    Parameters
    ----------
    scorer : Scorer
        Serialises requests.
    folder : Path
        Uploads and results; no other file is opened.
    limits : Limits
        What is accepted.
    """

    def __init__(self, scorer: Scorer, folder: Path, limits: Limits) -> None:
        self._scorer = scorer
        self._turns = Turns()
        self.folder = folder
        self.limits = limits
        low, high = scorer.bundle.regressor.label_range_
        self.model = str(scorer.bundle.card.get("name", "without a name"))
        if scorer.as_collection is not None:
            self.model += f", as the observers of {scorer.as_collection}"
        self.scale = Scale(low, high, scorer.bundle.card["label_kind"] == "pseudo-label")

    def score_pair(self, ref: Payload, dist: Payload) -> tuple[str, Image.Image, str]:
        """Score card, heat map and chart of contributions.

        Raises
        ------
        gr.Error
            One line for the person at the page.
        """
        with _told(), self._turns.turn():
            before = self._picture("reference", ref)
            after = self._picture("degraded picture", dist)
            score = self._scorer.score(before, after)
            card = score_card(score, self.scale)
            # The score of equal pictures has no other contributions, as the card says.
            chart = "" if score.identical else contribution_chart(score.contributions)
            return card, heat_map(before, after), chart

    def score_zip(self, payload: Payload) -> Iterator[tuple[str, str | None]]:
        """Progress after every pair, as HTML; finally the table and its CSV file.

        Raises
        ------
        gr.Error
            One line for the person at the page.
        """
        with (
            _told(),
            PairArchive(*find_upload(payload, self.folder, self.limits), self.limits) as (archive),
        ):
            rows: list[tuple[Any, ...]] = []
            for ref, dist in archive.pairs:
                yield f"{len(rows)} of {len(archive.pairs)} scored …", None
                with self._turns.turn():
                    rows.append((printable(ref), printable(dist), *self._row(archive, ref, dist)))
        table = pd.DataFrame(rows, columns=list(COLUMNS))
        yield score_table(table), str(self._csv(table))

    def _picture(self, role: str, payload: Payload) -> Image.Image:
        upload = read_upload(payload, self.folder, self.limits)
        upload = Upload(f"{role} ({upload.name})", upload.content)
        picture = decode(upload, self.limits)
        if is_animation(upload):
            gr.Warning(
                f"{escape(printable(upload.name))} has several frames: only the first is scored"
            )
        return picture

    def _row(self, archive: PairArchive, ref: str, dist: str) -> tuple[Any, ...]:
        """Score, interval, both flags and problem of one pair of a zip."""
        try:
            score = self._scorer.score(archive.picture(ref), archive.picture(dist))
        except (SeiqaError, TableError) as error:
            return *[None] * 5, "; ".join(str(error).splitlines())
        numbers = (round(value, 4) for value in (float(score), score.low, score.high))
        flags = ("yes" if flag else "no" for flag in (score.unfamiliar, score.agree))
        return *numbers, *flags, ""

    def _csv(self, table: pd.DataFrame) -> Path:
        folder = self.folder / secrets.token_hex(16)  # nobody else can guess its address
        folder.mkdir()
        path = folder / "seiqa-scores.csv"
        path.write_text(inert_csv(table), encoding="utf-8")
        return path


@contextmanager
def _told() -> Iterator[None]:
    """Show errors that the user can fix on the page; the server continues."""
    try:
        yield
    except (SeiqaError, TableError) as error:
        # Gradio shows HTML; a file's name must stay text.
        raise gr.Error(
            escape(str(error)), title="Not scored", duration=None, print_exception=False
        ) from None


def build(page: Page) -> gr.Blocks:
    """The page with its events."""
    blocks = gr.Blocks(title="seiqa", analytics_enabled=False)
    with blocks:
        gr.HTML(INTRODUCTION)
        with gr.Tab("One pair"):
            _one_pair(page)
        with gr.Tab("Many pairs"):
            _many_pairs(page)
        gr.HTML(_small_print(page))
    blocks.queue(max_size=QUEUE, api_open=False)
    return blocks


def _one_pair(page: Page) -> None:
    with gr.Row():
        ref, dist = _picture_box("Reference", "ref"), _picture_box("Degraded", "dist")
    button = gr.Button("Score", variant="primary", elem_id="score")
    card = gr.HTML(elem_id="card")
    with gr.Row():
        with gr.Column(min_width=280):
            heat = gr.Image(
                label="What was lost (brighter = more)",
                interactive=False,
                format="png",
                buttons=["download", "fullscreen"],
                elem_id="heat",
                alt_text="heat map of differences, laid over the degraded picture",
            )
        with gr.Column(min_width=280):
            chart = gr.HTML(elem_id="chart")
    what = gr.Textbox(visible=False, label="Change")
    examples = gr.Examples(
        [list(row) for row in write_examples(page.folder / EXAMPLES)],
        [ref, dist, what],
        label="Pairs to try: photographs from scikit-image, degraded by a program",
        elem_id="examples",
    )
    results = [card, heat, chart]
    score = _event(page.score_pair, [ref, dist], results)
    button.click(**score)
    examples.load_input_event.then(**score)
    # A result belongs to its pictures: another picture clears it.
    gr.on([ref.input, dist.input], None, None, results, js="() => ['', null, '']")


def _picture_box(label: str, elem_id: str) -> gr.Image:
    return gr.Image(
        label=label,
        sources=["upload", "clipboard"],
        type="filepath",
        format="png",
        height=300,
        buttons=["fullscreen"],
        elem_id=elem_id,
        alt_text=f"{label.lower()} picture",
    )


def _many_pairs(page: Page) -> None:
    gr.Markdown(f"A zip that holds {EXPECTED}.")
    archive = gr.File(label="Zip", file_types=[".zip"], elem_id="zip", height=160)
    button = gr.Button("Score all", variant="primary", elem_id="score-zip")
    table = gr.HTML(elem_id="scores")
    csv = gr.File(label="The table as CSV", interactive=False, elem_id="csv")
    button.click(**_event(page.score_zip, [archive], [table, csv]))


def _event(
    action: Callable[..., Any], inputs: list[gr.components.Component], outputs: list[Any]
) -> dict[str, Any]:
    """One call at a time, not in the public API, and files by name: the page reads them itself."""
    return {
        "fn": action,
        "inputs": inputs,
        "outputs": outputs,
        "show_progress_on": outputs[0],
        "preprocess": False,
        "concurrency_limit": AT_WORK,
        "concurrency_id": action.__name__,
        "api_visibility": "private",
    }


def _small_print(page: Page) -> str:
    limits = page.limits
    return (
        f'<p class="seiqa-foot">Model: {escape(page.model)}. At most {limits.upload // MB} MB per '
        f"file, {limits.pixels // 1_000_000} million pixels per picture, {limits.pairs} pairs per "
        "zip. Pictures stay on the machine that serves this page and are deleted within "
        f"{limits.kept_minutes} minutes.</p>"
    )
