"""Who may keep a connection open, and for how long without getting on.

A client that begins a request and never ends it, sends a body a byte at a time, or does not read
its answer costs nothing and holds a place. Each of these has its time here, and when places run
short the connection that has waited longest for its own request gives way: whoever asks at once
is served, however many half-open ones there are.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Collection
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol

CONNECTIONS = 400
"""Open at the same time; a page holds three or four."""

PER_CLIENT = 100
"""Of one address, behind which a proxy or an office may stand."""

HEADER_SECONDS = 10.0
"""From the opening of a connection, or its last answer, to the end of a request's header."""

BODY_SECONDS = 20.0
BODY_RATE = 1000
"""Bytes of a body that must come in each second, on an average over `BODY_SECONDS`."""

ANSWER_SECONDS = 30.0
"""That a client may leave an answer unread."""

_FULL = (
    b"HTTP/1.1 503 Service Unavailable\r\nconnection: close\r\ncontent-type: text/plain\r\n"
    b"content-length: 21\r\n\r\ntoo many connections\n"
)


class Connection(H11Protocol):
    """uvicorn's, with a limit of connections and of the time that each may take."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._since = time.monotonic()  # when what is going on now began
        self._received = 0  # bytes since then
        self._unread_since: float | None = None

    @property
    def waiting(self) -> bool:
        """Whether there is no request whose answer is due."""
        return self.cycle is None or self.cycle.response_complete

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Take the connection, and let another go if it is one too many."""
        super().connection_made(transport)
        everyone = [one for one in _all(self.connections) if not one.transport.is_closing()]
        address = self.client[0] if self.client else None
        neighbours = [one for one in everyone if one.client and one.client[0] == address]
        for crowd, limit in ((neighbours, PER_CLIENT), (everyone, CONNECTIONS)):
            if len(crowd) > limit and not self.transport.is_closing():
                _make_room(crowd, self)

    def data_received(self, data: bytes) -> None:
        """Hand on what has come, and note when a request's body begins."""
        self._received += len(data)
        waited = self.waiting
        super().data_received(data)
        if waited and not self.waiting:
            self._since, self._received = time.monotonic(), 0

    def on_response_complete(self) -> None:
        """Start waiting for the next request."""
        self._since, self._received = time.monotonic(), 0
        super().on_response_complete()

    def pause_writing(self) -> None:
        """Note since when an answer has not been read."""
        self._unread_since = time.monotonic()
        super().pause_writing()

    def resume_writing(self) -> None:
        """The client reads on."""
        self._unread_since = None
        super().resume_writing()

    def end_if_late(self, now: float) -> None:
        """Close the connection if what is going on has taken longer than it may.

        Parameters
        ----------
        now : float
            `time.monotonic()`.
        """
        unread = self._unread_since is not None and now - self._unread_since > ANSWER_SECONDS
        if self.waiting:
            late = now - self._since > HEADER_SECONDS
        elif (
            self.cycle.more_body and not self.flow.read_paused and now - self._since > BODY_SECONDS
        ):
            late = self._received < BODY_SECONDS * BODY_RATE
            self._since, self._received = now, 0
        else:
            late = False  # the answer is ours to give, or the body ours to read
        if late or unread:
            self.transport.abort()


async def end_late(connections: Collection[Any], every: float = 1.0) -> None:
    """Look at all connections again and again, until cancelled."""
    while True:
        await asyncio.sleep(every)
        now = time.monotonic()
        for connection in _all(connections):
            connection.end_if_late(now)


def _all(connections: Collection[Any]) -> list[Connection]:
    return [one for one in connections if isinstance(one, Connection)]


def _make_room(crowd: list[Connection], newest: Connection) -> None:
    """Let the one go that has waited longest, or the newest where all are at work."""
    waiting = [one for one in crowd if one.waiting and one is not newest]
    if waiting:
        min(waiting, key=lambda one: one._since).transport.abort()
    else:
        newest.transport.write(_FULL)
        newest.transport.close()
