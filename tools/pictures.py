"""Retake the documentation's pictures: `make pictures`, after `make demo`; needs Chromium.

The report is that of a run folder (by default the demo's); the page scores its first example with
the built-in model.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import typer

from tests.browser import Browser, find_chromium

DOCS = Path(__file__).resolve().parents[1] / "docs"
SERVE = [sys.executable, "-c", "from pipelines.cli import main; main()", "serve", "--port", "0"]


def take_report(browser: Browser, run: Path) -> None:
    """The top of a report, in a window of a laptop's size."""
    browser.resize(1000, 1330)
    browser.open((run / "report.html").resolve().as_uri())
    browser.wait_for("document.readyState == 'complete'")
    browser.screenshot(DOCS / "report.png", whole=False)


def take_page(browser: Browser, address: str) -> None:
    """The page with an example that has just been scored."""
    browser.resize(1000, 1040)
    browser.open(address)
    browser.click("#examples tbody tr")
    browser.wait_for("document.querySelectorAll('#ref img, #dist img').length == 2")
    browser.click("#score")
    browser.wait_for("!!document.querySelector('#card .number')")
    browser.wait_for("document.querySelectorAll('#heat img, #chart img, #chart svg').length >= 2")
    browser.wait_for("!document.body.innerText.includes('processing')")
    # What was waited for fades in: a picture taken at once shows it pale.
    browser.wait_for("!document.getAnimations().some(moving => moving instanceof CSSTransition)")
    browser.screenshot(DOCS / "page.png", whole=False)


def main(run: Path = Path("runs/demo-data-classical")) -> None:
    """Write docs/report.png and docs/page.png."""
    chromium = find_chromium()
    if chromium is None:
        raise typer.BadParameter("no Chromium on this machine")
    with Browser(chromium) as browser:
        take_report(browser, run)
        with subprocess.Popen(SERVE, stdout=subprocess.PIPE, text=True) as server:
            try:
                line = server.stdout.readline() if server.stdout else ""
                take_page(browser, line.split(" on ")[1].split()[0])
            finally:
                server.terminate()


if __name__ == "__main__":
    typer.run(main)
