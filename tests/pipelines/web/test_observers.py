"""Whose scores the page predicts, for a model that learned from several collections."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from seiqa_models.bundle import BOXED
from seiqa_models.scorer import Scorer
from tests.browser import Browser
from tests.pipelines.web.made import (
    LOCAL,
    Running,
    call,
    completed,
    named,
    packed,
    png,
    serving,
    upload,
)


@pytest.fixture(scope="module")
def boxed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """The built-in model's page, at first as LIVE's observers."""
    with serving(BOXED, tmp_path_factory.mktemp("boxed"), "--as", "LIVE") as process:
        yield process
        process.stop()


@LOCAL
def test_calls_name_the_observers(boxed: Running, tmp_path: Path) -> None:
    paths = [tmp_path / "ref.png", tmp_path / "dist.png"]
    for level, path in zip((0, 2), paths, strict=True):
        path.write_bytes(png(1, level))
    scorer = Scorer.load(workers=1)
    with httpx.Client(base_url=boxed.address, trust_env=False, timeout=60) as client:
        pair = [named(upload(client, path.read_bytes())) for path in paths]
        said = {}
        for chosen in ("all collections", "LIVE", "TID2013", None):
            done = completed(call(client, *pair, chosen))
            said[chosen] = done["output"]["data"][0]
            name = None if chosen == "all collections" else (chosen or "LIVE")
            assert f">{scorer.scoring_as(name).score(*paths):.2f}</b>" in said[chosen]
        assert "as the observers of LIVE" in said["LIVE"]
        assert said[None] == said["LIVE"]
        assert "observers" not in said["all collections"]

        archive = packed({"ref/a.png": png(), "dist/a.png": png(0, 1)})
        zipped = named(upload(client, archive, "pairs.zip"))
        table = completed(call(client, zipped, "TID2013", function="score_zip"))
        assert "1 of 1 pairs scored, as the observers of TID2013" in table["output"]["data"][0]

        for wrong in ("<b>", 7, ["LIVE"], {"LIVE": 1}):
            refused = completed(call(client, *pair, wrong))
            assert not refused["success"]
            assert "expected one of all collections, LIVE, TID2013" in refused["output"]["error"]
            assert "<b>" not in refused["output"]["error"]


@LOCAL
def test_another_choice_clears_the_score(browser: Browser, boxed: Running) -> None:
    browser.forget()
    seen = "document.querySelector('#card').innerText"
    browser.open(boxed.address)
    browser.click("#examples tbody tr:nth-child(2) td")
    browser.wait_for(f"{seen}.includes('observers of LIVE')")
    browser.press("#observers input")
    browser.wait_for("document.querySelectorAll('[role=option]').length == 3")
    browser.press("[role=option][aria-label=TID2013]")
    browser.wait_for(f"!{seen}.trim()")
    browser.click("#score")
    browser.wait_for(f"{seen}.includes('observers of TID2013')")
    assert browser.errors == []
