"""Clients that begin and do not end, or send what they did not say, seen by the real server."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress

import httpx
import psutil
import pytest

from pipelines.web.connections import HEADER_SECONDS, PER_CLIENT
from tests.pipelines.web.made import LOCAL, Running, call, completed, named, png, upload

MB = 2**20
HALF = b"POST /gradio_api/queue/join HTTP/1.1\r\nHost: 127.0.0.1\r\n"


@pytest.fixture
def sockets(running: Running) -> Iterator[list[socket.socket]]:
    """More half-open requests than there may be connections."""
    with ExitStack() as stack:
        half_open = []
        for _ in range(2 * PER_CLIENT + 10):
            half_open.append(stack.enter_context(running.connect()))
            with suppress(OSError):  # it may be the one that gives way
                half_open[-1].sendall(HALF)
        yield half_open


def is_open(connection: socket.socket) -> bool:
    connection.setblocking(False)
    try:
        return connection.recv(1) != b""
    except BlockingIOError:
        return True
    except OSError:
        return False


@LOCAL
def test_half_open_requests_shut_nobody_out_and_end(
    sockets: list[socket.socket], client: httpx.Client
) -> None:
    for _ in range(3):
        assert client.get("/config").status_code == 200
    pair = [named(upload(client, png(1, level))) for level in (0, 2)]
    assert completed(call(client, *pair))["success"]
    assert 0 < sum(map(is_open, sockets)) <= PER_CLIENT
    deadline = time.monotonic() + 6 * HEADER_SECONDS
    while any(map(is_open, sockets)) and time.monotonic() < deadline:
        time.sleep(0.2)
    assert not any(map(is_open, sockets))


def answer_to(running: Running, request: bytes) -> bytes:
    """Everything that comes back on a connection of its own, until the server closes it."""
    with running.connect() as connection:
        connection.sendall(request)
        parts = []
        with suppress(ConnectionResetError):
            while part := connection.recv(4096):
                parts.append(part)
    return b"".join(parts)


@LOCAL
@pytest.mark.parametrize("path", ["queue/join", "upload", "cancel"])
def test_two_lengths_are_refused_and_end_the_connection(running: Running, path: str) -> None:
    request = (
        f"POST /gradio_api/{path} HTTP/1.1\r\nHost: 127.0.0.1\r\n"
        "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n"
        "0\r\n\r\nGET /config HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
    )
    answer = answer_to(running, request.encode())
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert b"a body has one length" in answer
    assert answer.count(b"HTTP/1.1") == 1  # what was behind it is no request


def flood(running: Running, header: bytes, megabytes: int) -> int:
    """Send chunks of a megabyte until the server will have no more; by how much it grew, MB."""
    server = psutil.Process(running.process.pid)
    before = peak = server.memory_info().rss
    chunk = b"%x\r\n" % MB + bytes(MB) + b"\r\n"
    with running.connect() as connection, suppress(OSError):
        connection.sendall(header + b"\r\n")
        for _ in range(megabytes):
            connection.sendall(chunk)
            peak = max(peak, server.memory_info().rss)
    return (peak - before) // MB


JOIN = b"POST /gradio_api/queue/join HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: chunked\r\n"
UPLOAD = (
    b"POST /gradio_api/upload HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: chunked\r\n"
    b"Content-Type: multipart/form-data; boundary=x\r\n"
)


@LOCAL
@pytest.mark.parametrize("header", [JOIN, JOIN + b"Content-Length: 100\r\n", UPLOAD])
def test_a_body_without_end_is_not_kept(
    running: Running, client: httpx.Client, header: bytes
) -> None:
    assert flood(running, header, 100) < 50
    assert client.get("/config").status_code == 200


@LOCAL
def test_an_upload_that_is_broken_off_leaves_nothing(running: Running) -> None:
    part = b'--x\r\nContent-Disposition: form-data; name="files"; filename="a.png"\r\n\r\n' + bytes(
        100_000
    )
    before = {path for path in running.folder.rglob("*") if path.is_file()}
    with running.connect() as connection:
        connection.sendall(UPLOAD + b"\r\n%x\r\n" % len(part) + part + b"\r\n")
        time.sleep(0.5)
    deadline = time.monotonic() + 30
    left = before
    while time.monotonic() < deadline:
        left = {path for path in running.folder.rglob("*") if path.is_file()}
        if left <= before:
            break
        time.sleep(0.1)
    assert left <= before
