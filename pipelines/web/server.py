"""The page's server: Gradio behind the gate, on one port, until stopped."""

from __future__ import annotations

import asyncio
import logging
import os
import shutil
import signal
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from pipelines.web.keeping import delete_old
from pipelines.web.uploads import Limits
from seiqa_features.errors import UsageError
from seiqa_features.scratch import scratch

if TYPE_CHECKING:
    from pipelines.web.gate import Gate
    from seiqa_models.scorer import Scorer

SWEEP = 300
"""Seconds between searches for old files."""

PATIENCE = 2  # seconds granted to open pages when the server stops


def is_local(host: str) -> bool:
    """Whether only this machine can reach an address."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def serve(
    scorer: Scorer, *, host: str, port: int, limits: Limits, on_ready: Callable[[str], None]
) -> NoReturn:
    """Serve the page until the process is interrupted or terminated; then end the process.

    Uploads and results are kept in a temporary folder that is removed at the end. A thread that is
    processing pictures cannot be stopped, and the server does not wait for it.

    Parameters
    ----------
    scorer : Scorer
        Scores the pairs.
    host : str
        Address to bind.
    port : int
        0 = any free one.
    limits : Limits
        What is accepted from the page.
    on_ready : Callable[[str], None]
        Called with the page's address once it answers.

    Raises
    ------
    UsageError
        The address cannot be bound.
    """
    # Exit by an exception, so that the folder is still removed. uvicorn shuts down, then passes the
    # signal on.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    with (
        _listening(host, port) as listener,
        scratch("serve") as folder,
        _swept(folder, 60 * limits.kept_minutes - SWEEP),
    ):
        gate = make_app(scorer, folder, limits, host)
        bound, real_port = listener.getsockname()[:2]
        on_ready(f"http://{f'[{bound}]' if ':' in bound else bound}:{real_port}")
        code = _run(gate, listener)
    shutil.rmtree(folder, ignore_errors=True)  # what such a thread wrote meanwhile
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def _run(gate: Gate, listener: socket.socket) -> int:
    """Answer requests until a signal comes; the exit status."""
    import uvicorn

    from pipelines.web.connections import PER_CLIENT, Connection, end_late

    # Malformed requests concern only their senders, and must not flood the log.
    logging.getLogger("python_multipart").setLevel(logging.ERROR)
    server = uvicorn.Server(
        uvicorn.Config(
            gate,
            log_level="error",
            http=Connection,
            ws="none",
            # This many are accepted before their requests are examined: at most one client's limit.
            backlog=PER_CLIENT,
            timeout_graceful_shutdown=PATIENCE,
        )
    )

    async def answer() -> None:
        watch = asyncio.create_task(end_late(server.server_state.connections))
        await server.serve(sockets=[listener])
        watch.cancel()

    try:
        # Not asyncio.run, which waits for every thread at the end.
        asyncio.new_event_loop().run_until_complete(answer())
    except KeyboardInterrupt:
        return 0
    except SystemExit as stop:
        return int(stop.code or 0)
    return 0


def make_app(scorer: Scorer, folder: Path, limits: Limits, host: str) -> Gate:
    """The page as an ASGI app.

    Parameters
    ----------
    folder : Path
        An empty folder for uploads and results.
    host : str
        The address bound; if only this machine can reach it, requests must use one of its local
        names.
    """
    os.environ |= {
        "GRADIO_ANALYTICS_ENABLED": "False",
        "GRADIO_TEMP_DIR": str(folder),
        "GRADIO_EXAMPLES_CACHE": str(folder),
    }
    import gradio as gr
    from fastapi import FastAPI

    from pipelines.web.gate import Gate
    from pipelines.web.layout import build
    from pipelines.web.page import Page
    from pipelines.web.receiving import accept_files_only
    from pipelines.web.style import CSS, theme

    accept_files_only()
    blocks = build(Page(scorer, folder, limits))
    # Gradio checks the paths that requests name only in an app that it launched by itself.
    blocks.has_launched = True
    app = gr.mount_gradio_app(
        FastAPI(openapi_url=None),
        blocks,
        path="/",
        footer_links=[],
        run_history=False,
        show_error=False,
        max_file_size=limits.upload,
        ssr_mode=False,
        enable_monitoring=False,
        pwa=False,
        mcp_server=False,
        theme=theme(),
        css=CSS,
    )
    hosts = frozenset({"localhost", "127.0.0.1", "[::1]", host}) if is_local(host) else None
    return Gate(app, folder=folder, max_upload=limits.upload, hosts=hosts)


@contextmanager
def _listening(host: str, port: int) -> Iterator[socket.socket]:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        listener = socket.create_server((host, port), family=family)
    except (OSError, OverflowError) as error:
        reason = getattr(error, "strerror", None) or error
        raise UsageError(
            f"cannot listen on {host} port {port} ({reason}); name another with --port or --host"
        ) from None
    with listener:
        yield listener


@contextmanager
def _swept(folder: Path, age: float) -> Iterator[None]:
    """Delete old files periodically, from a thread, until the end of the block."""
    ended = threading.Event()

    def sweep() -> None:
        while not ended.wait(SWEEP):
            delete_old(folder, age)

    thread = threading.Thread(target=sweep, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
