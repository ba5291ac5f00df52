"""A server of Google Cloud Storage's JSON API on loopback (gcp-storage-emulator).

It has a process of its own: pyarrow waits for the answer to a request (the first of a file whose
parts are read) without letting other Python threads run, so that a server in one of them could
never answer.
"""

from __future__ import annotations

import io
import json
import multiprocessing
import os
import socket
import threading
import time
import uuid
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from http.server import ThreadingHTTPServer
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from gcp_storage_emulator.server import RequestHandler
from gcp_storage_emulator.storage import Storage
from pyarrow import fs

from seiqa_features.remote.paths import RemotePath
from tests.stores.faults import Fault, Ledger, ObjectStore, Request

VARIABLE = "CLOUD_STORAGE_EMULATOR_ENDPOINT"

FAILING = 0.06
"""Seconds until a fault is answered: the client gives up where its patience ends before an answer,
and otherwise waits a second or two."""


class GCS(ObjectStore):
    """The server.

    Parameters
    ----------
    folder : Path, optional
        Where it keeps objects, so that it has them when it is started again; by default in memory.
    """

    scheme = "gs"
    nowhere = {VARIABLE: "http://127.0.0.1:9"}  # noqa: RUF012 — constant, as in the base class

    def __init__(self, folder: Path | None = None) -> None:
        self._folder, self._port = folder, 0
        self.start()
        self.url = f"http://127.0.0.1:{self._port}"
        self.environment = {VARIABLE: self.url}

    def start(self) -> None:
        """Start it, at the same address as before."""
        processes = multiprocessing.get_context("spawn")
        self._pipe, theirs = processes.Pipe()
        self._process = processes.Process(
            target=_serve, args=(theirs, self._folder, self._port), daemon=True
        )
        self._process.start()
        self._port = self._pipe.recv()

    def stop(self) -> None:
        """End it, whatever it is doing."""
        self._process.kill()
        self._process.join()
        self._process.close()
        self._pipe.close()

    @property
    def requests(self) -> list[Request]:
        """Since it started, or since `forget`."""
        return list(self._ask("requests"))

    def forget(self) -> None:
        """Forget the requests."""
        self._ask("forget")

    def let_fail(self, fault: Fault | None) -> None:
        """Let requests fail from now on; None for no more."""
        self._ask(fault)

    def _ask(self, message: Any) -> Any:
        self._pipe.send(message)
        return self._pipe.recv()

    def make_bucket(self) -> RemotePath:
        """An empty bucket; the environment must lead here."""
        name = f"b{uuid.uuid4().hex}"
        fs.GcsFileSystem(anonymous=True, project_id="tests").create_dir(name)
        return RemotePath(f"gs://{name}")


def _serve(pipe: Connection, folder: Path | None, port: int) -> None:
    """Answer requests, and do what the test says."""
    ledger = Ledger()
    storage = _Memory(use_memory_fs=True) if folder is None else Storage(data_dir=str(folder))
    server = ThreadingHTTPServer(("127.0.0.1", port), partial(_Handler, ledger, storage))
    server.handle_error = lambda *_: None  # type: ignore[method-assign] — clients that hang up
    threading.Thread(target=server.serve_forever, daemon=True).start()
    pipe.send(server.server_port)
    with suppress(EOFError):  # the test process is gone
        while True:
            message = pipe.recv()
            if message == "requests":
                pipe.send(ledger.requests)
                continue
            if message == "forget":
                ledger.requests.clear()
            else:
                ledger.let_fail(message)
            pipe.send(None)
    os._exit(0)


class _Memory(Storage):  # type: ignore[misc]
    """In memory, where what there is need not be written down with every change."""

    def _write_config_to_file(self) -> None:
        pass


class _Handler(RequestHandler):  # type: ignore[misc]
    """One request. What the emulator does wrong for pyarrow's client is put right here."""

    protocol_version = "HTTP/1.1"  # 1.0 knows no "100 Continue", for which uploads wait a second
    disable_nagle_algorithm = True
    _one_at_a_time = threading.Lock()

    def __init__(self, ledger: Ledger, *args: Any) -> None:
        self._ledger = ledger
        super().__init__(*args)

    def parse_request(self) -> bool:
        """Whether there is a request to be answered by the emulator."""
        if not super().parse_request():
            return False
        fault = self._ledger.note(self.command, self.path)
        if isinstance(fault, float):
            time.sleep(fault)
        elif fault == "death":
            os._exit(1)
        elif fault is not None:
            self._fail(fault)
            return False
        return True

    def _fail(self, fault: str) -> None:
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        time.sleep(FAILING)
        self.close_connection = True
        if fault == "reset":
            self.connection.shutdown(socket.SHUT_RDWR)
            return
        code, _, message = fault.partition(" ")
        answer = json.dumps({"error": {"code": int(code), "message": message}}).encode()
        self.send_response(int(code), message)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def send_response(self, code: int, message: str | None = None) -> None:
        """Every connection is for one request: not every body is read."""
        super().send_response(code, message)
        self.send_header("Connection", "close")

    def send_header(self, keyword: str, value: str) -> None:
        """Without the first byte that is claimed of an upload of which nothing has arrived."""
        if (keyword, value) != ("Range", "bytes=0-0"):
            super().send_header(keyword, value)

    def _alone(self, answer: Callable[[], None]) -> None:
        """The emulator's storage is not made for threads; a client may be slow to read."""
        client, self.wfile = self.wfile, io.BytesIO()
        with self._one_at_a_time:
            answer()
        client.write(self.wfile.getvalue())
        self.wfile = client

    def do_GET(self) -> None:  # noqa: N802 — as http.server calls it
        self._alone(super().do_GET)

    def do_POST(self) -> None:  # noqa: N802
        self._alone(super().do_POST)

    def do_PUT(self) -> None:  # noqa: N802
        self._alone(super().do_PUT)

    def do_DELETE(self) -> None:  # noqa: N802
        self._alone(super().do_DELETE)
