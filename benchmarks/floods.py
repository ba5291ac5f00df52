"""What strangers can cost: peak memory and seconds of floods at the page and of hostile bundles.

    python benchmarks/floods.py [BUNDLE]

A server is started on a free port of this machine, with the built-in model or another bundle. Each
flood is sent to it while its memory is watched; growth is beyond what it had before the flood. Then
every hostile bundle of the tests is loaded in a process of its own, forked from one that has loaded
a sound bundle and whose memory is taken off.
"""

from __future__ import annotations

# ruff: noqa: T201
import io
import multiprocessing
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from resource import RUSAGE_SELF, getrusage
from urllib.parse import urlsplit

import httpx
import psutil

MB = 2**20
HALF_OPEN = 210


@contextmanager
def served() -> Iterator[tuple[psutil.Process, str]]:
    """A page: its process and address."""
    arguments = [sys.executable, "-m", "pipelines.cli", "serve", "--port", "0"]
    arguments += ["--bundle", sys.argv[1]] if len(sys.argv) > 1 else []
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            line = process.stdout.readline()
            yield psutil.Process(process.pid), line.split()[2]
        finally:
            start = time.perf_counter()
            process.send_signal(signal.SIGTERM)
            process.wait()
            print(f"{'SIGTERM obeyed':34} {'':>8} {time.perf_counter() - start:8.2f} s")


@contextmanager
def watched(server: psutil.Process, name: str) -> Iterator[None]:
    """Print by how much the server grew at most, and how long the block took."""
    before = peak = server.memory_info().rss
    ended = threading.Event()

    def watch() -> None:
        nonlocal peak
        while not ended.wait(0.01):
            peak = max(peak, server.memory_info().rss)

    thread = threading.Thread(target=watch)
    thread.start()
    start = time.perf_counter()
    try:
        yield
    finally:
        seconds = time.perf_counter() - start
        ended.set()
        thread.join()
        print(f"{name:34} {(peak - before) / MB:5.0f} MB {seconds:8.2f} s")


def send_chunks(address: str, length: bool, megabytes: int) -> None:
    """A body without end; with a length in its header, too, or without."""
    chunk = b"%x\r\n" % MB + b" " * MB + b"\r\n"
    header = b"POST /gradio_api/queue/join HTTP/1.1\r\nHost: 127.0.0.1\r\n"
    header += b"Transfer-Encoding: chunked\r\n" + length * b"Content-Length: 100\r\n" + b"\r\n"
    with connect(address) as connection, suppress(OSError):
        connection.sendall(header)
        for _ in range(megabytes):
            connection.sendall(chunk)


def connect(address: str) -> socket.socket:
    """A connection to the server."""
    return socket.create_connection(("127.0.0.1", urlsplit(address).port or 0), timeout=30)


def packed_rows(number: int) -> bytes:
    """A zip whose manifest has so many rows."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a", "")
        with archive.open("manifest.csv", "w") as manifest:
            manifest.write(b"ref,dist\n")
            for _ in range(number // 1000):
                manifest.write(b"a,a\n" * 1000)
    return file.getvalue()


def score(client: httpx.Client, function: str, *contents: bytes) -> str:
    """Upload files and have a function of the page score them; what it says at last."""
    data = []
    for content in contents:
        files = {"files": ("a.png", content)}
        path = client.post("/gradio_api/upload", files=files).raise_for_status().json()[0]
        data.append({"path": path, "meta": {"_type": "gradio.FileData"}})
    page = client.get("/config").json()
    called = next(each for each in page["dependencies"] if each["api_name"] == function)
    values = {each["id"]: each["props"].get("value") for each in page["components"]}
    data += [values[name] for name in called["inputs"][len(contents) :]]
    session = f"s{time.monotonic_ns()}"
    body = {"data": data, "fn_index": called["id"], "session_hash": session}
    client.post("/gradio_api/queue/join", json=body).raise_for_status()
    events = client.get("/gradio_api/queue/data", params={"session_hash": session})
    return next(line for line in events.text.splitlines() if "process_completed" in line)


def half_open(address: str) -> list[socket.socket]:
    """Requests that begin and do not go on."""
    connections = [connect(address) for _ in range(HALF_OPEN)]
    for connection in connections:
        with suppress(OSError):
            connection.sendall(b"POST / HTTP/1.1\r\nHost: 127.0.0.1\r\n")
    return connections


def pair() -> tuple[bytes, bytes]:
    """Two pictures that differ."""
    from pipelines.web.examples import write_examples

    with tempfile.TemporaryDirectory() as folder:
        ref, dist, _ = write_examples(Path(folder))[0]
        return Path(ref).read_bytes(), Path(dist).read_bytes()


def floods() -> None:
    """Everything that is sent to the page."""
    with served() as (server, address), _client(address) as client:
        ref, dist = pair()
        score(client, "score_pair", ref, dist)
        with watched(server, "one pair"):
            score(client, "score_pair", ref, dist)
        with watched(server, "1.5 GB, two lengths"):
            send_chunks(address, True, 1500)
        with watched(server, "1.5 GB, chunked"):
            send_chunks(address, False, 1500)
        for rows in (1_000_000, 30_000_000):
            content = packed_rows(rows)
            with watched(server, f"{len(content) // 1000} kB zip of {rows} rows"):
                assert '"success":false' in score(client, "score_zip", content).replace(" ", "")
        connections = half_open(address)
        with (
            watched(server, f"one pair beside {HALF_OPEN} half-open"),
            _client(address) as newcomer,
        ):
            score(newcomer, "score_pair", ref, dist)  # idle connections make room
        for connection in connections:
            connection.close()
        with watched(server, "twenty clients at once"):
            _crowd(lambda: score(_client(address), "score_pair", ref, dist))


def _client(address: str) -> httpx.Client:
    return httpx.Client(base_url=address, timeout=600)


def _crowd(work: Callable[[], object]) -> None:
    threads = [threading.Thread(target=work) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def bundles() -> None:
    """Every hostile bundle, and the worst of them."""
    from tests.seiqa_models.inspection.hostile import MUTATIONS, write_sound

    with tempfile.TemporaryDirectory() as folder:
        sound = Path(folder) / "sound"
        write_sound(sound)
        load(sound)
        results = {}
        for name, mutate in MUTATIONS.items():
            bundle = Path(shutil.copytree(sound, Path(folder) / name))
            mutate(bundle)
            with multiprocessing.get_context("fork").Pool(1) as process:
                results[name] = process.apply(load, (bundle,))
            shutil.rmtree(bundle, ignore_errors=True)
    bad = {name: end for name, (end, _, _) in results.items() if end != "one line"}
    largest = max(results, key=lambda name: results[name][1])
    slowest = max(results, key=lambda name: results[name][2])
    print(f"{len(results)} hostile bundles, {len(bad)} not one line {bad or ''}")
    print(f"  largest: {largest} {results[largest][1]:.0f} MB")
    print(f"  slowest: {slowest} {results[slowest][2]:.2f} s")


def load(bundle: Path) -> tuple[str, float, float]:
    """How loading ends, by how many MB the process grew at most, and the seconds it took."""
    from seiqa_models.bundle import load_bundle
    from seiqa_models.core.errors import TableError

    before, start = getrusage(RUSAGE_SELF).ru_maxrss, time.perf_counter()
    try:
        load_bundle(bundle)
        end = "loaded"
    except TableError as error:
        end = "one line" if str(error).isprintable() else "several lines"
    except BaseException as error:
        end = f"traceback: {type(error).__name__}"
    seconds = time.perf_counter() - start
    return end, (getrusage(RUSAGE_SELF).ru_maxrss - before) / 1024, seconds


if __name__ == "__main__":
    floods()
    bundles()
