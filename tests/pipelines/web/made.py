"""Pictures and zips for the page's tests, and how to ask its server."""

from __future__ import annotations

import http.client
import io
import json
import os
import signal
import socket
import subprocess
import sys
import time
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from PIL import Image

from pipelines.web.uploads import Limits
from tests.browser import Browser
from tests.pipelines.conftest import degrade, scene

LOCAL = pytest.mark.allow_hosts(["127.0.0.1"])
SMALL = Limits(upload=20_000, pixels=10_000, members=6, pairs=2)
Members = dict[str, bytes | str]


def png(number: int = 0, level: int = 0, **options: Any) -> bytes:
    """A scene of the miniature data set as PNG."""
    file = io.BytesIO()
    degrade(scene(number), level).save(file, "PNG", **options)
    return file.getvalue()


def packed(members: Members, **options: Any) -> bytes:
    """A zip of these members."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", **options) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return file.getvalue()


MANY_PAIRS = (
    "[...document.querySelectorAll('[role=tab]')].find(tab => tab.innerText == 'Many pairs')"
)


def score_zip(page: Browser, path: Path) -> None:
    """Have a page's tab of many pairs score a zip; its table comes later."""
    page.wait_for(f"!!{MANY_PAIRS}")
    page.evaluate(f"{MANY_PAIRS}.click()")
    page.choose_file("#zip input[type=file]", path)
    page.wait_for("document.querySelector('#zip').innerText.includes('pairs')")
    page.click("#score-zip")


def encoded(image: Image.Image, kind: str, **options: Any) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


@dataclass(frozen=True)
class Running:
    """A server in a process of its own."""

    process: subprocess.Popen[str]
    address: str
    folder: Path

    @property
    def port(self) -> int:
        return urlsplit(self.address).port or 0

    def connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=30)

    def stop(self, patience: float = 60) -> None:
        """Ask it to end, and see that it does."""
        self.process.send_signal(signal.SIGTERM)
        assert self.process.wait(patience) == 0

    def errors(self) -> str:
        """What it wrote to standard error."""
        return (self.folder / "stderr").read_text(encoding="utf-8")


@contextmanager
def serving(bundle: Path, folder: Path, *arguments: str) -> Iterator[Running]:
    """A page that takes 2 MB or whatever the arguments say; it is killed at the end."""
    verb = ["serve", "--bundle", str(bundle), "--port", "0", "--max-upload-mb", "2", *arguments]
    with (
        (folder / "stderr").open("w") as errors,
        subprocess.Popen(
            [sys.executable, "-m", "pipelines.cli", *verb],
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            env=os.environ | {"TMPDIR": str(folder), "HF_HUB_OFFLINE": "1"},
        ) as process,
    ):
        assert process.stdout is not None
        try:
            line = process.stdout.readline()
            assert line.startswith("seiqa on http"), (folder / "stderr").read_text()
            yield Running(process, line.split()[2], folder)
        finally:
            process.kill()


def upload(client: httpx.Client, content: bytes, name: str = "a.png") -> str:
    """Path of an upload, as the server names it."""
    answer = client.post("/gradio_api/upload", files={"files": (name, content)})
    assert answer.status_code == 200
    return str(answer.json()[0])


def named(path: str, **more: str) -> dict[str, Any]:
    return {"path": path, "meta": {"_type": "gradio.FileData"}, **more}


def call(client: httpx.Client, *data: Any, function: str = "score_pair") -> httpx.Response:
    """Ask for a score, as the page's button does."""
    functions = client.get("/config").json()["dependencies"]
    index = next(f["id"] for f in functions if f["api_name"] == function)
    body = {"data": data, "fn_index": index, "session_hash": f"s{time.monotonic_ns()}"}
    answer = client.post("/gradio_api/queue/join", json=body)
    if answer.status_code != 200:
        return answer
    return client.get("/gradio_api/queue/data", params={"session_hash": body["session_hash"]})


def completed(answer: httpx.Response) -> dict[str, Any]:
    """The last word on a call: its `success` and `output`."""
    events = [
        json.loads(line[6:]) for line in answer.text.splitlines() if line.startswith("data: ")
    ]
    return dict(next(event for event in events if event["msg"] == "process_completed"))


def fetch(client: httpx.Client, path: str) -> tuple[int, bytes]:
    """GET a path as it stands; httpx would tidy it up."""
    address = urlsplit(str(client.base_url))
    connection = http.client.HTTPConnection(address.hostname or "", address.port)
    connection.request("GET", path)
    answer = connection.getresponse()
    content = answer.read()
    connection.close()
    return answer.status, content
