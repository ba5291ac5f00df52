"""Many clients at once, and the end of a server that is busy."""

from __future__ import annotations

import io
import time
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pandas as pd
import psutil

from tests.pipelines.web.made import (
    LOCAL,
    Running,
    call,
    completed,
    named,
    packed,
    png,
    serving,
    upload,
)

CLIENTS = 20
NASTY = ("=HYPERLINK(1)", "+cmd", "@x", "<img src=x onerror=alert(1)>", "a\u202egnp", "b\tc")


def score_of(address: str, number: int) -> str:
    """The score card that a client gets for a pair of its own, by connections of its own."""
    with httpx.Client(base_url=address, trust_env=False, timeout=300) as client:
        pair = [named(upload(client, png(number, level))) for level in (0, 1 + number % 3)]
        done = completed(call(client, *pair))
    assert done["success"], done
    return str(done["output"]["data"][0])


@LOCAL
def test_twenty_clients_at_once_each_get_their_own_score(server: str) -> None:
    alone = [score_of(server, number) for number in range(CLIENTS)]
    with ThreadPoolExecutor(CLIENTS) as pool:
        together = list(pool.map(lambda number: score_of(server, number), range(CLIENTS)))
    assert together == alone
    assert len(set(alone)) > CLIENTS // 2


def scored_zip(client: httpx.Client, content: bytes) -> tuple[str, bytes]:
    """Table as HTML and CSV of a zip."""
    path = upload(client, content, "pairs.zip")
    done = completed(call(client, named(path), function="score_zip"))
    assert done["success"], done
    shown, csv = done["output"]["data"]
    return str(shown), client.get(f"/gradio_api/file={csv['path']}").content


@LOCAL
def test_names_are_inert_in_the_table_and_in_its_file(client: httpx.Client) -> None:
    names = {name: png() for name in (*NASTY, "good.png")}
    rows = "".join(f'"{name.replace(chr(34), chr(34) * 2)}",good.png\n' for name in NASTY)
    shown, csv = scored_zip(client, packed({**names, "manifest.csv": "ref,dist\n" + rows}))
    for harmful in ("\u202e", "\t"):
        assert harmful not in shown
        assert harmful.encode() not in csv
    assert "<img" not in shown.replace('<img src="data:image/', "")  # thumbnails are ours
    assert "&lt;img src=x" in shown
    assert "a\\xe2\\x80\\xaegnp" in shown
    cells = pd.read_csv(io.BytesIO(csv), dtype=str, keep_default_na=False)
    assert cells["ref"].tolist()[:3] == ["'=HYPERLINK(1)", "'+cmd", "'@x"]


@LOCAL
def test_a_busy_server_ends_when_it_is_told_to(bundle: Path, tmp_path: Path) -> None:
    # Equal pictures are scored without features, which would be over before the server is told.
    sides = {"Ref": 0, "Dist": 3}
    big = packed({f"{side}/{n}.png": png(n % 5, sides[side]) for side in sides for n in range(400)})
    assert zipfile.is_zipfile(io.BytesIO(big))
    limit = str(len(big) // 2**20 + 1)
    with serving(bundle, tmp_path, "--max-upload-mb", limit) as busy:
        with httpx.Client(base_url=busy.address, trust_env=False, timeout=60) as client:
            path = upload(client, big, "pairs.zip")
            with ThreadPoolExecutor(1) as pool:
                answer = pool.submit(call, client, named(path), function="score_zip")
                _wait_until_scoring(busy)
                assert not answer.done()
                busy.stop(patience=30)
                answer.exception()  # or half an answer: whatever it is, it has ended
        assert list(tmp_path.glob("seiqa-serve-*")) == []


def _wait_until_scoring(busy: Running) -> None:
    """Until the server has been at work for a moment."""
    server = psutil.Process(busy.process.pid)
    used = sum(server.cpu_times()[:2])
    while sum(server.cpu_times()[:2]) < used + 1:
        time.sleep(0.05)
