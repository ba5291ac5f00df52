"""The gate before Gradio: only what the page itself asks for gets through.

Gradio brings routes that fetch other addresses, start recordings or edit the program, and, when it
is mounted in an app, takes any path of the machine for an uploaded file. None of that is reachable
through the gate.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from starlette.datastructures import MutableHeaders
from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

API = "/gradio_api"
FILE = f"{API}/file="
UPLOAD = f"{API}/upload"
CALLS = frozenset({f"{API}/queue/join", f"{API}/run/predict"})
"""Run one of the page's functions, in the queue or, for those that need none, at once."""

_GET = frozenset({
    "/", "/config", "/theme.css", "/favicon.ico", "/robots.txt", "/manifest.json",
    f"{API}/info", f"{API}/queue/data", f"{API}/startup-events", f"{API}/upload_progress",
})  # fmt: skip
_GET_BELOW = ("/assets/", "/static/", f"{API}/heartbeat/", FILE)
_POST = CALLS | {UPLOAD, f"{API}/cancel"}

REQUEST_BYTES = 256_000
"""Of a request that is no upload: names of files and settings, never pictures."""

ENVELOPE_BYTES = 64_000
"""What a browser wraps around an uploaded file."""

KEPT_UPLOADS = 20
"""The folder of uploads and results may hold this many times the largest upload."""

HEADERS = {
    # The page may talk to its own server and to nobody else, whatever Gradio's files ask for.
    "content-security-policy": (
        "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval' blob:; "
        "style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; font-src 'self' data:; "
        "worker-src 'self' blob:; frame-ancestors 'none'; form-action 'self'; object-src 'none'"
    ),
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
}


class Gate:
    """ASGI app that hands on what the page needs and answers everything else itself.

    Parameters
    ----------
    app : ASGIApp
        Gradio's.
    folder : Path
        Uploads and results; requests may name files in it, and no others.
    max_upload : int
        Bytes of one uploaded file.
    hosts : frozenset[str] | None
        Host names to answer to (IPv6 in brackets), so that no other site can point its own name
        here (DNS rebinding); None = any.
    """

    def __init__(
        self, app: ASGIApp, *, folder: Path, max_upload: int, hosts: frozenset[str] | None
    ) -> None:
        self.app = app
        self.folder = folder.resolve()
        self.max_upload = max_upload
        self.hosts = hosts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or hand it on."""
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
        elif scope["type"] == "http":
            with suppress(ClientDisconnect):  # an upload was aborted: nothing to report
                await self._http(scope, receive, _with_headers(send))
        # else a websocket, which nothing here speaks: returning refuses it

    async def _http(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        refusal = self._refusal(request)
        if refusal is None and scope["path"] in CALLS:
            body = await request.body()
            receive = _replay(body, receive)
            if not self._names_uploads_only(body):
                refusal = 403, "a request may only name files that were uploaded here"
        if refusal is None:
            await self.app(scope, receive, send)
        else:
            status, reason = refusal
            await PlainTextResponse(reason, status)(scope, receive, send)

    def _refusal(self, request: Request) -> tuple[int, str] | None:
        path = request.scope["path"]  # decoded, as Gradio will read it; `url` ends it at a %3F
        if self.hosts is not None and _without_port(request.headers.get("host")) not in self.hosts:
            return 400, "this server has another name"
        if request.method in ("GET", "HEAD"):
            if path not in _GET and not path.startswith(_GET_BELOW):
                return 404, "not found"
            if path.startswith(FILE) and not self._is_kept(path.removeprefix(FILE)):
                return 403, "not a file of this server"
            return None
        if request.method != "POST" or path not in _POST:
            return 404, "not found"
        return self._refused_body(request, path == UPLOAD)

    def _refused_body(self, request: Request, upload: bool) -> tuple[int, str] | None:
        origin = request.headers.get("origin")
        if origin is not None and origin.partition("://")[2] != request.headers.get("host"):
            return 403, "requests come from this server's own page"
        length = request.headers.get("content-length", "")
        if not length.isdecimal():  # the server holds a client to the length it declared
            return 411, "content-length is missing"
        if int(length) > (self.max_upload + ENVELOPE_BYTES if upload else REQUEST_BYTES):
            return 413, "too large"
        if upload and _size(self.folder) + int(length) > KEPT_UPLOADS * self.max_upload:
            return 507, "no room for more uploads; what is here is deleted within the hour"
        return None

    def _names_uploads_only(self, body: bytes) -> bool:
        try:
            content = json.loads(body)
        except (ValueError, RecursionError):
            return False
        return all(self._is_kept(path) for path in _paths(content))

    def _is_kept(self, path: Any) -> bool:
        try:
            return isinstance(path, str) and Path(path).resolve().is_relative_to(self.folder)
        except (ValueError, OSError):  # a NUL in it, or a name that is too long
            return False


def _paths(content: Any) -> Iterator[Any]:
    """Every value that stands under the name "path", however deep; None means no file."""
    if isinstance(content, dict):
        if content.get("path") is not None:
            yield content["path"]
        content = list(content.values())
    if isinstance(content, list):
        for part in content:
            yield from _paths(part)


def _without_port(host: str | None) -> str:
    """The name in a Host header. Starlette puts its own in place of one that it cannot read."""
    name, _, port = (host or "").rpartition(":")
    return name if port.isdecimal() else host or ""


def _size(folder: Path) -> int:
    total = 0
    for path in folder.rglob("*"):
        try:
            total += path.lstat().st_size
        except FileNotFoundError:  # cleared away meanwhile
            continue
    return total


def _replay(body: bytes, receive: Receive) -> Receive:
    """A `receive` that gives a body that was already read, then what comes after it."""
    pending: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def replay() -> Message:
        return pending.pop() if pending else await receive()

    return replay


def _with_headers(send: Send) -> Send:
    async def with_headers(message: Message) -> None:
        if message["type"] == "http.response.start":
            MutableHeaders(scope=message).update(HEADERS)
        await send(message)

    return with_headers
