"""The page's layout and events: what stands where, and which button calls what of `Page`.

Gradio must not be imported before its environment is set; see `pipelines.web.server`.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from html import escape
from typing import Any

import gradio as gr

from pipelines.web.archives import EXPECTED
from pipelines.web.examples import EXAMPLES, write_examples
from pipelines.web.page import Page
from pipelines.web.results import colour_key_figure
from pipelines.web.style import INTRODUCTION
from pipelines.web.uploads import MB

CLOSE_ERRORS = "document.querySelectorAll('.toast-close').forEach(close => close.click());"

HINT = "The observers of one collection judge some distortions differently from those of another."

AT_WORK = 24
"""Requests of a kind scored in turns; a waiting one takes a thread, but no memory."""

QUEUE = 40
"""Further requests that may wait; the next one is refused because the queue is full."""


def build(page: Page) -> gr.Blocks:
    """The page with its events."""
    blocks = gr.Blocks(title="seiqa", analytics_enabled=False)
    with blocks:
        gr.HTML(INTRODUCTION)
        observers = _observers(page)
        with gr.Tab("One pair"):
            _one_pair(page, observers)
        with gr.Tab("Many pairs"):
            _many_pairs(page, observers)
        gr.HTML(_small_print(page))
    blocks.queue(max_size=QUEUE, api_open=False)
    return blocks


def _observers(page: Page) -> list[gr.Dropdown]:
    """Whose scores are predicted: a choice if the model learned from several collections."""
    if len(page.observers) == 1:
        return []
    return [
        gr.Dropdown(
            page.observers,
            value=page.chosen,
            filterable=False,
            label="Score as the observers of",
            info=HINT,
            elem_id="observers",
        )
    ]


def _one_pair(page: Page, observers: list[gr.Dropdown]) -> None:
    with gr.Row():
        ref, dist = _picture_box("Reference", "ref"), _picture_box("Degraded", "dist")
    button = gr.Button("Score", variant="primary", elem_id="score")
    card = gr.HTML(elem_id="card")
    with gr.Row():
        with gr.Column(min_width=280):
            heat = gr.Image(
                label="What was lost",
                show_label=False,  # it would cover a corner of the map
                interactive=False,
                format="png",
                buttons=["download", "fullscreen"],
                elem_id="heat",
                alt_text="heat map of differences, laid over the degraded picture",
            )
            gr.HTML(colour_key_figure(), elem_id="key")
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
    score = _event(page.score_pair, [ref, dist, *observers], results)
    button.click(None, None, None, js=f"() => {{ {CLOSE_ERRORS} }}")
    button.click(**score)
    examples.load_input_event.then(**score)
    # A result and an error belong to their pictures and observers: another choice clears both.
    gr.on(
        [ref.input, dist.input, *(choice.input for choice in observers)], None, None, results,
        js=f"() => {{ {CLOSE_ERRORS} return ['', null, '']; }}",
    )  # fmt: skip
    for role, box in (("reference", ref), ("degraded picture", dist)):
        box.upload(**_event(partial(page.keep_if_picture, role), [box], [box], hidden=True))


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


def _many_pairs(page: Page, observers: list[gr.Dropdown]) -> None:
    gr.Markdown(f"A zip that holds {EXPECTED}.")
    archive = gr.File(label="Zip", file_types=[".zip"], elem_id="zip", height=160)
    button = gr.Button("Score all", variant="primary", elem_id="score-zip")
    table = gr.HTML(elem_id="scores")
    csv = gr.File(label="The table as CSV", interactive=False, elem_id="csv")
    button.click(**_event(page.score_zip, [archive, *observers], [table, csv]))


def _event(
    action: Callable[..., Any],
    inputs: list[gr.components.Component],
    outputs: list[Any],
    *,
    hidden: bool = False,
) -> dict[str, Any]:
    """One call at a time, not in the public API, and files by name: the page reads them itself."""
    return {
        "fn": action,
        "inputs": inputs,
        "outputs": outputs,
        "show_progress": "hidden" if hidden else "full",
        "show_progress_on": outputs[0],
        "preprocess": False,
        "concurrency_limit": AT_WORK,
        "concurrency_id": getattr(action, "__name__", "keep_if_picture"),
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
