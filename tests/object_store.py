"""An S3-compatible server on loopback (moto) that can be told to fail, and what it was asked."""

from __future__ import annotations

import logging
import socket
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

from moto.server import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import make_server

Fault = Callable[[str, str], str | float | None]
"""From method and path: a status such as "503 Slow Down", "reset", seconds to wait, or None."""


class ObjectStore:
    """The server.

    Attributes
    ----------
    url : str
    requests : list of (method, path)
        Since it started, or since a test cleared them.
    """

    def __init__(self) -> None:
        logging.getLogger("werkzeug").setLevel(logging.ERROR)
        self._app = DomainDispatcherApplication(create_backend_app)
        self._fault: Fault = lambda _method, _path: None
        self.requests: list[tuple[str, str]] = []
        self._server = make_server("127.0.0.1", 0, self._answer, threaded=True)
        self.url = f"http://127.0.0.1:{self._server.port}"
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End it."""
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    @contextmanager
    def failing(self, fault: Fault) -> Iterator[None]:
        """Let requests fail meanwhile."""
        self._fault = fault
        try:
            yield
        finally:
            self._fault = lambda _method, _path: None

    def _answer(self, environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        method, path = environ["REQUEST_METHOD"], environ["PATH_INFO"]
        self.requests.append((method, path))
        fault = self._fault(method, path)
        if isinstance(fault, float):
            time.sleep(fault)
        elif fault == "reset":
            with suppress(OSError):
                environ["werkzeug.socket"].shutdown(socket.SHUT_RDWR)
            return []
        elif fault is not None:
            start(fault, [("Content-Type", "application/xml"), ("Content-Length", "0")])
            return [b""]
        answer: Iterable[bytes] = self._app(environ, start)
        return answer


def every(n: int, fault: str | float, *methods: str) -> Fault:
    """The fault for every n-th request with one of these methods, and the others pass."""
    seen = iter(range(1, 10**9))
    lock = threading.Lock()

    def of(method: str, _path: str) -> str | float | None:
        if methods and method not in methods:
            return None
        with lock:
            return fault if next(seen) % n == 0 else None

    return of
