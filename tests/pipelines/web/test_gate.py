"""The real server: what is answered, and what the gate keeps out."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import httpx
import pytest
from PIL import Image

from pipelines.web.uploads import MB
from tests.pipelines.conftest import scene
from tests.pipelines.web.made import LOCAL, call, completed, encoded, fetch, named, png, upload

FORM = {"content-type": "multipart/form-data; boundary=x"}
PART = b'--x\r\nContent-Disposition: form-data; name="files"; filename="a"\r\n\r\n'


@LOCAL
def test_uploads_are_scored_by_way_of_the_api(client: httpx.Client) -> None:
    ref, dist = (named(upload(client, png(1, level)), orig_name="p.png") for level in (0, 2))
    done = completed(call(client, ref, dist))
    assert done["success"]
    card, heat, chart = done["output"]["data"]
    assert "interval" in card
    assert "gms" in chart
    shown = client.get(f"/gradio_api/file={heat['path']}")
    assert Image.open(io.BytesIO(shown.content)).size == scene(1).size


@LOCAL
@pytest.mark.parametrize(
    ("content", "line"),
    [
        (b"%PDF-1.7", "not an image"),
        (encoded(Image.new("1", (20_000, 20_000)), "PNG"), "at most 89478485"),
        (b"", "empty file"),
    ],
)
def test_bad_picture_then_good_one(client: httpx.Client, content: bytes, line: str) -> None:
    good = named(upload(client, png()))
    bad = named(upload(client, content), orig_name="<img src=x>")
    failed = completed(call(client, good, bad))
    assert not failed["success"]
    assert line in failed["output"]["error"]
    assert "&lt;img src=x&gt;" in failed["output"]["error"]
    assert completed(call(client, good, good))["success"]


@LOCAL
@pytest.mark.parametrize(
    "path",
    [
        "/etc/passwd",
        "{folder}/../../../../etc/passwd",
        "etc/passwd",
        "http://127.0.0.1:1/",
        "\0",
        7,
    ],
)
def test_a_call_cannot_name_other_files(client: httpx.Client, path: Any) -> None:
    good = upload(client, png())
    if isinstance(path, str):
        path = path.format(folder=Path(good).parent)
    answer = call(client, named(good), named(path))
    assert answer.status_code == 403
    assert "only name files that were uploaded" in answer.text
    body = {"data": [{"nested": [named(path)]}], "fn_index": 0}
    assert client.post("/gradio_api/run/predict", json=body).status_code == 403


@LOCAL
def test_an_upload_that_is_gone_is_a_message(client: httpx.Client) -> None:
    good = upload(client, png())
    failed = completed(call(client, named(good), named(str(Path(good).with_name("gone.png")))))
    assert not failed["success"]


@LOCAL
@pytest.mark.parametrize(
    "path",
    [
        "/etc/passwd",
        "{folder}/../../../../../../../etc/passwd",
        "{folder}/a%3F/../../../../../../../../etc/passwd",
        "..%2F..%2Fetc%2Fpasswd",
        "http://127.0.0.1:1/",
        "%00",
    ],
)
def test_other_files_are_out_of_reach(client: httpx.Client, path: str) -> None:
    mine = upload(client, png())
    assert fetch(client, f"/gradio_api/file={mine}") == (200, png())
    told = fetch(client, "/gradio_api/file=" + path.format(folder=Path(mine).parent))
    assert told == (403, b"not a file of this server")


@LOCAL
@pytest.mark.parametrize(
    "path",
    [
        "/assets/" + "..%2F" * 12 + "etc%2Fpasswd",
        "/static/" + "..%2F" * 12 + "etc%2Fpasswd",
        "/gradio_api/file/etc/passwd",
        "/file=/etc/passwd",
        "/gradio_api/proxy=http://127.0.0.1:1/",
        "/monitoring",
        "/gradio_api/openapi.json",
        "/gradio_api/deep_link",
    ],
)
def test_other_routes_are_out_of_reach(client: httpx.Client, path: str) -> None:
    status, content = fetch(client, path)
    assert status in (403, 404)
    assert b"root:" not in content


@LOCAL
@pytest.mark.parametrize(
    ("method", "path", "options", "status"),
    [
        ("POST", "/gradio_api/call/score_pair", {"json": {"data": []}}, 404),
        ("POST", "/gradio_api/run/score_pair", {"json": {"data": []}}, 404),
        ("POST", "/gradio_api/api/score_pair", {"json": {"data": []}}, 404),
        ("POST", "/gradio_api/component_server", {"json": {}}, 404),
        ("POST", "/gradio_api/process_recording", {"json": {}}, 404),
        ("PUT", "/", {}, 404),
        ("GET", "/", {"headers": {"host": "evil.example"}}, 400),
        ("GET", "/", {"headers": {"host": "evil_name.example:80"}}, 400),
        ("GET", "/", {"headers": {"host": "[::1"}}, 400),
        ("GET", "/", {"headers": {"host": ""}}, 400),
        ("GET", "/", {"headers": {"host": "localhost:80"}}, 200),
        ("GET", "/", {"headers": {"host": "[::1]"}}, 200),
        ("POST", "/gradio_api/queue/join", {"content": b"{"}, 403),
        ("POST", "/gradio_api/queue/join", {"content": b"[" * 100_000}, 403),
        ("POST", "/gradio_api/queue/join", {"content": b" " * 300_000}, 413),
        ("POST", "/gradio_api/queue/join", {"content": iter([b"{}"])}, 422),
        ("POST", "/gradio_api/queue/join", {"content": iter([b" " * 300_000])}, 413),
        ("POST", "/gradio_api/cancel", {"content": iter([b" " * 300_000])}, 413),
        (
            "POST",
            "/gradio_api/upload",
            {"content": iter([PART, bytes(3 * MB)]), "headers": FORM},
            413,
        ),
        ("POST", "/gradio_api/upload", {"files": {"a": (None, b"text")}}, 400),
        ("POST", "/gradio_api/upload", {"files": [("files", ("a", b""))] * 5}, 400),
        ("POST", "/gradio_api/upload", {"files": {"files": ("a", bytes(3 * MB))}}, 413),
        (
            "POST",
            "/gradio_api/upload",
            {"files": {"files": ("a", b"")}, "headers": {"origin": "http://evil.example"}},
            403,
        ),
    ],
)
def test_requests_that_the_gate_judges(
    client: httpx.Client, method: str, path: str, options: dict[str, Any], status: int
) -> None:
    assert client.request(method, path, **options).status_code == status
    assert client.get("/").status_code == 200


@LOCAL
def test_page_is_told_to_speak_to_nobody_else(client: httpx.Client) -> None:
    page = client.get("/")
    assert page.headers["content-security-policy"].startswith("default-src 'self';")
    config = client.get("/config").json()
    assert config["analytics_enabled"] is False
