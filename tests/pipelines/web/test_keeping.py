"""What lies on the server's disk, and how long."""

from __future__ import annotations

import os
import time
from pathlib import Path

from pipelines.web.examples import EXAMPLES
from pipelines.web.keeping import FILE_COSTS, delete_old, make_room


def test_old_uploads_go_and_examples_stay(tmp_path: Path) -> None:
    for name in ("ab12/old.png", "new.png", f"{EXAMPLES}/old.png"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.touch()
        if path.stem == "old":
            os.utime(path, (time.time() - 100, time.time() - 100))
    delete_old(tmp_path, 50)
    left = sorted(path.name for path in tmp_path.rglob("*") if path.is_file())
    assert left == ["new.png", "old.png"]
    assert (tmp_path / EXAMPLES / "old.png").is_file()
    assert not (tmp_path / "ab12").exists()


def test_the_oldest_give_way_and_what_was_just_sent_stays(tmp_path: Path) -> None:
    for name, age in (("oldest", 300), ("old", 200), ("new", 5)):
        path = tmp_path / name / "a.png"
        path.parent.mkdir()
        path.write_bytes(bytes(100_000))
        os.utime(path, (time.time() - age, time.time() - age))
    assert make_room(tmp_path, 0, 300_000)
    assert len(list(tmp_path.iterdir())) == 3
    assert make_room(tmp_path, 90_000, 300_000)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["new", "old"]
    assert not make_room(tmp_path, 250_000, 300_000)
    assert [path.name for path in tmp_path.iterdir()] == ["new"]


def test_empty_files_count_too(tmp_path: Path) -> None:
    for number in range(20):
        (tmp_path / f"{number}.png").touch()
    assert not make_room(tmp_path, 0, 19 * FILE_COSTS)
    assert make_room(tmp_path, 0, 20 * FILE_COSTS)
