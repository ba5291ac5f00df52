"""`seiqa serve`: what is refused, what is shown, and the real page in a real browser.

The server runs in a process of its own, as a user starts it; only 127.0.0.1 is spoken to.
"""

from __future__ import annotations

import http.client
import io
import json
import os
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import numpy as np
import pandas as pd
import pytest
import yaml
from PIL import Image

from pipelines.cli import main
from pipelines.commands import serve as serve_command
from pipelines.web import server as web
from pipelines.web.examples import EXAMPLES, RECIPES, write_examples
from pipelines.web.results import (
    BARS,
    UNFAMILIAR,
    Scale,
    contribution_chart,
    heat_map,
    score_card,
    score_table,
)
from pipelines.web.uploads import (
    MB,
    Limits,
    PairArchive,
    Upload,
    decode,
    is_animation,
    read_upload,
)
from seiqa_features.errors import DataError, UsageError
from seiqa_models.score import Score
from tests.browser import Browser, find_chromium
from tests.pipelines.conftest import Cli, degrade, scene, write_split

LOCAL = pytest.mark.allow_hosts(["127.0.0.1"])
SMALL = Limits(upload=20_000, pixels=10_000, members=6, pairs=2)
Members = dict[str, bytes | str]


def png(number: int = 0, level: int = 0, **options: Any) -> bytes:
    """A scene of the miniature data set as PNG."""
    file = io.BytesIO()
    degrade(scene(number), level).save(file, "PNG", **options)
    return file.getvalue()


def packed(members: Members, **options: Any) -> Upload:
    """A zip upload of these members."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", **options) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return Upload("pairs.zip", file.getvalue())


def encoded(image: Image.Image, kind: str, **options: Any) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


# zips


@pytest.mark.parametrize("top", ["", "mine/"])
def test_zip_of_two_folders_in_any_case(top: str) -> None:
    names = [f"{top}REF/b.png", f"{top}dist/b.png", f"{top}REF/a.png", f"{top}dist/a.png"]
    litter = [f"__MACOSX/{top}REF/._a.png", f"{top}REF/.DS_Store", f"{top}dist/Thumbs.db"]
    archive = PairArchive(packed(dict.fromkeys(names + litter, png())), Limits())
    assert archive.pairs == [
        (f"{top}REF/a.png", f"{top}dist/a.png"),
        (f"{top}REF/b.png", f"{top}dist/b.png"),
    ]
    assert archive.picture(archive.pairs[0][0]).size == scene(0).size


def test_zip_with_manifest_keeps_its_order_and_folder() -> None:
    manifest = "\ufeffdist,ref,mos\nlow.png,a.png,3\nlow.png, b/c.png ,\n"
    members: Members = {
        "x/manifest.csv": manifest,
        "x/a.png": b"",
        "x/low.png": b"",
        "x/b/c.png": b"",
    }
    archive = PairArchive(packed(members), Limits())
    assert archive.pairs == [("x/a.png", "x/low.png"), ("x/b/c.png", "x/low.png")]


@pytest.mark.parametrize(
    "name", ["../a.png", "/etc/a.png", "a/../../b.png", "..\\a.png", "C:\\a.png", "\\a.png"]
)
def test_zip_member_that_leads_out_is_refused(name: str) -> None:
    with pytest.raises(DataError, match="leads out of the zip"):
        PairArchive(packed({"Ref/a.png": b"", "Dist/a.png": b"", name: b""}), Limits())


def _link() -> Upload:
    info = zipfile.ZipInfo("Ref/a.png")
    info.external_attr = 0o120777 << 16
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr(info, "/etc/passwd")
    return Upload("pairs.zip", file.getvalue())


def _encrypted() -> Upload:
    """A zip whose directory says that its member is encrypted."""
    content = bytearray(packed({"Ref/a.png": b"x"}).content)
    content[content.index(b"PK\x01\x02") + 8] |= 1
    return Upload("pairs.zip", bytes(content))


def _twice() -> Upload:
    content = packed({"Ref/a.png": b"1", "Ref/b.png": b"2"}).content
    return Upload("pairs.zip", content.replace(b"Ref/b.png", b"Ref/a.png"))


@pytest.mark.parametrize(
    ("make", "line"),
    [
        (_link, "a link or device"),
        (_encrypted, "encrypted"),
        (_twice, "holds more than once: Ref/a.png"),
        (lambda: packed({"Ref/a.zip": b""}), "an archive inside the zip"),
        (lambda: packed({"Ref/a.png": b"x"}, compression=zipfile.ZIP_LZMA), "unusual compression"),
        (lambda: packed({f"{n}": b"" for n in range(7)}), "7 files; at most 6"),
        (
            lambda: packed({"Ref/a.bmp": bytes(200_000)}, compression=zipfile.ZIP_DEFLATED),
            "MB unpacked",
        ),
        (lambda: packed({"a/manifest.csv": "", "manifest.csv": ""}), "more than one manifest.csv"),
        (lambda: packed({"a.png": b""}), "expected manifest.csv .* or two folders"),
        (lambda: packed({"Ref/a.png": b"", "Dist/b.png": b""}), "only one .*: a.png, b.png"),
        (lambda: packed({"manifest.csv": "ref,dist\n/etc/passwd,a\n"}), "not in the zip: .*passwd"),
        (lambda: packed({"manifest.csv": "ref,dist\n../a.png,b\n"}), r"not in the zip: \.\./a"),
        (lambda: packed({"manifest.csv": "one,two\n1,2\n"}), "columns ref and dist"),
        (lambda: packed({"manifest.csv": b"\xff\xfe\x00"}), "cannot be read as CSV"),
        (
            lambda: packed({"manifest.csv": "ref,dist\n" + "a,a\n" * 3, "a": b""}),
            "3 pairs; at most 2",
        ),
        (lambda: Upload("pairs.zip", b"%PDF-1.7"), "not a zip"),
        (lambda: Upload("pairs.zip", b""), "not a zip"),
    ],
)
def test_zip_that_is_refused(make: Callable[[], Upload], line: str) -> None:
    with pytest.raises(DataError, match=line):
        PairArchive(make(), SMALL)


def test_zip_member_that_lies_about_its_size_or_is_damaged() -> None:
    good = packed({"Ref/a.png": png(), "Dist/a.png": png()}).content
    short = good.replace(len(png()).to_bytes(4, "little"), (100).to_bytes(4, "little"))
    flipped = bytearray(good)
    flipped[200] ^= 0xFF
    for content in (short, bytes(flipped)):
        archive = PairArchive(Upload("pairs.zip", content), Limits())
        with pytest.raises(DataError, match=r"Ref/a\.png: damaged"):
            archive.picture("Ref/a.png")


# pictures


@pytest.mark.parametrize(
    ("content", "line"),
    [
        (b"%PDF-1.7 and so on", "not an image"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 99 99\n", "not an image"),  # Ghostscript's
        (b"", "empty file"),
        (png()[:200], "damaged or truncated"),
        (png()[:-60], "damaged or truncated"),
        (encoded(Image.new("L", (8, 300)), "PNG"), "at least 16"),
        (encoded(Image.new("1", (200, 200)), "PNG"), "at most 10000"),
        (encoded(Image.new("1", (20_000, 20_000)), "PNG"), "more than 10000 pixels"),
        (encoded(Image.new("F", (64, 64)), "TIFF"), "floating-point samples"),
    ],
)
def test_picture_that_is_refused(content: bytes, line: str) -> None:
    with pytest.raises(DataError, match=f"^mine: .*{line}"):
        decode(Upload("mine", content), SMALL)


def test_decoder_that_breaks_is_a_message(monkeypatch: pytest.MonkeyPatch) -> None:
    def breaks(*_: Any, **__: Any) -> None:
        raise MemoryError

    monkeypatch.setattr("pipelines.web.uploads.read_rgb", breaks)
    with pytest.raises(DataError, match=r"mine: damaged image \(MemoryError\)"):
        decode(Upload("mine", png()), SMALL)


def test_other_channels_and_animations_become_rgb() -> None:
    frames = [scene(n).convert("P") for n in range(2)]
    animation = encoded(frames[0], "GIF", save_all=True, append_images=frames[1:])
    for content in (animation, encoded(scene(0).convert("CMYK"), "JPEG")):
        assert decode(Upload("mine", content), SMALL).mode == "RGB"
    assert is_animation(Upload("mine", animation))
    assert not is_animation(Upload("mine", png()))


# uploads


def test_only_uploaded_files_are_read(tmp_path: Path) -> None:
    folder = tmp_path / "uploads"
    folder.mkdir()
    (tmp_path / "secret").write_text("secret")
    (folder / "link").symlink_to(tmp_path / "secret")
    (folder / "a.png").write_bytes(b"x" * 100)
    good = read_upload({"path": str(folder / "a.png"), "orig_name": "mine.png"}, folder, SMALL)
    assert good == Upload("mine.png", b"x" * 100)
    for path in ("/etc/passwd", folder / "link", folder / "../secret", folder, "", None):
        with pytest.raises(DataError, match="choose the file again"):
            read_upload({"path": path and str(path)}, folder, SMALL)
    with pytest.raises(DataError, match="nothing was uploaded"):
        read_upload(None, folder, SMALL)
    (folder / "a.png").write_bytes(b"x" * (SMALL.upload + 1))
    with pytest.raises(DataError, match="larger than"):
        read_upload({"path": str(folder / "a.png")}, folder, SMALL)


def test_old_uploads_go_and_examples_stay(tmp_path: Path) -> None:
    for name in ("ab12/old.png", "new.png", f"{EXAMPLES}/old.png"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.touch()
        if path.stem == "old":
            os.utime(path, (time.time() - 100, time.time() - 100))
    web.delete_old(tmp_path, 50)
    left = sorted(path.name for path in tmp_path.rglob("*") if path.is_file())
    assert left == ["new.png", "old.png"]
    assert (tmp_path / EXAMPLES / "old.png").is_file()


# what is shown


def make_score(value: float = 3.4, **options: Any) -> Score:
    settings = {
        "low": 3.0,
        "high": 4.0,
        "unfamiliar": False,
        "agree": True,
        "explain": dict,
    } | options
    return Score(value, **settings)


def test_score_card_says_score_interval_and_scale() -> None:
    card = score_card(make_score(), Scale(0, 5, pseudo=False))
    for text in ("3.40", "90% interval 3.00 to 4.00", "0: none of the meaning", "5: all of it"):
        assert text in card
    assert 'left:60.0%;width:20.0%"' in card  # the interval, of 0 to 5
    assert 'left:68.0%"' in card
    assert UNFAMILIAR not in card
    assert "pseudo" not in card


def test_score_card_warns() -> None:
    card = score_card(make_score(unfamiliar=True), Scale(1, 9, pseudo=True))
    assert UNFAMILIAR in card
    assert "pseudo-labels" in card
    assert "none of the meaning" not in card  # 1 was just the worst in training


def test_chart_names_every_group_and_adds_up_the_small() -> None:
    parts = {"baseline": 2.5, "<b>": 1.0} | {f"g{n:02}": -0.01 * n for n in range(20)}
    chart = contribution_chart(parts)
    assert "2.50" in chart
    assert "&lt;b&gt; +1.00; g19 -0.19" in chart
    rest = sum(0.01 * n for n in range(20 - (BARS - 2)))
    assert f"{21 - (BARS - 1)} others {-rest:+.2f}" in chart


def test_chart_has_no_negative_zero() -> None:
    assert "ssim +0.00" in contribution_chart({"baseline": 2.5, "ssim": -0.001})


def test_heat_map_shows_where_the_difference_is() -> None:
    ref = scene(1, (1400, 900))
    dist = ref.copy()
    dist.paste((255, 0, 0), (0, 0, 700, 450))
    shown = np.asarray(heat_map(ref, dist), dtype=float).sum(axis=2)
    assert shown.shape == (658, 1024)
    assert shown[:300, :480].mean() > 1.5 * shown[360:, 550:].mean()


def test_score_table_counts_and_escapes() -> None:
    rows = [("<i>", 1.239, ""), ("b", None, "b: damaged")]
    shown = score_table(pd.DataFrame(rows, columns=["ref", "score", "problem"]))
    assert "1 of 2 pairs scored; 1 could not be" in shown
    assert "<td>&lt;i&gt;</td><td>1.24</td><td></td>" in shown
    assert "<td>b</td><td></td><td>b: damaged</td>" in shown


def test_examples_are_made_on_the_fly_and_claim_no_label(tmp_path: Path) -> None:
    rows = write_examples(tmp_path)
    assert len(rows) == len(RECIPES)
    for ref, dist, words in rows:
        before, after = (np.asarray(Image.open(path)) for path in (ref, dist))
        assert before.shape == after.shape
        assert (before != after).any()
        assert not any(character.isdigit() for character in words)


# the verb


def test_missing_gradio_is_one_line(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serve_command, "find_spec", lambda _: None)
    code, _, err = cli("serve")
    assert code == 2
    assert err == ("seiqa: serve needs Gradio, which is not installed: pip install 'seiqa[web]'\n")


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What `seiqa serve` would serve with, and no server."""
    settings: dict[str, Any] = {}
    monkeypatch.setattr("seiqa_models.scorer.Scorer.load", lambda *_, **__: None)
    monkeypatch.setattr(web, "serve", lambda _, **options: settings.update(options))
    return settings


def test_only_this_machine_unless_told(cli: Cli, told: dict[str, Any]) -> None:
    assert cli("serve") == (0, "", "")
    assert (told["host"], told["port"], told["limits"]) == ("127.0.0.1", 7860, Limits())
    code, _, err = cli("serve", "--host", "0.0.0.0", "--port", "80", "--max-upload-mb", "3")
    assert code == 0
    assert "anyone who can reach port 80 of this machine can use the page" in err
    assert told["limits"].upload == 3 * MB


def test_more_pixels_than_can_be_decoded_are_refused(cli: Cli, told: dict[str, Any]) -> None:
    code, _, err = cli("serve", "--max-pixels", "90000000")
    assert (code, told) == (2, {})
    assert "expected at most 89478485" in err


@LOCAL
def test_port_that_is_taken_is_named() -> None:
    with web._listening("127.0.0.1", 0) as first:
        port = first.getsockname()[1]
        with (
            pytest.raises(UsageError, match=f"cannot listen on 127.0.0.1 port {port}"),
            web._listening("127.0.0.1", port),
        ):
            pass


# the real server


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small trained bundle."""
    folder = tmp_path_factory.mktemp("web")
    rows = write_split(folder / "data" / "Train", range(5))
    sheet = pd.DataFrame(rows, columns=["picture name", "score"])
    sheet.to_csv(folder / "data" / "Train" / "Train_scores.csv", index=False)
    features = {name: ["max256"] for name in ("gms", "ssim", "colour")}
    quick = {"features": features, "learners": ["ridge"], "folds": 3, "workers": 1}
    (folder / "quick.yaml").write_text(yaml.safe_dump(quick))
    common = [folder / "data", "--config", folder / "quick.yaml", "--run", folder / "run"]
    for verb in (["features", "--cache", folder / "cache"], ["train"]):
        with pytest.raises(SystemExit) as stopped:
            main([str(argument) for argument in [*verb, *common]])
        assert not stopped.value.code
    return folder / "run" / "bundle"


@pytest.fixture(scope="module")
def server(bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Address of a page that takes 2 MB; its process leaves nothing behind."""
    folder = tmp_path_factory.mktemp("server")
    arguments = ["serve", "--bundle", str(bundle), "--port", "0", "--max-upload-mb", "2"]
    process = subprocess.Popen(
        [sys.executable, "-m", "pipelines.cli", *arguments],
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"TMPDIR": str(folder), "HF_HUB_OFFLINE": "1"},
    )
    assert process.stdout is not None
    with process, process.stdout as output:
        line = output.readline()
        try:
            yield line.split()[2] if line.startswith("seiqa on http") else pytest.fail(line)
        finally:
            process.terminate()
            assert process.wait(60) == 0
    assert list(folder.glob("seiqa-serve-*")) == []


@pytest.fixture
def client(server: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=server, trust_env=False, timeout=30) as session:
        yield session


def upload(client: httpx.Client, content: bytes, name: str = "a.png") -> str:
    """Path of an upload, as the server names it."""
    answer = client.post("/gradio_api/upload", files={"files": (name, content)})
    assert answer.status_code == 200
    return str(answer.json()[0])


def named(path: str, **more: str) -> dict[str, Any]:
    return {"path": path, "meta": {"_type": "gradio.FileData"}, **more}


def call(client: httpx.Client, *data: Any) -> httpx.Response:
    """Ask for a score, as the page's button does."""
    functions = client.get("/config").json()["dependencies"]
    index = next(f["id"] for f in functions if f["api_name"] == "score_pair")
    body = {"data": data, "fn_index": index, "session_hash": f"s{time.monotonic_ns()}"}
    answer = client.post("/gradio_api/queue/join", json=body)
    if answer.status_code != 200:
        return answer
    return client.get("/gradio_api/queue/data", params={"session_hash": body["session_hash"]})


def completed(answer: httpx.Response) -> dict[str, Any]:
    """The last word on a call: its `success` and `output`."""
    events = [
        json.loads(line[6:]) for line in answer.text.splitlines() if line.startswith("data: ")
    ]
    return dict(next(event for event in events if event["msg"] == "process_completed"))


@LOCAL
def test_uploads_are_scored_by_way_of_the_api(client: httpx.Client) -> None:
    ref, dist = (named(upload(client, png(1, level)), orig_name="p.png") for level in (0, 2))
    done = completed(call(client, ref, dist))
    assert done["success"]
    card, heat, chart = done["output"]["data"]
    assert "interval" in card
    assert "gms" in chart
    shown = client.get(f"/gradio_api/file={heat['path']}")
    assert Image.open(io.BytesIO(shown.content)).size == scene(1).size


@LOCAL
@pytest.mark.parametrize(
    ("content", "line"),
    [
        (b"%PDF-1.7", "not an image"),
        (encoded(Image.new("1", (20_000, 20_000)), "PNG"), "more than 89478485 pixels"),
        (b"", "empty file"),
    ],
)
def test_bad_picture_then_good_one(client: httpx.Client, content: bytes, line: str) -> None:
    good = named(upload(client, png()))
    bad = named(upload(client, content), orig_name="<img src=x>")
    failed = completed(call(client, good, bad))
    assert not failed["success"]
    assert line in failed["output"]["error"]
    assert "&lt;img src=x&gt;" in failed["output"]["error"]
    assert completed(call(client, good, good))["success"]


@LOCAL
@pytest.mark.parametrize(
    "path",
    [
        "/etc/passwd",
        "{folder}/../../../../etc/passwd",
        "etc/passwd",
        "http://127.0.0.1:1/",
        "\0",
        7,
    ],
)
def test_a_call_cannot_name_other_files(client: httpx.Client, path: Any) -> None:
    good = upload(client, png())
    if isinstance(path, str):
        path = path.format(folder=Path(good).parent)
    answer = call(client, named(good), named(path))
    assert answer.status_code == 403
    assert "only name files that were uploaded" in answer.text
    body = {"data": [{"nested": [named(path)]}], "fn_index": 0}
    assert client.post("/gradio_api/run/predict", json=body).status_code == 403


@LOCAL
def test_an_upload_that_is_gone_is_a_message(client: httpx.Client) -> None:
    good = upload(client, png())
    failed = completed(call(client, named(good), named(str(Path(good).with_name("gone.png")))))
    assert not failed["success"]


def fetch(client: httpx.Client, path: str) -> tuple[int, bytes]:
    """GET a path as it stands; httpx would tidy it up."""
    address = urlsplit(str(client.base_url))
    connection = http.client.HTTPConnection(address.hostname or "", address.port)
    connection.request("GET", path)
    answer = connection.getresponse()
    content = answer.read()
    connection.close()
    return answer.status, content


@LOCAL
@pytest.mark.parametrize(
    "path",
    [
        "/etc/passwd",
        "{folder}/../../../../../../../etc/passwd",
        "{folder}/a%3F/../../../../../../../../etc/passwd",
        "..%2F..%2Fetc%2Fpasswd",
        "http://127.0.0.1:1/",
        "%00",
    ],
)
def test_other_files_are_out_of_reach(client: httpx.Client, path: str) -> None:
    mine = upload(client, png())
    assert fetch(client, f"/gradio_api/file={mine}") == (200, png())
    told = fetch(client, "/gradio_api/file=" + path.format(folder=Path(mine).parent))
    assert told == (403, b"not a file of this server")


@LOCAL
@pytest.mark.parametrize(
    "path",
    [
        "/assets/" + "..%2F" * 12 + "etc%2Fpasswd",
        "/static/" + "..%2F" * 12 + "etc%2Fpasswd",
        "/gradio_api/file/etc/passwd",
        "/file=/etc/passwd",
        "/gradio_api/proxy=http://127.0.0.1:1/",
        "/monitoring",
        "/gradio_api/openapi.json",
        "/gradio_api/deep_link",
    ],
)
def test_other_routes_are_out_of_reach(client: httpx.Client, path: str) -> None:
    status, content = fetch(client, path)
    assert status in (403, 404)
    assert b"root:" not in content


@LOCAL
@pytest.mark.parametrize(
    ("method", "path", "options", "status"),
    [
        ("POST", "/gradio_api/call/score_pair", {"json": {"data": []}}, 404),
        ("POST", "/gradio_api/run/score_pair", {"json": {"data": []}}, 404),
        ("POST", "/gradio_api/api/score_pair", {"json": {"data": []}}, 404),
        ("POST", "/gradio_api/component_server", {"json": {}}, 404),
        ("POST", "/gradio_api/process_recording", {"json": {}}, 404),
        ("PUT", "/", {}, 404),
        ("GET", "/", {"headers": {"host": "evil.example"}}, 400),
        ("GET", "/", {"headers": {"host": "evil_name.example:80"}}, 400),
        ("GET", "/", {"headers": {"host": "[::1"}}, 400),
        ("GET", "/", {"headers": {"host": ""}}, 400),
        ("GET", "/", {"headers": {"host": "localhost:80"}}, 200),
        ("GET", "/", {"headers": {"host": "[::1]"}}, 200),
        ("POST", "/gradio_api/queue/join", {"content": b"{"}, 403),
        ("POST", "/gradio_api/queue/join", {"content": b"[" * 100_000}, 403),
        ("POST", "/gradio_api/queue/join", {"content": b" " * 300_000}, 413),
        ("POST", "/gradio_api/queue/join", {"content": iter([b"{}"])}, 411),
        ("POST", "/gradio_api/upload", {"files": {"files": ("a", bytes(3 * MB))}}, 413),
        (
            "POST",
            "/gradio_api/upload",
            {"files": {"files": ("a", b"")}, "headers": {"origin": "http://evil.example"}},
            403,
        ),
    ],
)
def test_requests_that_the_gate_judges(
    client: httpx.Client, method: str, path: str, options: dict[str, Any], status: int
) -> None:
    assert client.request(method, path, **options).status_code == status
    assert client.get("/").status_code == 200


@LOCAL
def test_page_is_told_to_speak_to_nobody_else(client: httpx.Client) -> None:
    page = client.get("/")
    assert page.headers["content-security-policy"].startswith("default-src 'self';")
    config = client.get("/config").json()
    assert config["analytics_enabled"] is False


# the real page


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    chromium = find_chromium()
    if chromium is None:
        pytest.skip("no Chromium on this machine")
    with Browser(chromium) as window:
        yield window


@pytest.fixture
def page(browser: Browser, server: str) -> Iterator[Browser]:
    """The page, open; afterwards nothing must have gone wrong or elsewhere."""
    browser.forget()
    browser.open(server)
    browser.wait_for(f"document.querySelectorAll('#examples tbody tr').length == {len(RECIPES)}")
    yield browser
    assert browser.errors == []
    assert browser.requests
    assert [r for r in browser.requests if not r.startswith((f"{server}/", "data:", "blob:"))] == []


def choose_pair(page: Browser, ref: Path, dist: Path) -> None:
    for role, path in (("ref", ref), ("dist", dist)):
        page.choose_file(f"#{role} input[type=file]", path)
        page.wait_for(f"!!document.querySelector('#{role} img')")


def test_page_scores_then_refuses_then_scores(page: Browser, tmp_path: Path) -> None:
    ref, dist, fake = (tmp_path / name for name in ("ref.png", "dist.png", "fake.png"))
    ref.write_bytes(png(1))
    dist.write_bytes(png(1, 3))
    fake.write_bytes(b"%PDF-1.7 renamed")
    said = "[...document.querySelectorAll('.toast-body')].map(toast => toast.innerText).join()"
    number = "document.querySelector('#card .number')?.innerText"

    choose_pair(page, ref, dist)
    page.click("#score")
    first = float(page.wait_for(number))
    assert 1 <= first <= 5
    assert page.wait_for("document.querySelector('#heat img')?.naturalWidth") == scene(1).width
    assert "colour" in page.evaluate("document.querySelector('#chart img').alt")
    assert page.evaluate(said) == ""

    page.click("#dist [aria-label='Remove Image'], #dist button[aria-label='Clear']")
    page.wait_for(f"!{number}")  # the old score does not stay beside other pictures
    choose_pair(page, ref, fake)
    page.click("#score")
    page.wait_for(f"{said}.includes('degraded picture (fake.png): not an image')")

    page.evaluate("document.querySelectorAll('.toast-close').forEach(close => close.click())")
    choose_pair(page, ref, dist)
    page.click("#score")
    assert float(page.wait_for(number)) == first


def test_page_refuses_a_pdf(page: Browser, tmp_path: Path) -> None:
    (tmp_path / "paper.pdf").write_bytes(b"%PDF-1.7")
    page.choose_file("#ref input[type=file]", tmp_path / "paper.pdf")
    page.wait_for("document.body.innerText.includes('Invalid file type: paper.pdf')")


def test_example_is_scored_at_a_click_and_fits_a_phone(page: Browser) -> None:
    page.resize(390, 844, phone=True)
    try:
        page.click("#examples tbody tr:nth-child(2) td")
        page.wait_for("!!document.querySelector('#card .number')")
        page.wait_for("!!document.querySelector('#heat img')")
        assert page.evaluate("document.documentElement.scrollWidth") == 390
    finally:
        page.resize(1280, 900)


@LOCAL
def test_zip_becomes_a_table_and_a_file(page: Browser, tmp_path: Path) -> None:
    members: Members = {
        "Ref/<b>.png": png(0), "dist/<b>.png": png(0, 1), "Ref/b.png": png(1), "dist/b.png": b"no"
    }  # fmt: skip
    (tmp_path / "pairs.zip").write_bytes(packed(members).content)
    tab = "[...document.querySelectorAll('[role=tab]')].find(tab => tab.innerText == 'Many pairs')"
    page.wait_for(f"!!{tab}")
    page.evaluate(f"{tab}.click()")
    page.choose_file("#zip input[type=file]", tmp_path / "pairs.zip")
    page.wait_for("document.querySelector('#zip').innerText.includes('pairs')")
    page.click("#score-zip")
    page.wait_for("document.body.innerText.includes('1 of 2 pairs scored')")
    link = page.wait_for("document.querySelector('#csv a')?.href")
    table = pd.read_csv(io.BytesIO(httpx.get(link, trust_env=False).content), keep_default_na=False)
    assert table["ref"].tolist() == ["Ref/<b>.png", "Ref/b.png"]
    assert 1 <= float(table["score"][0]) <= 5
    assert table["score"][1] == ""
    assert table["problem"][1].startswith("dist/b.png: not an image")
    shown = page.evaluate("document.querySelector('#scores').innerText")
    assert "Ref/<b>.png" in shown
