"""Files in an object store that change together, wherever the writer stops."""

from __future__ import annotations

from pathlib import Path

import pytest

from seiqa_features import commits
from seiqa_features.commits import committing, current, settle
from seiqa_features.remote.paths import RemotePath
from tests.stores.faults import Fault, ObjectStore

NAMES = ("run.json", "bundle/model.skops")


@pytest.fixture
def run(impatient: None, bucket: RemotePath) -> RemotePath:  # noqa: ARG001
    """A folder with a first commit; requests are sent once."""
    write(bucket / "run", "old")
    return bucket / "run"


def write(run: RemotePath, text: str) -> None:
    with committing(run) as fresh:
        for name in NAMES:
            (fresh / name).parent.mkdir(exist_ok=True)
            (fresh / name).write_text(text)


def read(run: RemotePath) -> set[str]:
    return {current(run / name).read_text() for name in NAMES}


def test_files_change_together_and_others_stay(run: RemotePath) -> None:
    (run / "notes.txt").write_bytes(b"mine")
    write(run, "new")
    assert read(run) == {"new"}
    assert [str(path.relative_to(run)) for path in run.files()] == [
        "bundle/model.skops", "notes.txt", "run.json",
    ]  # fmt: skip


def test_a_block_that_fails_changes_nothing(run: RemotePath) -> None:
    with pytest.raises(ZeroDivisionError), committing(run) as fresh:
        (fresh / "run.json").write_text(f"half {1 / 0}")
    assert read(run) == {"old"}


def test_wherever_it_stops_all_are_old_or_all_are_new(
    run: RemotePath, object_store: ObjectStore
) -> None:
    """The store answers k requests that change something, and then nothing any more."""
    seen = []
    for k in range(40):
        fault = Fault("500 Internal Server Error", ("PUT", "POST", "DELETE"), after=k)
        try:
            with object_store.failing(fault):
                write(run, f"new {k}")
        except OSError:
            done = False
        else:
            done = True
        (text,) = read(run)
        seen.append(text == f"new {k}")
        settle(run)
        assert read(run) == {text}
        assert {str(path.relative_to(run)) for path in run.files()} >= set(NAMES)
        if done:
            break
    assert seen == sorted(seen)  # nothing up to some request, everything from there on
    assert 2 < sum(seen) < len(seen)


def test_uploads_of_dead_processes_are_removed_after_a_day(
    run: RemotePath, monkeypatch: pytest.MonkeyPatch
) -> None:
    (run / ".seiqa-upload-0" / "run.json").write_bytes(b"{}")
    settle(run)
    assert len(run.files()) == 3
    monkeypatch.setattr(commits, "_ABANDONED", -10)
    settle(run)
    assert len(run.files()) == 2


def test_a_local_folder_has_no_part_in_it(tmp_path: Path, object_store: ObjectStore) -> None:
    with committing(tmp_path / "run") as fresh:
        (fresh / "run.json").write_text("new")
    assert (tmp_path / "run" / "run.json").read_text() == "new"
    assert not object_store.requests
