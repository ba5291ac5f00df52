"""The page's server: Gradio behind the gate, on one port, until it is told to stop."""

from __future__ import annotations

import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from ipaddress import ip_address
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from pipelines.web.examples import EXAMPLES
from pipelines.web.uploads import Limits
from seiqa_features.errors import UsageError

if TYPE_CHECKING:
    from pipelines.web.gate import Gate
    from seiqa_models.scorer import Scorer

CONNECTIONS = 200
"""Open at the same time; a page holds three or four."""

SWEEP = 300
"""Seconds from one look for old files to the next."""

PATIENCE = 2  # seconds that open pages are given when the server stops


def is_local(host: str) -> bool:
    """Whether only this machine can reach an address."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def serve(
    scorer: Scorer, *, host: str, port: int, limits: Limits, on_ready: Callable[[str], None]
) -> None:
    """Serve the page until the process is interrupted or terminated.

    Uploads and results lie in a temporary folder that is removed at the end.

    Parameters
    ----------
    scorer : Scorer
        What scores.
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
        TemporaryDirectory(prefix="seiqa-serve-") as name,
        _swept(folder := Path(name), 60 * limits.kept_minutes - SWEEP),
    ):
        gate = make_app(scorer, folder, limits, host)

        import uvicorn

        config = uvicorn.Config(
            gate,
            log_level="warning",
            ws="none",
            limit_concurrency=CONNECTIONS,
            timeout_graceful_shutdown=PATIENCE,
        )
        bound, real_port = listener.getsockname()[:2]
        on_ready(f"http://{f'[{bound}]' if ':' in bound else bound}:{real_port}")
        with suppress(KeyboardInterrupt):
            uvicorn.Server(config).run(sockets=[listener])


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
    from pipelines.web.page import Page, build
    from pipelines.web.style import CSS, theme

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
    """Delete old files again and again, from a thread, until the end of the block."""
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


def delete_old(folder: Path, age: float) -> None:
    """Delete the files that were written `age` seconds ago or earlier, but not the examples.

    Gradio's own clean-up misses uploads that were aborted.
    """
    for path in folder.rglob("*"):
        try:
            old = path.is_file() and time.time() - path.stat().st_mtime >= age
            if old and EXAMPLES not in path.relative_to(folder).parts:
                path.unlink()
        except FileNotFoundError:
            continue  # a file that was renamed meanwhile
