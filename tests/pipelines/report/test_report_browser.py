"""The report in a real browser: drawn whole, silent, alone, and as wide as the window."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from pipelines.report.render import render_report
from tests.browser import Browser, chromium_or_skip
from tests.pipelines.report.made_run import write_run

PHONE, DESKTOP, PAPER = 360, 1100, 690  # pixels; the last is A4 less the page's own margins

PICTURES = "[...document.images].map(i => i.complete && i.naturalWidth > 0)"
OVERFLOW = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
BOXES = "[...document.querySelectorAll('.scroll')].map(b => [b.scrollWidth, b.clientWidth])"
LEVELS = "[...document.querySelectorAll('h1, h2, h3, h4')].map(h => Number(h.tagName[1]))"
BEYOND = """[...document.querySelectorAll('body *')]
    .filter(e => !e.closest('.scroll, .wide') && e.getBoundingClientRect().right > innerWidth + 1)
    .map(e => e.outerHTML.slice(0, 80))"""
CONTRAST = """(() => {
  const light = c => c.map(v => (v /= 255) <= .04045 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4)
    .reduce((sum, v, i) => sum + v * [.2126, .7152, .0722][i], 0);
  const rgb = text => text.match(/[\\d.]+/g).slice(0, 3).map(Number);
  const texts = [...document.querySelectorAll('body *')]
    .filter(e => [...e.childNodes].some(n => n.nodeType === 3 && n.data.trim()));
  const paper = light(rgb(getComputedStyle(document.body).backgroundColor)) + .05;
  const ratios = texts.map(e => paper / (light(rgb(getComputedStyle(e).color)) + .05));
  return Math.min(...ratios.map(ratio => Math.max(ratio, 1 / ratio)));
})()"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    yield from chromium_or_skip()


@pytest.fixture(scope="module")
def report(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Path:  # noqa: ARG001
    """A report with every section, of pairs with long names."""
    name = "a_folder_with_a_rather_long_name_and_no_space_in_it_"
    return render_report(write_run(tmp_path_factory.mktemp("run"), kinds=True, hostile=name))


@pytest.fixture
def page(browser: Browser) -> Browser:
    browser.call("Emulation.setEmulatedMedia", media="")
    browser.forget()
    return browser


def show(page: Browser, file: Path, *, width: int) -> None:
    page.resize(width, 900)
    page.open(file.as_uri())


def test_all_is_drawn_and_nothing_is_asked_for_or_complained_about(
    page: Browser, report: Path
) -> None:
    show(page, report, width=DESKTOP)
    drawn = page.evaluate(PICTURES)
    assert len(drawn) == 16 * 3 + 1 + 14  # pairs, key to the colours, figures
    assert all(drawn)
    assert page.errors == page.console == []
    assert page.evaluate("performance.getEntriesByType('resource').map(e => e.name)") == []
    assert [url for url in page.requests if not url.startswith("data:")] == [report.as_uri()]


@pytest.mark.parametrize("width", [PHONE, DESKTOP])
def test_the_page_is_no_wider_than_its_window(page: Browser, report: Path, width: int) -> None:
    show(page, report, width=width)
    assert page.evaluate("innerWidth") == width
    assert page.evaluate(OVERFLOW) == 0
    assert page.evaluate(BEYOND) == []
    wide = [content > box for content, box in page.evaluate(BOXES)]
    assert any(wide) == (width == PHONE)  # there, wide tables scroll in their own boxes


DRAWN = """[...document.querySelectorAll('img.drawn, svg.points')].map(i =>
    [i.clientWidth / (i.naturalWidth || i.viewBox.baseVal.width), !!i.closest('.wide')])"""


def test_what_is_written_in_figures_can_be_read_on_a_phone(page: Browser, report: Path) -> None:
    """10 points are 13 pixels: no figure is shrunk to less than 8.5, or it scrolls sideways."""
    show(page, report, width=PHONE)
    drawn = page.evaluate(DRAWN)
    assert len(drawn) > 10
    assert min(scale for scale, wide in drawn if not wide) > 0.64
    assert min(scale for scale, wide in drawn if wide) > 0.99
    tops = "[...document.querySelectorAll('.panels figure')].map(f => f.offsetTop)"
    assert len(set(page.evaluate(tops))) == 2  # three kinds, two of them side by side
    show(page, report, width=DESKTOP)
    assert len(set(page.evaluate(tops))) == 1


def test_printed_pages_hold_all_of_every_table(page: Browser, report: Path) -> None:
    show(page, report, width=PAPER)
    page.call("Emulation.setEmulatedMedia", media="print")
    assert page.evaluate(OVERFLOW) == 0
    assert all(content <= box for content, box in page.evaluate(BOXES))
    pdf = base64.b64decode(page.call("Page.printToPDF", printBackground=True)["data"])
    assert pdf.startswith(b"%PDF")
    assert len(pdf) > 50_000


WHOLE = """[...document.querySelectorAll('main *')]
    .filter(e => getComputedStyle(e).breakInside == 'avoid')
    .map(e => [e.tagName, e.getBoundingClientRect().height])"""
SPLIT = """[...document.querySelectorAll('main p, main li, main tr, main h2, main h3, main figure')]
    .filter(e => getComputedStyle(e).breakInside != 'avoid').map(e => e.outerHTML.slice(0, 80))"""
ENDING = """[...document.querySelectorAll('main h2, main h3, main thead')]
    .filter(e => getComputedStyle(e).breakAfter != 'avoid').map(e => e.outerHTML.slice(0, 80))"""
PAGE = (297 - 2 * 16) / 25.4 * 96  # height of A4 less its margins, in pixels


def test_a_page_break_splits_no_sentence_and_leaves_no_half_page_empty(
    page: Browser, report: Path
) -> None:
    show(page, report, width=PAPER)
    page.call("Emulation.setEmulatedMedia", media="print")
    assert page.evaluate(SPLIT) == []
    assert page.evaluate(ENDING) == []
    whole = page.evaluate(WHOLE)
    assert len(whole) > 100
    # What does not fit below goes to the next page and leaves at most its own height empty.
    assert [name for name, height in whole if height > PAGE / 2] == []


def test_headings_are_in_order_and_text_stands_out(page: Browser, report: Path) -> None:
    show(page, report, width=DESKTOP)
    levels = page.evaluate(LEVELS)
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after - before <= 1 for before, after in pairwise(levels))
    assert page.evaluate(CONTRAST) >= 4.5  # WCAG 2.1 AA, on white


def test_dark_pages_are_dark_and_legible(page: Browser, report: Path) -> None:
    dark = [{"name": "prefers-color-scheme", "value": "dark"}]
    page.call("Emulation.setEmulatedMedia", features=dark)
    try:
        show(page, report, width=DESKTOP)
        paper = "getComputedStyle(document.body).backgroundColor"
        assert page.evaluate(paper) == "rgb(26, 26, 26)"
        assert page.evaluate(CONTRAST) >= 4.5
        filtered = "getComputedStyle(document.querySelector('{}')).filter"
        assert "invert" in page.evaluate(filtered.format(".drawn"))
        assert page.evaluate(filtered.format(".pair img")) == "none"
    finally:
        page.call("Emulation.setEmulatedMedia", features=[])


def test_pictures_of_a_pair_are_laid_over_each_other(page: Browser, report: Path) -> None:
    show(page, report, width=DESKTOP)
    page.click(".pair button")
    assert page.evaluate("document.querySelectorAll('dialog[open] .layers img').length") == 3
    slide = """(() => { const slider = document.querySelector('dialog [type=range]');
      slider.value = 25; slider.dispatchEvent(new Event('input'));
      return document.querySelector('dialog .layers img:last-child').style.clipPath; })()"""
    assert page.evaluate(slide) == "inset(0px 75% 0px 0px)"
    heat = "getComputedStyle(document.querySelector('dialog .layers img:nth-child(2)')).visibility"
    assert page.evaluate(heat) == "hidden"
    page.click("dialog [type=checkbox]")
    assert page.evaluate(heat) == "visible"
    page.click("dialog form button")
    page.wait_for("!document.querySelector('dialog')")
    assert page.errors == []


def test_a_point_names_its_pair_and_stays_inside_the_axes(page: Browser, report: Path) -> None:
    show(page, report, width=DESKTOP)
    titles = page.evaluate("[...document.querySelectorAll('.points title')].map(t => t.innerHTML)")
    assert len(titles) == 12
    assert titles[0].splitlines()[0].endswith("pair0")
    assert titles[0].splitlines()[1] == "MOS 0.00, predicted -1.20"
    inside = """[...document.querySelectorAll('.points circle')].every(c => {
      const box = c.getBoundingClientRect();
      const axes = document.querySelector('.points .axis').getBoundingClientRect();
      return box.left >= axes.left && box.right <= axes.right && box.top >= axes.top; })"""
    assert page.evaluate(inside)


def test_contents_lead_to_their_sections(page: Browser, report: Path) -> None:
    show(page, report, width=PHONE)
    page.evaluate("document.querySelector('nav a[href=\"#audit\"]').click()")
    top = page.evaluate("document.getElementById('audit').getBoundingClientRect().top")
    assert -1 < top < 900


def test_a_bad_page_is_noticed(page: Browser, tmp_path: Path) -> None:
    """The checks above can fail."""
    bad = tmp_path / "bad.html"
    bad.write_text(
        "<html><body style='background: #fff'><img src='https://example.org/x.png'>"
        "<div style='width: 800px'>x</div>"
        "<p style='color: #aaa'>pale</p><script>console.error('boo'); nothing();</script>"
    )
    show(page, bad, width=PHONE)
    assert page.evaluate(PICTURES) == [False]
    assert page.evaluate(OVERFLOW) > 0
    assert any("width: 800px" in element for element in page.evaluate(BEYOND))
    assert page.evaluate(CONTRAST) < 4.5
    assert "https://example.org/x.png" in page.requests
    assert any("boo" in error for error in page.errors)
    assert any("nothing is not defined" in error for error in page.errors)
