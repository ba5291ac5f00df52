"""The page's server in a process of its own, as a user starts it; only 127.0.0.1 is spoken to."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import pandas as pd
import pytest
import yaml

from pipelines.cli import main
from pipelines.web.examples import RECIPES
from tests.browser import Browser, chromium_or_skip
from tests.pipelines.conftest import write_split
from tests.pipelines.web.made import Running, serving


@pytest.fixture(scope="session")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small trained bundle."""
    folder = tmp_path_factory.mktemp("web")
    rows = write_split(folder / "data" / "Train", range(5))
    sheet = pd.DataFrame(rows, columns=["picture name", "score"])
    sheet.to_csv(folder / "data" / "Train" / "Train_scores.csv", index=False)
    features = {name: ["max256"] for name in ("gms", "ssim", "colour")}
    quick = {"features": features, "learners": ["ridge"], "folds": 3, "workers": 1}
    (folder / "quick.yaml").write_text(yaml.safe_dump(quick))
    common = [folder / "data", "--config", folder / "quick.yaml", "--run", folder / "run"]
    for verb in (["features", "--cache", folder / "cache"], ["train"]):
        with pytest.raises(SystemExit) as stopped:
            main([str(argument) for argument in [*verb, *common]])
        assert not stopped.value.code
    return folder / "run" / "bundle"


@pytest.fixture(scope="session")
def running(bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A page that takes 2 MB; its process leaves nothing behind and says nothing."""
    folder = tmp_path_factory.mktemp("server")
    with serving(bundle, folder) as process:
        yield process
        process.stop()
    assert list(folder.glob("seiqa-serve-*")) == []
    assert process.errors() == ""


@pytest.fixture
def server(running: Running) -> str:
    """Its address."""
    return running.address


@pytest.fixture
def client(server: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=server, trust_env=False, timeout=60) as session:
        yield session


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    yield from chromium_or_skip()


@pytest.fixture
def page(browser: Browser, server: str) -> Iterator[Browser]:
    """The page, open; afterwards nothing must have gone wrong or elsewhere."""
    browser.open("about:blank")  # what leaving the last page aborts is none of this one's errors
    browser.forget()
    browser.open(server)
    browser.wait_for(f"document.querySelectorAll('#examples tbody tr').length == {len(RECIPES)}")
    yield browser
    assert browser.errors == []
    assert browser.requests
    assert [r for r in browser.requests if not r.startswith((f"{server}/", "data:", "blob:"))] == []
