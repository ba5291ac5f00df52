"""An S3-compatible server on loopback (moto), in a thread of this process."""

from __future__ import annotations

import logging
import socket
import threading
import time
import uuid
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Any

from moto.server import DomainDispatcherApplication, create_backend_app
from pyarrow import fs
from werkzeug.serving import make_server

from seiqa_features.remote.paths import RemotePath
from tests.stores.faults import Fault, Ledger, ObjectStore, Request


class S3(ObjectStore):
    """The server."""

    scheme = "s3"

    def __init__(self) -> None:
        logging.getLogger("werkzeug").setLevel(logging.ERROR)
        self._app = DomainDispatcherApplication(create_backend_app)
        self._ledger = Ledger()
        self._server = make_server("127.0.0.1", 0, self._answer, threaded=True)
        self._address = f"127.0.0.1:{self._server.port}"
        self.url = f"http://{self._address}"
        self.environment = {
            "AWS_ENDPOINT_URL": self.url,
            "AWS_ACCESS_KEY_ID": "tester",
            "AWS_SECRET_ACCESS_KEY": "secret",
            "AWS_REGION": "us-east-1",
        }
        self.nowhere = {"AWS_ENDPOINT_URL": "http://127.0.0.1:9"}
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    @property
    def requests(self) -> list[Request]:
        """Since it started, or since `forget`."""
        return list(self._ledger.requests)

    def forget(self) -> None:
        """Forget the requests."""
        self._ledger.requests.clear()

    def let_fail(self, fault: Fault | None) -> None:
        """Let requests fail from now on; None for no more."""
        self._ledger.let_fail(fault)

    def make_bucket(self) -> RemotePath:
        """An empty bucket; the environment must lead here."""
        name = f"b{uuid.uuid4().hex}"
        fs.S3FileSystem(
            endpoint_override=self._address, scheme="http", allow_bucket_creation=True
        ).create_dir(name)
        return RemotePath(f"s3://{name}")

    def stop(self) -> None:
        """End it."""
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def _answer(self, environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        fault = self._ledger.note(environ["REQUEST_METHOD"], environ["PATH_INFO"])
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
