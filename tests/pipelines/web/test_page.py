"""The real page in a real browser."""

from __future__ import annotations

import io
from pathlib import Path

import httpx
import pandas as pd

from tests.browser import Browser
from tests.pipelines.conftest import scene
from tests.pipelines.web.made import LOCAL, Members, packed, png


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
    tab = "[...document.querySelectorAll('[role=tab]')].find(tab => tab.innerText == 'Many pairs')"
    page.wait_for(f"!!{tab}")
    page.evaluate(f"{tab}.click()")
    page.choose_file("#zip input[type=file]", tmp_path / "pairs.zip")
    page.wait_for("document.querySelector('#zip').innerText.includes('pairs')")
    page.click("#score-zip")
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
