"""`seiqa cache`: what is in the store, merging it, and removing what is of no use."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pipelines.cli import main
from seiqa_features.table.recipe import Recipe
from seiqa_features.table.store import Store

BLOCK = Recipe.parse({"gms": ["max64"]}).blocks[0]


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    for number in range(3):
        values = {n: [0.5] * o.dim if o.dim else 0.5 for n, o in BLOCK.outputs.items()}
        keys = {"ref_key": "r", "dist_key": f"d{number}"}
        Store(tmp_path / "cache").append(BLOCK, [{**keys, **values, "seconds": 1.0}])
    return tmp_path / "cache"


def call(*arguments: str, code: int = 0) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["cache", *arguments])
    assert ended.value.code == code


def test_stats_and_compact(cache: Path, capsys: pytest.CaptureFixture[str]) -> None:
    call("stats", "--cache", str(cache))
    lines = capsys.readouterr().out.splitlines()
    assert lines[1].split()[:3] == [BLOCK.name, "3", "3"]
    assert lines[-1].startswith(f"{cache}: 1 blocks, ")
    call("compact", "--cache", str(cache))
    assert capsys.readouterr().out == f"{cache}: 1 shards\n"
    call("stats", "--cache", str(cache))
    assert capsys.readouterr().out.splitlines()[1].split()[:3] == [BLOCK.name, "3", "1"]


def test_stats_as_json(cache: Path, capsys: pytest.CaptureFixture[str]) -> None:
    call("stats", "--json", "--cache", str(cache))
    said = json.loads(capsys.readouterr().out)
    (block,) = said["blocks"]
    assert said["store"] == str(cache)
    assert block.pop("bytes") > 0
    assert block == {
        "block": BLOCK.name, "rows": 3, "shards": 3, "outdated": None, "damaged": []
    }  # fmt: skip


def test_prune(cache: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bad = sorted(Store(cache).folder(BLOCK).glob("part-*"))[0]
    damaged = bad.rename(bad.with_name(f"{bad.name}.damaged"))
    size = damaged.stat().st_size
    call("prune", "--dry-run", "--cache", str(cache))
    line, total = capsys.readouterr().out.splitlines()
    assert line == f"{damaged}  0.0 MB  damaged"
    assert total == f"{cache}: 0.0 MB to remove"
    assert damaged.exists()
    call("prune", "--json", "--cache", str(cache))
    assert not damaged.exists()
    assert json.loads(capsys.readouterr().out) == {
        "store": str(cache),
        "removed": True,
        "files": [{"path": str(damaged), "bytes": size, "why": "damaged"}],
    }
    assert len(Store(cache).keys(BLOCK)) == 2


def test_no_store(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    call("stats", "--cache", str(tmp_path / "none"), code=2)
    error = capsys.readouterr().err
    assert (
        error == f"seiqa: --cache {tmp_path / 'none'}: no such folder; expected a feature store\n"
    )
