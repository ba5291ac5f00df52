"""Uploads as they arrive: counted, and without leftovers of broken ones."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Any

from gradio import route_utils
from starlette.types import Message, Receive

FILES = 4
"""Maximum files per upload; the page sends one."""

TOO_LARGE = 413, "too large"
NO_ROOM = 507, "no room for more uploads now; try again in a minute"


class Arriving:
    """Total bytes of the uploads in progress, and their limit."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.bytes = 0


class Counted:
    """A `receive` that stops when a body exceeds its own limit or the total limit.

    Attributes
    ----------
    refusal : tuple[int, str] | None
        Why it stopped, as a status and a line. The receiver then sees a disconnected client.
    """

    def __init__(self, receive: Receive, limit: int, arriving: Arriving) -> None:
        self.refusal: tuple[int, str] | None = None
        self._receive = receive
        self._limit = limit
        self._arriving = arriving
        self._bytes = 0

    async def __call__(self) -> Message:
        """The next part of the body, or a disconnect."""
        message = await self._receive()
        length = len(message.get("body", b""))
        self._bytes += length
        self._arriving.bytes += length
        if self._bytes > self._limit:
            self.refusal = TOO_LARGE
        elif self._arriving.bytes > self._arriving.limit:
            self.refusal = NO_ROOM
        return message if self.refusal is None else {"type": "http.disconnect"}

    def end(self) -> None:
        """Called when the body is complete or was aborted."""
        self._arriving.bytes -= self._bytes


async def read_whole(receive: Receive, limit: int) -> bytes | None:
    """A request's body, or None if it is longer than the limit or was aborted."""
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] != "http.request":
            return None
        body += message.get("body", b"")
        if len(body) > limit:
            return None
        if not message.get("more_body", False):
            return bytes(body)


class _FilesOnly(route_utils.GradioMultiPartParser):
    """Gradio's parser without form fields kept in memory or partial files left on disk."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options | {"max_files": FILES, "max_fields": 0})

    async def parse(self) -> Any:
        """See `GradioMultiPartParser.parse`."""
        try:
            return await super().parse()
        except BaseException:
            for file in self._files_to_close_on_error:
                file.close()
                with suppress(OSError):
                    Path(file.name).unlink()
            raise


def accept_files_only() -> None:
    """Make Gradio use this parser, for which it has no setting."""
    route_utils.GradioMultiPartParser = _FilesOnly  # type: ignore[misc]
