"""Whole runs with data, cache and results in an object store: the same bytes as on a local disk."""

from __future__ import annotations

import csv
import json
import re
from pathlib import Path

import pytest

from pipelines.cli import main
from seiqa_features.extraction import flow
from seiqa_features.remote.paths import RemotePath
from tests.pipelines.conftest import Cli, write_data
from tests.stores.faults import Fault, ObjectStore, every
from tests.stores.gcs import GCS

SAME = ("features.parquet", "predictions.csv", "scores.csv", "bundle/model.skops")


QUICK = "features: {gms: [max128]}\nlearners: [ridge]\nfolds: 3\nworkers: 1\n"
"""The cheapest configuration."""


@pytest.fixture
def quick(tmp_path: Path) -> Path:
    """The cheapest configuration."""
    path = tmp_path / "quick.yaml"
    path.write_text(QUICK)
    return path


@pytest.fixture(scope="module")
def on_disk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run folder of the miniature data set, everything on the disk; tests do not change it."""
    home = tmp_path_factory.mktemp("disk")
    (home / "quick.yaml").write_text(QUICK)
    names = ["--config", home / "quick.yaml", "--run", home / "run", "--cache", home / "cache"]
    with pytest.raises(SystemExit) as stopped:
        main(["run", *map(str, [write_data(home), *names])])
    assert not stopped.value.code
    return home / "run"


def upload(folder: Path, target: RemotePath) -> RemotePath:
    """A copy of a local folder."""
    for file in sorted(path for path in folder.rglob("*") if path.is_file()):
        (target / file.relative_to(folder).as_posix()).upload(file)
    return target


@pytest.fixture
def remote_data(bucket: RemotePath, seiqa_data: Path) -> RemotePath:
    """The miniature data set in the bucket."""
    return upload(seiqa_data, bucket / "data")


@pytest.mark.parametrize(
    ("object_store", "n"), [("s3", 11), ("gs", 601)], indirect=["object_store"]
)
def test_every_step_gives_what_it_gives_on_disk(
    cli: Cli, seiqa_data: Path, quick: Path, bucket: RemotePath, remote_data: RemotePath,
    object_store: ObjectStore, n: int, on_disk: Path,
) -> None:  # fmt: skip
    """Although every n-th request fails; Google's client waits a second or two each time."""
    here, there = on_disk, bucket / "runs" / "mine"
    run = ("--config", quick, "--run")
    cache = ("--cache", str(bucket / "cache"))
    with object_store.failing(every(n, "503 Slow Down")):
        code, out, err = cli("check", str(remote_data), *cache)
        assert code == 0, err
        for step, more in (("features", cache), ("train", ()), ("submit", ()), ("report", ())):
            code, out, err = cli(step, str(remote_data), *run, str(there), *more)
            assert code == 0, err
        code, text, err = cli("compare", str(here), str(there), "--json")
        assert code == 0, err
    (compared,) = json.loads(text)["against the first"]
    assert (compared["run"], compared["difference"]) == (str(there), 0.0)
    assert f"report in {there / 'report.html'}" in out
    for name in SAME:
        assert (there / name).read_bytes() == (here / name).read_bytes(), name
    local, remote = (json.loads((run / "metrics.json").read_text()) for run in (here, there))
    assert remote["honest"] == local["honest"]
    ledger = (there.parent / "runs.csv").read_text().splitlines()
    assert [line["run"] for line in csv.DictReader(ledger)] == ["mine"]
    assert not [path for path in there.files() if ".seiqa" in str(path)]
    code, out, err = cli("features", str(remote_data), *run, str(there), *cache)
    assert code == 0, err
    assert "0 pairs computed" in out
    _scored_from_there(cli, bucket, seiqa_data)
    # nothing that takes permission to administer the bucket
    asked = [path.partition("?")[0] for _, path in object_store.requests]
    assert not [path for path in asked if path.endswith(f"/b/{bucket.bucket}")]


def _scored_from_there(cli: Cli, bucket: RemotePath, seiqa_data: Path) -> None:
    """A bundle in the store scores pictures in the store, named by a manifest on disk, as here."""
    manifest, names = seiqa_data / "pairs.csv", [f"{n:06d}.png" for n in (2, 3, 1)]
    rows = [f"{bucket}/data/Test/Ref/{name},{bucket}/data/Test/Dist/{name}\n" for name in names]
    manifest.write_text("ref,dist\n" + "".join(rows))
    bundle = ("--bundle", str(bucket / "runs" / "mine" / "bundle"))
    out = bucket / "scores.json"
    code, _, err = cli(
        "score", manifest, *bundle, "--out", str(out), "--cache", str(bucket / "cache")
    )
    assert code == 0, err
    local = seiqa_data / "local.json"
    manifest.write_text("".join(["ref,dist\n", *rows]).replace(f"{bucket}/data/", ""))
    code, _, err = cli("score", manifest, *bundle, "--out", local)
    assert code == 0, err
    scores = [[row["score"] for row in json.loads(file.read_text())] for file in (out, local)]
    assert scores[0] == scores[1]
    assert scores[0][2] > scores[0][0] > scores[0][1]
    pair = [f"{bucket}/data/Test/{side}/000002.png" for side in ("Ref", "Dist")]
    code, text, err = cli("score", *pair, *bundle, "--json")
    assert code == 0, err
    assert json.loads(text)["score"] == pytest.approx(scores[0][0], abs=1e-9)


@pytest.mark.parametrize("place", ["data", "--cache", "--run", "--out"])
def test_a_bucket_that_does_not_exist(
    place: str, cli: Cli, quick: Path, seiqa_data: Path, object_store: ObjectStore
) -> None:
    gone = f"{object_store.scheme}://no-such-bucket/x"
    if place == "data":
        arguments = ("features", gone, "--config", quick)
    elif place == "--out":
        pictures = (seiqa_data / "Test" / "Ref", seiqa_data / "Test" / "Dist")
        arguments = ("score", *pictures, "--out", f"{gone}.csv")
    else:
        arguments = ("features", seiqa_data, "--config", quick, place, gone)
    code, _, err = cli(*arguments)
    assert code == (3 if place == "data" else 1)
    line = err.splitlines()[-1]
    assert line.startswith(f"seiqa: {gone}")
    assert "there is no such bucket" in line
    assert "Traceback" not in err


@pytest.mark.parametrize("place", ["data", "--cache", "--run"])
def test_a_bucket_that_refuses(
    place: str, cli: Cli, quick: Path, seiqa_data: Path, bucket: RemotePath,
    object_store: ObjectStore,
) -> None:  # fmt: skip
    theirs = f"{bucket}/{place.removeprefix('--')}"
    named = () if place == "data" else (place, theirs)
    data = theirs if place == "data" else seiqa_data
    with object_store.failing(every(1, "403 Forbidden")):
        code, _, err = cli("features", data, "--config", quick, *named)
    assert code == 1
    line = err.splitlines()[-1]
    assert line.startswith(f"seiqa: {theirs}")
    assert "access denied" in line


@pytest.mark.usefixtures("impatient")
def test_results_that_cannot_be_written_cost_nothing(
    cli: Cli, quick: Path, seiqa_data: Path, bucket: RemotePath, object_store: ObjectStore
) -> None:
    arguments = ("features", seiqa_data, "--config", quick, "--run", f"{bucket}/run")
    with object_store.failing(every(1, "500 Internal Server Error", "PUT")):
        code, _, err = cli(*arguments)
    assert code == 1
    line = err.splitlines()[-1]
    assert line.startswith(f"seiqa: {bucket}/run: results cannot be written")
    assert bucket.files() == []
    code, out, err = cli(*arguments)
    assert code == 0, err
    assert "0 pairs computed, 28 already in the store" in out


def test_a_manifest_and_its_pictures(
    cli: Cli, quick: Path, bucket: RemotePath, remote_data: RemotePath
) -> None:
    """Names are relative to the manifest; a picture that is missing is one line."""
    rows = "".join(f"Train/Ref/{n:06d}.png,Train/Dist/{n:06d}.png\n" for n in range(1, 5))
    (remote_data / "pairs.csv").write_text(f"ref,dist\n{rows}Train\\Ref\\000001.png,gone.png\n")
    arguments = (f"{remote_data}/pairs.csv", "--cache", str(bucket / "cache"))
    code, _, err = cli("check", *arguments)
    assert code == 3
    assert f"{remote_data}/gone.png: cannot be read (no such file)" in err
    run = ("--config", quick, "--run", str(bucket / "run"))
    code, out, err = cli("features", *arguments, *run, "--keep-going")
    assert code == 0, err
    assert "features: 4 pairs computed" in out
    pairs = (bucket / "run" / "pairs.parquet").read_bytes()
    assert f"{remote_data}/Train/Ref/000001.png".encode() in pairs


@pytest.mark.usefixtures("impatient", "socket_enabled")
def test_a_server_that_dies_in_the_middle(
    cli: Cli, quick: Path, seiqa_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One line; the rows that it has kept are not computed again."""
    server = GCS(tmp_path / "server")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "caches"))
    monkeypatch.setattr(flow, "FLUSH_SECONDS", 0.0)  # as if every pair took seconds
    for variable, value in server.environment.items():
        monkeypatch.setenv(variable, value)
    bucket = server.make_bucket()
    there = ("--cache", f"{bucket}/cache", "--run", f"{bucket}/run")
    arguments = (seiqa_data, "--config", quick, *there)
    server.let_fail(Fault("death", ("PUT",), after=4))
    code, _, err = cli("features", *arguments)
    assert code == 1
    line = err.splitlines()[-1]
    assert line.startswith(f"seiqa: {bucket}/")
    assert "the object store does not answer" in line
    assert "Traceback" not in err
    server.stop()
    server.start()
    code, out, err = cli("features", *arguments)
    server.stop()
    assert code == 0, err
    (counts,) = re.findall(r"(\d+) pairs computed, (\d+) already in the store", out)
    assert sum(map(int, counts)) == 28
    assert 0 < int(counts[1]) < 28
