"""The verb: what it needs, whom it lets in, and how it ends."""

from __future__ import annotations

from typing import Any

import pytest

from pipelines.commands import serve as serve_command
from pipelines.web import server as web
from pipelines.web.uploads import MB, Limits
from seiqa_features.errors import UsageError
from tests.pipelines.conftest import Cli
from tests.pipelines.web.made import LOCAL


def test_missing_gradio_is_one_line(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serve_command, "find_spec", lambda _: None)
    code, _, err = cli("serve")
    assert code == 2
    assert err == ("seiqa: serve needs Gradio, which is not installed: pip install 'seiqa[web]'\n")


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What `seiqa serve` would serve with, and no server."""
    settings: dict[str, Any] = {}
    monkeypatch.setattr("seiqa_models.scorer.Scorer.load", lambda *_, **__: None)
    monkeypatch.setattr(web, "serve", lambda _, **options: settings.update(options))
    return settings


def test_only_this_machine_unless_told(cli: Cli, told: dict[str, Any]) -> None:
    assert cli("serve") == (0, "", "")
    assert (told["host"], told["port"], told["limits"]) == ("127.0.0.1", 7860, Limits())
    code, _, err = cli("serve", "--host", "0.0.0.0", "--port", "80", "--max-upload-mb", "3")
    assert code == 0
    assert "anyone who can reach port 80 of this machine can use the page" in err
    assert told["limits"].upload == 3 * MB


def test_more_pixels_than_can_be_decoded_are_refused(cli: Cli, told: dict[str, Any]) -> None:
    code, _, err = cli("serve", "--max-pixels", "90000000")
    assert (code, told) == (2, {})
    assert "expected at most 89478485" in err


@LOCAL
def test_port_that_is_taken_is_named() -> None:
    with web._listening("127.0.0.1", 0) as first:
        port = first.getsockname()[1]
        with (
            pytest.raises(UsageError, match=f"cannot listen on 127.0.0.1 port {port}"),
            web._listening("127.0.0.1", port),
        ):
            pass
