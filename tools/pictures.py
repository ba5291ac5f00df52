"""Retake the documentation's pictures: `make pictures`, after `make demo`; needs Chromium.

The report is that of a run folder (by default the demo's); the page scores its first example with
the built-in model. Besides the two pictures in docs/, there are some to look at before a release:
both on a phone and in the dark, and the report printed.
"""

from __future__ import annotations

import base64
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import typer

from tests.browser import Browser, find_chromium

DOCS = Path(__file__).resolve().parents[1] / "docs"
SERVE = [sys.executable, "-c", "from pipelines.cli import main; main()", "serve", "--port", "0"]


def take_report(browser: Browser, run: Path, folder: Path) -> None:
    """A report: its top in a laptop's window, and all of it on a phone, in the dark and printed."""
    address = (run / "report.html").resolve().as_uri()
    browser.resize(1000, 1330)
    browser.open(address)
    browser.screenshot(DOCS / "report.png", whole=False)
    with _media(browser, dark=True):
        browser.screenshot(folder / "report-dark.png")
    browser.resize(390, 844, phone=True)
    browser.open(address)
    browser.screenshot(folder / "report-phone.png")
    browser.resize(690, 975)  # A4 less the page's own margins
    browser.open(address)
    with _media(browser, kind="print"):
        browser.screenshot(folder / "report-printed.png")
    printed = browser.call("Page.printToPDF", printBackground=True, preferCSSPageSize=True)
    (folder / "report.pdf").write_bytes(base64.b64decode(printed["data"]))


def take_page(browser: Browser, address: str, folder: Path) -> None:
    """The page with an example that has just been scored: desktop, dark and phone."""
    browser.resize(1000, 1040)
    _score_example(browser, address)
    browser.screenshot(DOCS / "page.png", whole=False)
    browser.resize(390, 844, phone=True)
    _score_example(browser, address)
    browser.screenshot(folder / "page-phone.png")
    browser.resize(1000, 1040)
    with _media(browser, dark=True):
        _score_example(browser, address)
        browser.screenshot(folder / "page-dark.png")


@contextmanager
def _media(browser: Browser, *, kind: str = "", dark: bool = False) -> Iterator[None]:
    """Show the page as printed, or to somebody who prefers dark pages."""
    features = [{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}]
    browser.call("Emulation.setEmulatedMedia", media=kind, features=features)
    yield
    browser.call("Emulation.setEmulatedMedia", media="", features=[])


def _score_example(browser: Browser, address: str) -> None:
    browser.open(address)
    browser.click("#examples tbody tr")
    browser.wait_for("document.querySelectorAll('#ref img, #dist img').length == 2")
    browser.click("#score")
    browser.wait_for("!!document.querySelector('#card .number')")
    browser.wait_for("document.querySelectorAll('#heat img, #chart img, #chart svg').length >= 2")
    browser.wait_for("!document.body.innerText.includes('processing')")
    # What was waited for fades in: a picture taken at once shows it pale.
    browser.wait_for("!document.getAnimations().some(moving => moving instanceof CSSTransition)")


def main(run: Path = Path("runs/demo-data-offline"), folder: Path = Path("runs/pictures")) -> None:
    """Write docs/report.png and docs/page.png, and those to look at into FOLDER."""
    chromium = find_chromium()
    if chromium is None:
        raise typer.BadParameter("no Chromium on this machine")
    folder.mkdir(parents=True, exist_ok=True)
    with Browser(chromium) as browser:
        take_report(browser, run, folder)
        with subprocess.Popen(SERVE, stdout=subprocess.PIPE, text=True) as server:
            try:
                line = server.stdout.readline() if server.stdout else ""
                take_page(browser, line.split(" on ")[1].split()[0], folder)
            finally:
                server.terminate()


if __name__ == "__main__":
    typer.run(main)
