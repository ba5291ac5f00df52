"""Retake the documentation's pictures: `make pictures`, after `make demo`; needs Chromium.

The report is that of a run folder (by default the demo's); the page scores its first example and a
zip of the run's pictures with the built-in model. Besides the two pictures in docs/, there are some
to look at before a release: report and page on a phone and in the dark, the report printed, many
pairs, and the comparison of the run with one of a single learner on the same features.
"""

from __future__ import annotations

import base64
import os
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pandas as pd
import typer

from tests.browser import Browser, find_chromium
from tests.pipelines.web.made import score_zip

DOCS = Path(__file__).resolve().parents[1] / "docs"
SEIQA = [sys.executable, "-c", "from pipelines.cli import main; main()"]
SERVE = [*SEIQA, "serve", "--port", "0"]

MANY = 6
"""Pairs in the zip."""


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


def take_many(browser: Browser, address: str, run: Path, folder: Path) -> None:
    """Many pairs: a zip with some of the run's pictures, one of them damaged; desktop and phone."""
    pairs = pd.read_parquet(run / "pairs.parquet", columns=["ref_path", "dist_path"])[:MANY]
    archive = folder / "pairs.zip"
    with zipfile.ZipFile(archive, "w") as packed:
        for number, (ref, dist) in enumerate(pairs.itertuples(index=False)):
            packed.write(ref, f"ref/{number}.png")
            packed.write(dist, f"dist/{number}.png")
        packed.write(ref, "ref/damaged.png")
        packed.writestr("dist/damaged.png", b"no picture")
    for name, (width, height, phone) in {
        "many": (1000, 900, False), "many-phone": (390, 844, True)
    }.items():  # fmt: skip
        browser.resize(width, height, phone=phone)
        browser.open(address)
        score_zip(browser, archive)
        browser.wait_for(f"document.body.innerText.includes('{MANY} of {MANY + 1} pairs scored')")
        browser.screenshot(folder / f"{name}.png")


def take_comparison(browser: Browser, run: Path, folder: Path) -> None:
    """The run compared with one that has a single learner: desktop and phone."""
    other, page = folder / "ridge", folder / "comparison.html"
    settings = ["--config", run / "settings.yaml", "--run", other]
    alone = {**os.environ, "SEIQA_LEARNERS": '["ridge"]', "SEIQA_ORDERS": "false"}
    for verb in ("features", "train", "submit"):
        subprocess.run([*SEIQA, verb, *settings], check=True, env=alone)
    subprocess.run([*SEIQA, "compare", run, other, "--html", page], check=True)
    for name, phone in {"comparison": False, "comparison-phone": True}.items():
        browser.resize(390 if phone else 1000, 900, phone=phone)
        browser.open(page.resolve().as_uri())
        browser.screenshot(folder / f"{name}.png")


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
    if not (run / "report.html").is_file():
        raise typer.BadParameter(f"{run} has no report.html: run `make demo` first")
    folder.mkdir(parents=True, exist_ok=True)
    with Browser(chromium) as browser:
        take_report(browser, run, folder)
        take_comparison(browser, run, folder)
        with subprocess.Popen(SERVE, stdout=subprocess.PIPE, text=True) as server:
            try:
                line = server.stdout.readline() if server.stdout else ""
                address = line.split(" on ")[1].split()[0]
                take_page(browser, address, folder)
                take_many(browser, address, run, folder)
            finally:
                server.terminate()


if __name__ == "__main__":
    typer.run(main)
