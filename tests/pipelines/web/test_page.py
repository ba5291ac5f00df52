"""The real page in a real browser."""

from __future__ import annotations

import io
from pathlib import Path

import httpx
import pandas as pd
import pytest

from tests.browser import Browser
from tests.pipelines.conftest import scene
from tests.pipelines.web.made import LOCAL, MANY_PAIRS, Members, packed, png, score_zip


def choose_pair(page: Browser, ref: Path, dist: Path) -> None:
    for role, path in (("ref", ref), ("dist", dist)):
        page.choose_file(f"#{role} input[type=file]", path)
        page.wait_for(f"!!document.querySelector('#{role} img')")


def test_page_scores_then_refuses_then_scores(page: Browser, tmp_path: Path) -> None:
    ref, dist, fake = (tmp_path / name for name in ("ref.png", "dist.png", "fake.png"))
    ref.write_bytes(png(1))
    dist.write_bytes(png(1, 3))
    fake.write_bytes(b"%PDF-1.7 renamed")
    said = "[...document.querySelectorAll('.toast-body')].map(toast => toast.innerText).join()"
    number = "document.querySelector('#card .number')?.innerText"

    choose_pair(page, ref, dist)
    page.click("#score")
    first = float(page.wait_for(number))
    assert 1 <= first <= 5
    assert page.wait_for("document.querySelector('#heat img')?.naturalWidth") == scene(1).width
    assert "colour" in page.evaluate("document.querySelector('#chart img').alt")
    key = "getComputedStyle(document.querySelector('#key')).display"
    assert page.evaluate(key) != "none"
    label = "document.querySelector('#heat label')?.getBoundingClientRect().width ?? 0"
    assert page.evaluate(label) <= 1  # nothing covers the map
    assert page.evaluate(said) == ""

    page.click("#dist [aria-label='Remove Image'], #dist button[aria-label='Clear']")
    page.wait_for(f"!{number}")  # the old score does not stay beside other pictures
    page.choose_file("#dist input[type=file]", fake)
    page.wait_for(f"{said}.includes('degraded picture: fake.png: not an image')")
    page.wait_for("!document.querySelector('#dist img')")  # and no broken one

    page.choose_file("#dist input[type=file]", dist)
    page.wait_for("!!document.querySelector('#dist img')")
    page.wait_for(f"{said} == ''")  # the error was about the other picture
    page.click("#score")
    assert float(page.wait_for(number)) == first


def test_page_refuses_a_pdf(page: Browser, tmp_path: Path) -> None:
    (tmp_path / "paper.pdf").write_bytes(b"%PDF-1.7")
    page.choose_file("#ref input[type=file]", tmp_path / "paper.pdf")
    page.wait_for("document.body.innerText.includes('Invalid file type: paper.pdf')")


def test_example_is_scored_at_a_click_and_fits_a_phone(page: Browser) -> None:
    page.resize(390, 844, phone=True)
    try:
        page.click("#examples tbody tr:nth-child(2) td")
        page.wait_for("!!document.querySelector('#card .number')")
        page.wait_for("!!document.querySelector('#heat img')")
        assert page.evaluate("document.documentElement.scrollWidth") == 390
    finally:
        page.resize(1280, 900)


@LOCAL
def test_zip_becomes_a_table_and_a_file(page: Browser, tmp_path: Path) -> None:
    members: Members = {
        "Ref/<b>.png": png(0), "dist/<b>.png": png(0, 1), "Ref/b.png": png(1), "dist/b.png": b"no"
    }  # fmt: skip
    (tmp_path / "pairs.zip").write_bytes(packed(members))
    score_zip(page, tmp_path / "pairs.zip")
    page.wait_for("document.body.innerText.includes('1 of 2 pairs scored')")
    link = page.wait_for("document.querySelector('#csv a')?.href")
    table = pd.read_csv(io.BytesIO(httpx.get(link, trust_env=False).content), keep_default_na=False)
    assert table["ref"].tolist() == ["Ref/<b>.png", "Ref/b.png"]
    assert 1 <= float(table["score"][0]) <= 5
    assert table["score"][1] == ""
    assert table["problem"][1].startswith("dist/b.png: not an image")
    shown = page.evaluate("document.querySelector('#scores').innerText")
    assert "Ref/<b>.png" in shown
    assert page.evaluate("document.querySelectorAll('#scores td img').length") == 2
    page.resize(390, 844, phone=True)
    try:
        # On a phone the names are what one scrolls to; pictures side by side, score and interval
        # are in sight, and so is the beginning of why a pair has no score.
        box = "document.querySelector('#scores {}').getBoundingClientRect()"
        interval, reason = (box.format(f"tr:nth-child(1) td:nth-child({n})") for n in (3, 4))
        assert 0 < page.evaluate(f"{interval}.right") <= page.evaluate(f"{reason}.left") + 1 < 330
        tops = "[...document.querySelectorAll('#scores td img')].map(i => i.offsetTop)"
        assert len(set(page.evaluate(tops))) == 1
        assert page.evaluate("document.documentElement.scrollWidth") == 390
    finally:
        page.resize(1280, 900)


PALE = """(() => {
  const canvas = new OffscreenCanvas(1, 1).getContext('2d', {willReadFrequently: true});
  const rgba = colour => { canvas.clearRect(0, 0, 1, 1); canvas.fillStyle = colour;
    canvas.fillRect(0, 0, 1, 1); const [r, g, b, a] = canvas.getImageData(0, 0, 1, 1).data;
    return [r, g, b, a / 255]; };
  const over = ([r, g, b, a], below) => [r, g, b].map((v, i) => a * v + (1 - a) * below[i]);
  const light = c => c.map(v => (v /= 255) <= .04045 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4)
    .reduce((sum, v, i) => sum + v * [.2126, .7152, .0722][i], .05);
  const lineage = e => e ? [...lineage(e.parentElement), e] : [];
  return [...document.querySelectorAll('body *')]
    .filter(e => e.checkVisibility({opacityProperty: true, visibilityProperty: true})
      && e.getBoundingClientRect().width > 1 && !e.closest(':disabled, svg, .toast-wrap')
      && [...e.childNodes].some(n => n.nodeType === 3 && n.data.trim()))
    .map(e => {
      const paper = lineage(e).reduce((below, a) =>
        over(rgba(getComputedStyle(a).backgroundColor), below), [255, 255, 255]);
      const style = getComputedStyle(e), [r, g, b, a] = rgba(style.color);
      const shown = lineage(e).reduce((o, a) => o * Number(getComputedStyle(a).opacity), a);
      const [ink, ground] = [light(over([r, g, b, shown], paper)), light(paper)];
      const size = parseFloat(style.fontSize), bold = Number(style.fontWeight) >= 600;
      const enough = size >= 24 || bold && size >= 18.66 ? 3 : 4.5;
      return [e.innerText.slice(0, 60), Math.max(ink / ground, ground / ink), enough]; })
    .filter(([text, ratio, enough]) => text.trim() && ratio < enough);
})()"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_all_text_stands_out(page: Browser, server: str, scheme: str) -> None:
    """WCAG 2.1 AA on both tabs, with a score that has a warning or not."""
    features = [{"name": "prefers-color-scheme", "value": scheme}]
    page.call("Emulation.setEmulatedMedia", features=features)
    try:
        page.open(server)
        page.click("#examples tbody tr:nth-child(2) td")
        page.wait_for("!!document.querySelector('#card .number')")
        page.wait_for("!!document.querySelector('#heat img')")
        settled = "!document.getAnimations().some(moving => moving instanceof CSSTransition)"
        page.wait_for(settled)
        assert page.evaluate(PALE) == []
        page.evaluate(f"{MANY_PAIRS}.click()")
        page.wait_for("document.querySelector('#zip').checkVisibility()")
        page.wait_for(settled)
        assert page.evaluate(PALE) == []
        page.evaluate("document.querySelector('.seiqa-foot').style.opacity = .3")
        assert len(page.evaluate(PALE)) == 1  # the check can fail
    finally:
        page.call("Emulation.setEmulatedMedia", features=[])
