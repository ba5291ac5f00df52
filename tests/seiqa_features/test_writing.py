"""Files that are written whole, alone and together, wherever the process that writes them dies."""

from __future__ import annotations

import multiprocessing
import os
import time
from contextlib import suppress
from pathlib import Path

import pytest

from seiqa_features.commits import committing, current, settle
from seiqa_features.writing import create_whole, replacing, sweep, temporary_in, write_whole
from tests.killing import full_disk_at, killed_at

MANY = 50
"""More changes to files than one write makes."""


def content(folder: Path) -> dict[str, str]:
    """Of all files in a folder, by name."""
    return {
        str(path.relative_to(folder)): path.read_text()
        for path in folder.rglob("*")
        if path.is_file()
    }


def dead(path: Path) -> Path:
    """The name that a temporary path would have in a process that is gone."""
    return path.with_name(path.name.replace(f"-{os.getpid()}-", "-999999999-"))


# --- one file --------------------------------------------------------------------------------


def test_a_file_is_replaced_and_nothing_is_left_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "new" / "file.txt"
    write_whole(path, "one")
    write_whole(path, b"two")
    assert content(tmp_path) == {"new/file.txt": "two"}


def test_a_block_that_fails_leaves_the_old_file(tmp_path: Path) -> None:
    write_whole(tmp_path / "file", "old")
    with suppress(ZeroDivisionError), replacing(tmp_path / "file") as temporary:
        temporary.write_text("half")
        _ = 1 / 0
    assert content(tmp_path) == {"file": "old"}


def test_the_longest_name_that_a_file_can_have(tmp_path: Path) -> None:
    """The temporary name must not be longer."""
    write_whole(tmp_path / ("n" * 255), "x")
    assert content(tmp_path) == {"n" * 255: "x"}


def test_a_kill_leaves_the_old_file_or_the_new_one(tmp_path: Path) -> None:
    seen = set()
    for nth in range(1, MANY):
        folder = tmp_path / str(nth)
        write_whole(folder / "file", "old")
        with killed_at(nth, folder) as faults:
            write_whole(folder / "file", "new")
        seen.add((folder / "file").read_text())
        if faults.count < nth:
            break
    assert seen == {"old", "new"}
    assert content(folder) == {"file": "new"}


def test_a_full_disk_leaves_the_old_file(tmp_path: Path) -> None:
    write_whole(tmp_path / "file", "old")
    with full_disk_at(1, tmp_path), pytest.raises(OSError, match="No space left"):
        write_whole(tmp_path / "file", "new")
    assert content(tmp_path) == {"file": "old"}


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device that is always full")
def test_an_error_names_the_file_and_not_the_temporary_one(tmp_path: Path) -> None:
    path = tmp_path / "file"
    with (
        pytest.raises(OSError, match="No space left") as full,
        replacing(path),
        Path("/dev/full").open("wb", buffering=0) as device,
    ):
        device.write(b"a")
    assert full.value.filename == str(path)
    with pytest.raises(FileNotFoundError) as gone, replacing(path) as temporary:
        temporary.read_bytes()
    assert gone.value.filename == str(path)


def test_a_file_that_is_there_is_not_created_again(tmp_path: Path) -> None:
    for text in (b"first", b"second"):
        create_whole(tmp_path / "file", text)
    assert content(tmp_path) == {"file": "first"}


# --- what killed processes left --------------------------------------------------------------


def test_only_what_dead_processes_left_is_swept(tmp_path: Path) -> None:
    ours, gone, folder = (temporary_in(tmp_path) for _ in range(3))
    gone, folder = dead(gone), dead(folder)
    foreign = tmp_path / gone.name.replace(gone.name[7:15], "0" * 8)  # of another machine
    old = tmp_path / foreign.name.replace("00000000", "11111111")
    for path in (ours, gone, foreign, old):
        path.write_text("half")
    (folder / "deep").mkdir(parents=True)
    (folder / "deep" / "file").write_text("half")
    others = [".seiqa-notes.txt", "file.1234", f"{gone.name}.bak"]
    for name in others:
        (tmp_path / name).write_text("mine")
    two_days_ago = time.time() - 2 * 24 * 3600
    os.utime(old, (two_days_ago, two_days_ago))
    sweep(tmp_path)
    left = {path.name for path in tmp_path.iterdir()}
    assert left == {*others, ours.name, foreign.name}


def test_sweeping_what_is_not_there_is_no_error(tmp_path: Path) -> None:
    sweep(tmp_path / "nowhere")


# --- several files ---------------------------------------------------------------------------


def write_all(folder: Path, text: str) -> None:
    with committing(folder) as fresh:
        for name in ("a", "b"):
            (fresh / name).write_text(text)
        (fresh / "inner").mkdir()
        (fresh / "inner" / "c").write_text(text)


def committed(folder: Path) -> set[str]:
    """What the files hold, as a reader finds them."""
    return {current(folder / name).read_text() for name in ("a", "b", "inner/c")}


def test_files_change_together_and_others_stay(tmp_path: Path) -> None:
    write_all(tmp_path, "old")
    (tmp_path / "inner" / "mine").write_text("stays")
    write_all(tmp_path, "new")
    assert content(tmp_path) == {
        "a": "new", "b": "new", "inner/c": "new", "inner/mine": "stays",
    }  # fmt: skip


def test_a_failure_changes_nothing(tmp_path: Path) -> None:
    write_all(tmp_path, "old")
    with suppress(ZeroDivisionError), committing(tmp_path) as fresh:
        (fresh / "a").write_text("new")
        _ = 1 / 0
    assert content(tmp_path) == {"a": "old", "b": "old", "inner/c": "old"}


def test_a_kill_leaves_all_old_files_or_all_new_ones(tmp_path: Path) -> None:
    outcomes = []
    for nth in range(1, MANY):
        folder = tmp_path / str(nth)
        write_all(folder, "old")
        with killed_at(nth, folder) as faults:
            write_all(folder, "new")
        found = committed(folder)
        assert len(found) == 1, nth
        outcomes += found
        for path in folder.glob(".seiqa-*.tmp"):
            path.rename(dead(path))
        settle(folder)
        assert {text for text in content(folder).values()} == found
        assert sorted(content(folder)) == ["a", "b", "inner/c"]
        write_all(folder, "newer")
        assert committed(folder) == {"newer"}
        if faults.count < nth:
            break
    assert outcomes == sorted(outcomes, reverse=True)  # old up to some point, new after it
    assert {"old", "new"} == set(outcomes)
    assert len(outcomes) > 15


def test_a_full_disk_changes_nothing(tmp_path: Path) -> None:
    write_all(tmp_path, "old")
    for nth in range(1, MANY):
        with full_disk_at(nth, tmp_path) as faults, suppress(OSError):
            write_all(tmp_path, "new")
        found = committed(tmp_path)
        assert len(found) == 1
        if faults.count < nth:
            break
        settle(tmp_path)
        assert not list(tmp_path.rglob(".seiqa-*"))
        write_all(tmp_path, "old")
    assert found == {"new"}


def test_a_reader_sees_the_commit_from_inside_the_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Paths may be relative, and a file two folders deep belongs to the outer folder's commit."""
    write_all(tmp_path, "old")
    write_all(tmp_path / "other", "new")
    (tmp_path / "other").rename(tmp_path / ".seiqa-pending")
    for folder, name in ((tmp_path, "inner/c"), (tmp_path / "inner", "c")):
        monkeypatch.chdir(folder)
        assert current(Path(name)).read_text() == "new"
    settle(tmp_path)
    assert current(Path("c")) == Path("c")
    assert Path("c").read_text() == "new"


def _keep_writing(folder: Path, text: str) -> None:
    for _ in range(30):
        write_all(folder, text)


def test_two_processes_mix_nothing(tmp_path: Path) -> None:
    """Nothing keeps them apart here; run folders have a lock."""
    context = multiprocessing.get_context("spawn")
    writers = [context.Process(target=_keep_writing, args=(tmp_path, text)) for text in "xy"]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(120)
    assert len(committed(tmp_path)) == 1
