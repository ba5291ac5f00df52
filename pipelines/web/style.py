"""The page's appearance and fixed texts. System fonts are used: nothing is fetched."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gradio.themes import Base

INTRODUCTION = """
<header class="seiqa-head">
<h1>How much of an image's meaning survived?</h1>
<p>Give a reference and a degraded version of it. The score says how far the degraded one still
shows the same thing; how good it looks does not matter.</p>
</header>
"""

CSS = """
.gradio-container { --color-accent: var(--primary-600); --seiqa-shade: rgb(0 0 0 / .18); }
.dark .gradio-container, .dark.gradio-container { --color-accent: var(--primary-400);
  --seiqa-shade: rgb(255 255 255 / .25); }
.gradio-container { max-width: 68rem !important; margin: 0 auto !important; }
.seiqa-head h1 { font-size: 1.6rem; line-height: 1.25; margin: .6rem 0 .3rem; }
.seiqa-head p, .seiqa-foot { max-width: 46rem; opacity: .8; }
.seiqa-foot { font-size: .85rem; }
#heat:not(:has(img)), #csv:not(:has(a)) { display: none; }
#examples td, #examples th { padding: 4px; }
#examples .container { width: 4rem; height: 4rem; margin: auto; }
#key { display: none; }
#heat:has(img) ~ #key, div:has(> #heat img) #key, .column:has(#heat img) #key { display: block; }
.seiqa-key { margin: 0; }
.seiqa-key img { width: 15.5rem; background: #fff; border-radius: 4px; }
.seiqa-key figcaption { font-size: .85rem; opacity: .8; }
#card { min-height: 5rem; }
.seiqa-score p { margin: .5rem 0; }
.seiqa-score .number { font-size: 2.6rem; line-height: 1; margin-right: .3rem; }
.seiqa-score .warning { border-left: 5px solid #d55e00; padding: .5rem .8rem;
  background: color-mix(in srgb, #d55e00 12%, transparent); }
.seiqa-score .track { position: relative; height: 14px; margin: 1rem 8px .4rem; border-radius: 7px;
  background: var(--border-color-primary); }
.seiqa-score .interval { position: absolute; top: 0; height: 14px; border-radius: 7px;
  background: #56b4e9; }
.seiqa-score .mark { position: absolute; top: -5px; width: 4px; height: 24px; margin-left: -2px;
  background: var(--body-text-color); }
.seiqa-score .ends { display: flex; justify-content: space-between; gap: 2rem; font-size: .85rem;
  opacity: .8; }
.seiqa-score .ends span:last-child { text-align: right; }
.seiqa-table { overflow-x: auto; contain: inline-size; background:
    linear-gradient(to right, var(--body-background-fill) 40%, transparent) left / 2.5rem 100%
      no-repeat local,
    linear-gradient(to left, var(--body-background-fill) 40%, transparent) right / 2.5rem 100%
      no-repeat local,
    linear-gradient(to right, var(--seiqa-shade), transparent) left / .9rem 100% no-repeat scroll,
    linear-gradient(to left, var(--seiqa-shade), transparent) right / .9rem 100% no-repeat scroll; }
.seiqa-table table { border-collapse: collapse; width: 100%; font-size: .9rem; }
.seiqa-table th, .seiqa-table td { padding: .35rem .6rem; text-align: left; vertical-align: top;
  border: 0; border-bottom: 1px solid var(--border-color-primary); white-space: nowrap; }
.seiqa-table table, .seiqa-table tr { border: 0 !important; background: none; }
.seiqa-table td:nth-child(2), .seiqa-table td:nth-child(3) { font-variant-numeric: tabular-nums; }
.seiqa-table td:nth-child(4) { min-width: 12rem; white-space: normal; overflow-wrap: break-word; }
.seiqa-table td img { display: inline-block; max-width: none; margin: 0 .3rem 0 0;
  vertical-align: middle; }
@media (max-width: 44rem) {
  .seiqa-table th, .seiqa-table td { padding: .35rem; }
  .seiqa-table td img { width: 2.4rem; }
}
.seiqa-chart { margin: 0; }
.seiqa-chart figcaption { font-size: .85rem; margin-bottom: .5rem;
  opacity: .8; }
.seiqa-chart img { width: 100%; background: #fff; border-radius: 6px; padding: 8px; }
.dark .seiqa-chart img { filter: invert(.9) hue-rotate(180deg); }
"""


def theme() -> Base:
    """Gradio's plain theme in blue, with system fonts."""
    import gradio as gr

    base: Base = gr.themes.Base(
        primary_hue=gr.themes.colors.blue,
        neutral_hue=gr.themes.colors.gray,
        font=("system-ui", "sans-serif"),
        font_mono=("ui-monospace", "monospace"),
    )
    # Its own colours of these are too pale for text on white (WCAG 2.1 AA asks for 4.5 to 1).
    return base.set(
        button_primary_background_fill="*primary_600",
        button_primary_background_fill_hover="*primary_700",
        button_primary_background_fill_hover_dark="*primary_700",
        block_info_text_color="*neutral_600",
        block_info_text_color_dark="*neutral_300",
        body_text_color_subdued="*neutral_600",
        body_text_color_subdued_dark="*neutral_300",
    )
