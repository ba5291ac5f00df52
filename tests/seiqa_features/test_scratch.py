"""Folders for a while: removed afterwards, and by the next process if theirs was killed."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from seiqa_features.scratch import scratch

KILLED = """
import os, signal
from seiqa_features.scratch import scratch
with scratch("test") as folder:
    (folder / "picture.png").write_bytes(bytes(99))
    os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """$TMPDIR of this test."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def test_it_is_private_and_removed_with_what_is_in_it(place: Path) -> None:
    with scratch("test") as folder:
        assert folder.parent == place
        assert folder.stat().st_mode & 0o777 == 0o700
        (folder / "deeper").mkdir()
        (folder / "deeper" / "file").touch()
    assert list(place.iterdir()) == []


def test_what_a_killed_process_left_is_removed_by_the_next(place: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", KILLED],
        cwd=Path(__file__).parents[2],
        env={**os.environ, "TMPDIR": str(place)},
        check=False,
    )
    assert done.returncode < 0
    (left,) = place.iterdir()
    assert [path.name for path in left.iterdir()] == ["picture.png"]
    with scratch("test") as folder:
        assert list(place.iterdir()) == [folder]


def test_those_in_use_of_other_machines_and_other_programs_stay(place: Path) -> None:
    with scratch("serve") as used:
        (place / "seiqa-serve-00000000-1234567-abcdefgh").mkdir()
        (place / "seiqa-demo").mkdir()
        names = {path.name for path in place.iterdir()}
        with scratch("test") as folder:
            assert {path.name for path in place.iterdir()} == names | {folder.name}
        assert used.is_dir()
