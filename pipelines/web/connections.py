"""Limits on the number of open connections, and on their time without progress.

A client that never completes its request, sends a body one byte at a time, or does not read its
response costs nothing itself but occupies a slot. Each of these is limited in time here, and when
slots run short, the connection that has waited longest for its client's request is closed: clients
that send their request at once are served, however many half-open connections there are.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Collection
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol

CONNECTIONS = 400
"""Maximum number of open connections; a page holds three or four."""

PER_CLIENT = 100
"""Maximum for one address, which may be that of a proxy or an office."""

HEADER_SECONDS = 10.0
"""From the opening of a connection, or its last response, to the end of a request's header."""

BODY_SECONDS = 20.0
BODY_RATE = 1000
"""Bytes of a body that must arrive per second, averaged over `BODY_SECONDS`."""

ANSWER_SECONDS = 30.0
"""How long a client may leave a response unread."""

_FULL = (
    b"HTTP/1.1 503 Service Unavailable\r\nconnection: close\r\ncontent-type: text/plain\r\n"
    b"content-length: 21\r\n\r\ntoo many connections\n"
)


class Connection(H11Protocol):
    """uvicorn's connection, with limits on the number of connections and on their time."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._since = time.monotonic()  # start of the current phase
        self._received = 0  # bytes since then
        self._unread_since: float | None = None

    @property
    def waiting(self) -> bool:
        """Whether the client's next request is awaited, with no response due."""
        return self.cycle is None or self.cycle.response_complete

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Accept the connection, and close another if there are too many."""
        super().connection_made(transport)
        everyone = [one for one in _all(self.connections) if not one.transport.is_closing()]
        address = self.client[0] if self.client else None
        neighbours = [one for one in everyone if one.client and one.client[0] == address]
        for crowd, limit in ((neighbours, PER_CLIENT), (everyone, CONNECTIONS)):
            if len(crowd) > limit and not self.transport.is_closing():
                _make_room(crowd, self)

    def data_received(self, data: bytes) -> None:
        """Pass on received data, and note when a request's body begins."""
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
        """Note since when a response has been unread."""
        self._unread_since = time.monotonic()
        super().pause_writing()

    def resume_writing(self) -> None:
        """The client has resumed reading."""
        self._unread_since = None
        super().resume_writing()

    def end_if_late(self, now: float) -> None:
        """Close the connection if its current phase has taken too long.

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
            late = False  # the next step is the server's: to respond or to read
        if late or unread:
            self.transport.abort()


async def end_late(connections: Collection[Any], every: float = 1.0) -> None:
    """Check all connections periodically, until cancelled."""
    while True:
        await asyncio.sleep(every)
        now = time.monotonic()
        for connection in _all(connections):
            connection.end_if_late(now)


def _all(connections: Collection[Any]) -> list[Connection]:
    return [one for one in connections if isinstance(one, Connection)]


def _make_room(crowd: list[Connection], newest: Connection) -> None:
    """Close the connection that has waited longest, or the newest if all are active."""
    waiting = [one for one in crowd if one.waiting and one is not newest]
    if waiting:
        min(waiting, key=lambda one: one._since).transport.abort()
    else:
        newest.transport.write(_FULL)
        newest.transport.close()
