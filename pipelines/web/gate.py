"""The gate in front of Gradio: only requests that the page itself makes get through.

Gradio has routes that fetch other addresses, start recordings or edit the program, and, when
mounted in an app, accepts any path of the machine as an uploaded file. None of that is reachable
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

from pipelines.web.keeping import make_room
from pipelines.web.receiving import NO_ROOM, TOO_LARGE, Arriving, Counted, read_whole

API = "/gradio_api"
FILE = f"{API}/file="
UPLOAD = f"{API}/upload"
CALLS = frozenset({f"{API}/queue/join", f"{API}/run/predict"})
"""Routes that run one of the page's functions, in the queue or, if it needs none, at once."""

_GET = frozenset({
    "/", "/config", "/theme.css", "/favicon.ico", "/robots.txt", "/manifest.json",
    f"{API}/info", f"{API}/queue/data", f"{API}/startup-events", f"{API}/upload_progress",
})  # fmt: skip
_GET_BELOW = ("/assets/", "/static/", f"{API}/heartbeat/", FILE)
_POST = CALLS | {UPLOAD, f"{API}/cancel"}

REQUEST_BYTES = 256_000
"""Maximum size of a request other than an upload: names of files and settings, never pictures."""

ENVELOPE_BYTES = 64_000
"""Maximum overhead of a browser's request around an uploaded file."""

KEPT_UPLOADS = 20
"""The folder of uploads and results may hold this many times the largest upload."""

Refusal = tuple[int, str]
"""Status and reason."""

HEADERS = {
    # The page may connect to its own server only, whatever Gradio's files request.
    "content-security-policy": (
        "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval' blob:; "
        "style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; font-src 'self' data:; "
        "worker-src 'self' blob:; frame-ancestors 'none'; form-action 'self'; object-src 'none'"
    ),
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
}


class Gate:
    """ASGI app that passes on what the page needs and answers everything else itself.

    Bodies are counted as they arrive, regardless of the declared length.

    Parameters
    ----------
    app : ASGIApp
        Gradio's app.
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
        self._arriving = Arriving(KEPT_UPLOADS * max_upload)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or pass it to Gradio."""
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
        elif scope["type"] == "http":
            with suppress(ClientDisconnect):  # an upload was aborted: nothing to report
                await self._http(scope, receive, Answer(send))
        # otherwise a websocket, which is not supported: returning refuses it

    async def _http(self, scope: Scope, receive: Receive, answer: Answer) -> None:
        request = Request(scope)
        refusal = self._refusal(request)
        if refusal is None and request.method != "POST":
            await self.app(scope, receive, answer)
        elif refusal is None and scope["path"] == UPLOAD:
            refusal = await self._upload(scope, receive, answer)
        elif refusal is None:
            refusal = await self._call(scope, receive, answer)
        if refusal is not None and not answer.begun:
            await _refuse(*refusal)(scope, receive, answer)

    async def _upload(self, scope: Scope, receive: Receive, answer: Answer) -> Refusal | None:
        counted = Counted(receive, self.max_upload + ENVELOPE_BYTES, self._arriving)

        async def unless_refused(message: Message) -> None:
            if counted.refusal is None:  # else this is what Gradio makes of a client that has gone
                await answer(message)

        try:
            with suppress(ClientDisconnect):
                await self.app(scope, counted, unless_refused)
        finally:
            counted.end()
        return counted.refusal

    async def _call(self, scope: Scope, receive: Receive, answer: Answer) -> Refusal | None:
        body = await read_whole(receive, REQUEST_BYTES)
        if body is None:
            return TOO_LARGE
        if scope["path"] in CALLS and not self._names_uploads_only(body):
            return 403, "a request may only name files that were uploaded here"
        await self.app(scope, _replay(body, receive), answer)
        return None

    def _refusal(self, request: Request) -> Refusal | None:
        path = request.scope["path"]  # decoded, as Gradio will read it; `url` ends it at a %3F
        if self.hosts is not None and _without_port(request.headers.get("host")) not in self.hosts:
            return 400, "this server has another name"
        if "content-length" in request.headers and "transfer-encoding" in request.headers:
            return 400, "a body has one length"  # RFC 9112, section 6.3: an attempt to smuggle
        if request.method in ("GET", "HEAD"):
            if path not in _GET and not path.startswith(_GET_BELOW):
                return 404, "not found"
            if path.startswith(FILE) and not self._is_kept(path.removeprefix(FILE)):
                return 403, "not a file of this server"
            return None
        if request.method != "POST" or path not in _POST:
            return 404, "not found"
        return self._refused_body(request, path == UPLOAD)

    def _refused_body(self, request: Request, upload: bool) -> Refusal | None:
        origin = request.headers.get("origin")
        if origin is not None and origin.partition("://")[2] != request.headers.get("host"):
            return 403, "requests come from this server's own page"
        limit = self.max_upload + ENVELOPE_BYTES if upload else REQUEST_BYTES
        expected = int(request.headers.get("content-length", limit))
        if expected > limit:
            return TOO_LARGE
        if upload and not make_room(self.folder, expected, KEPT_UPLOADS * self.max_upload):
            return NO_ROOM
        return None

    def _names_uploads_only(self, body: bytes) -> bool:
        try:
            return all(self._is_kept(path) for path in _paths(json.loads(body)))
        except (ValueError, RecursionError):
            return False

    def _is_kept(self, path: Any) -> bool:
        try:
            return isinstance(path, str) and Path(path).resolve().is_relative_to(self.folder)
        except (ValueError, OSError):  # a NUL in it, or a name that is too long
            return False


def _paths(content: Any) -> Iterator[Any]:
    """Every value under the key "path", at any depth; None means no file."""
    if isinstance(content, dict):
        if content.get("path") is not None:
            yield content["path"]
        content = list(content.values())
    if isinstance(content, list):
        for part in content:
            yield from _paths(part)


def _without_port(host: str | None) -> str:
    """The name in a Host header; Starlette substitutes its own for an unreadable one."""
    name, _, port = (host or "").rpartition(":")
    return name if port.isdecimal() else host or ""


def _replay(body: bytes, receive: Receive) -> Receive:
    """A `receive` that returns a body that was already read, then what follows it."""
    pending: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def replay() -> Message:
        return pending.pop() if pending else await receive()

    return replay


class Answer:
    """A `send` that adds the page's headers, and knows whether a response has begun."""

    def __init__(self, send: Send) -> None:
        self.begun = False
        self._send = send

    async def __call__(self, message: Message) -> None:
        """Send a part of the response."""
        if message["type"] == "http.response.start":
            self.begun = True
            MutableHeaders(scope=message).update(HEADERS)
        await self._send(message)


def _refuse(status: int, reason: str) -> PlainTextResponse:
    # After a body of doubtful length, later data on the connection may not be a request.
    headers = {"connection": "close"} if status == 400 else None
    return PlainTextResponse(reason, status, headers)
