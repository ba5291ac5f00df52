"""comparison.html: what it says of two runs, and how it looks in a real browser."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest
import yaml

from pipelines.cli import main
from tests.browser import Browser, chromium_or_skip
from tests.pipelines.conftest import Cli
from tests.pipelines.report.made_run import write_run

HOSTILE = "<b>a_rather_long_name_without_any_space_in_it"


def compared(*arguments: Path | str) -> int:
    with pytest.raises(SystemExit) as stopped:
        main(["compare", *map(str, arguments)])
    return int(stopped.value.code or 0)


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Two runs on the same pairs; the second is off by 2 on the third pair, else by 0.1 or less."""
    first = write_run(tmp_path_factory.mktemp("two"), hostile=HOSTILE)
    settings = yaml.safe_load((first / "settings.yaml").read_text())
    (first / "settings.yaml").write_text(yaml.safe_dump({**settings, "config": "best.yaml"}))
    second = first.with_name("second")
    shutil.copytree(first, second)
    table = pd.read_csv(first / "predictions.csv")
    shift = pd.Series(range(len(table))) * 0.1 / len(table)
    shift[2] = 2.0
    table.assign(score=table["score"] + shift).to_csv(second / "predictions.csv", index=False)
    return [first, second]


@pytest.fixture(scope="module")
def page(runs: list[Path]) -> Path:
    path = runs[0].parent / "comparison.html"
    assert compared(*runs, "--html", path) == 0
    return path


def test_the_pairs_that_differ_most_come_first(page: Path, runs: list[Path]) -> None:
    text = page.read_text()
    first, second = (run.name for run in runs)
    names = [f"pair{number}</code>" for number in range(16)]
    order = sorted((text.find(name), name) for name in names if name in text)
    assert order[0][1] == "pair2</code>"
    assert "difference <b>+2.00</b>" in text
    assert '<th scope="row">second</th><td>no difference shown</td>' in text
    assert f"<code>{second}</code> is nearer to the MOS than <code>{first}</code> on" in text
    assert text.count("data:image/jpeg") == 3 * len(order)  # reference, degraded, difference
    assert text.count("Colours of the difference, from 0, dark, to 1, bright.") == 1
    assert "<b>a_rather" not in text  # names are text
    assert "&lt;b&gt;a_rather" in text


def test_equal_runs_give_equal_pages_without_cards(runs: list[Path], tmp_path: Path) -> None:
    for name in ("a.html", "b.html"):
        assert compared(runs[0], runs[0], "--html", tmp_path / name) == 0
    assert (tmp_path / "a.html").read_bytes() == (tmp_path / "b.html").read_bytes()
    text = (tmp_path / "a.html").read_text()
    assert "both give every pair the same score" in text
    assert 'class="pair"' not in text
    assert 'class="colours"' not in text


def test_runs_of_tables_have_no_pictures(cli: Cli, runs: list[Path], tmp_path: Path) -> None:
    copies = [Path(shutil.copytree(run, tmp_path / run.name)) for run in runs]
    for copy in copies:
        (copy / "pairs.parquet").unlink()
    code, out, err = cli("compare", *copies, "--html", "c.html", "--json")
    assert code == 0, err
    assert out.startswith("{")
    assert err == "seiqa: comparison in c.html\n"
    text = Path("c.html").read_text()
    assert "pair2</code>" in text
    assert "data:image/jpeg" not in text


def test_a_page_that_cannot_be_written_is_said_before_anything_is_read(cli: Cli) -> None:
    code, out, err = cli("compare", "a", "b", "--html", "nowhere/c.html")
    assert (code, out) == (2, "")
    assert err == "seiqa: nowhere/c.html: cannot be written, there is no folder nowhere\n"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    yield from chromium_or_skip()


OVERFLOW = "document.documentElement.scrollWidth - document.documentElement.clientWidth"


def test_it_fits_a_phone_and_asks_for_nothing(browser: Browser, page: Path) -> None:
    for width in (360, 1100):
        browser.resize(width, 900)
        browser.forget()
        browser.open(page.as_uri())
        assert browser.evaluate(OVERFLOW) == 0
        assert browser.evaluate("[...document.images].every(i => i.naturalWidth > 0)")
        assert browser.errors == []
        assert [url for url in browser.requests if not url.startswith("data:")] == [page.as_uri()]
    browser.click(".pair button")
    assert browser.evaluate("document.querySelectorAll('dialog[open] .layers img').length") == 3
    browser.call("Emulation.setEmulatedMedia", media="print")
    browser.resize(690, 900)
    assert browser.evaluate(OVERFLOW) == 0
