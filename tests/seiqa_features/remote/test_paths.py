"""Paths in an object store: what they say, read and write, and what is said when that fails."""

from __future__ import annotations

import errno
import os
import pickle
from collections.abc import Callable
from pathlib import Path

import pytest

from seiqa_features.datasets import find_pairs
from seiqa_features.errors import DataError, StoreError, UsageError
from seiqa_features.path_texts import path_text, text_path
from seiqa_features.pictures.index import ImageIndex
from seiqa_features.remote import stores
from seiqa_features.remote.paths import RemotePath
from seiqa_features.remote.places import (
    as_path,
    local_copy,
    local_path,
    local_side,
    named_path,
    stats,
)
from seiqa_features.remote.stores import file_system
from seiqa_features.writing import replacing, write_whole
from tests.stores.faults import Fault, ObjectStore, every

URI = "s3://bucket/a b/ü.png"


@pytest.mark.parametrize("path", ["pairs.csv", "/data/a:b/c", "a:b", "s3:", ".", "C:/data"])
def test_local_paths_are_left_alone(path: str) -> None:
    assert as_path(Path(path)) == local_path(Path(path)) == Path(path)
    assert type(as_path(path)) is type(Path(path))


def test_uris_of_this_machine() -> None:
    assert as_path(Path("file:///data/pairs.csv")) == Path("/data/pairs.csv")


@pytest.mark.parametrize("written", [URI, Path(URI), URI.replace("s3", "S3")])
def test_a_uri_stays_one_under_every_operation(written: str | Path) -> None:
    path = as_path(written)
    assert isinstance(path, RemotePath)
    assert str(path) == path.as_posix() == URI
    assert (path.bucket, path.key) == ("bucket", "bucket/a b/ü.png")
    assert str(path.parent / "b.png") == "s3://bucket/a b/b.png"
    assert str(path.with_suffix(".csv")) == "s3://bucket/a b/ü.csv"
    assert (path.name, path.stem, path.suffix) == ("ü.png", "ü", ".png")
    assert path.relative_to(as_path("s3://bucket")).as_posix() == "a b/ü.png"
    assert path.absolute() is path.resolve() is as_path(path) is path
    again = pickle.loads(pickle.dumps(path))
    assert (type(again), again, {again}) == (RemotePath, path, {path})
    assert text_path(path_text(path)) == named_path(str(path)) == path
    assert type(text_path(path_text(path))) is RemotePath


def test_google_cloud_storage_is_known() -> None:
    assert str(as_path("gs://bucket/x")) == "gs://bucket/x"


@pytest.mark.parametrize(
    ("uri", "said"),
    [
        (
            "https://host/x.csv",
            "https://host/x.csv: expected a local path, or s3://, gs://, file://",
        ),
        ("s3:///", "s3://: names no bucket; expected s3://bucket/name"),
    ],
)
def test_other_uris_are_refused(uri: str, said: str) -> None:
    with pytest.raises(UsageError) as caught:
        as_path(uri)
    assert caught.value.problems == [said]


@pytest.mark.parametrize("use", [open, os.stat, os.fspath, local_path])
def test_what_needs_a_local_file_says_so(use: Callable[[Path], object]) -> None:
    with pytest.raises(UsageError, match=r"^s3://bucket/x: expected a local path here; copy"):
        use(as_path("s3://bucket/x"))


def test_the_local_side(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert local_side(Path("runs/cache")) == Path("runs/cache")
    assert local_side(as_path("s3://b/runs/cache")) == tmp_path / "seiqa/remote/s3/b/runs/cache"


def test_a_pyarrow_without_the_store(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr("pyarrow.fs.AwsDefaultS3RetryStrategy")
    with pytest.raises(UsageError, match=r"^s3://unbuilt: the installed pyarrow cannot read s3://"):
        file_system("s3", "unbuilt")


def test_writing_reading_listing_and_removing(bucket: RemotePath, tmp_path: Path) -> None:
    file, folder = bucket / "runs" / "a.txt", bucket / "runs"
    assert not file.exists()
    assert not folder.is_dir()
    write_whole(file, "ä\n")
    assert file.exists()
    assert file.is_file()
    assert not file.is_dir()
    assert folder.is_dir()
    assert not folder.is_file()
    assert file.read_text() == "ä\n"
    with file.open() as lines, file.open("rb") as content:
        assert (lines.read(), content.read()) == ("ä\n", "ä\n".encode())
    assert file.stat().st_size == 3
    assert file.stat().st_mtime_ns > 0
    with local_copy(file) as copy:
        assert (copy.name, copy.read_text("utf-8")) == ("a.txt", "ä\n")
    (tmp_path / "empty").touch()
    (folder / "deep" / "b.parquet").upload(tmp_path / "empty")
    assert sorted(path.name for path in folder.iterdir()) == ["a.txt", "deep"]
    assert list(folder.glob("*.txt")) == [file]
    assert list(bucket.glob("*/*/*.parquet")) == [folder / "deep" / "b.parquet"]
    assert bucket.files() == [file, folder / "deep" / "b.parquet"]
    walked = [(str(place), *names) for place, *names in bucket.walk(pytest.fail)]
    assert walked[1] == (str(folder), ["deep"], ["a.txt"])
    moved = file.rename(folder / "c.txt")
    assert (moved.read_text(), file.exists()) == ("ä\n", False)
    moved.unlink()
    moved.unlink(missing_ok=True)
    with pytest.raises(FileNotFoundError):
        moved.unlink()
    folder.remove_tree()
    assert bucket.files() == list(bucket.iterdir()) == []


def test_an_object_is_written_whole_or_not_at_all(bucket: RemotePath) -> None:
    file = bucket / "scores.csv"
    write_whole(file, "old")
    with pytest.raises(OSError, match="objects are written whole"):
        file.open("a")
    with pytest.raises(ZeroDivisionError), replacing(file) as temporary:
        temporary.write_text(f"half {1 / 0}")
    assert file.read_text() == "old"


def test_parts_are_read_where_they_are(bucket: RemotePath, object_store: ObjectStore) -> None:
    content = os.urandom(5 * 2**20)
    (bucket / "large").write_bytes(content)
    with (bucket / "large").ranges() as file:
        file.seek(4 * 2**20)
        assert file.read(10) == content[4 * 2**20 : 4 * 2**20 + 10]
    assert object_store.requests[-1][0] == "GET"


def test_many_stats_at_once(bucket: RemotePath) -> None:
    here, gone = bucket / "a", bucket / "b"
    here.write_bytes(b"12")
    found = stats([here, gone])
    assert found[gone] is None
    assert found[here] == here.stat()


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("answered", [0, 3])
def test_pictures_in_a_store_that_fails(
    answered: int, bucket: RemotePath, object_store: ObjectStore, index: ImageIndex,
    save_picture: Callable[..., Path], tmp_path: Path,
) -> None:  # fmt: skip
    """Neither are they bad data, nor is every one of them waited for."""
    pictures = [bucket / f"{seed}.png" for seed in range(3)]
    for seed, picture in enumerate(pictures):
        picture.upload(save_picture(tmp_path / "picture.png", seed=seed))
    object_store.forget()
    with (
        object_store.failing(Fault("503 Slow Down", after=answered)),
        pytest.raises(StoreError, match=r"/\d\.png: the object store failed") as caught,
    ):
        index.scan(pictures)
    assert len(caught.value.problems) == 1
    assert index.scan([*pictures, bucket / "gone.png"])[1] == {
        bucket / "gone.png": f"{bucket}/gone.png: cannot be read (no such file)"
    }


@pytest.mark.parametrize("fault", ["503 Slow Down", "reset"])
def test_requests_that_fail_now_and_then_are_repeated(
    fault: str, bucket: RemotePath, object_store: ObjectStore
) -> None:
    with object_store.failing(every(3, fault)):
        (bucket / "a").write_bytes(b"content")
        assert (bucket / "a").read_bytes() == b"content"
        assert [path.name for path in bucket.iterdir()] == ["a"]


@pytest.mark.parametrize("object_store", ["s3"], indirect=True)
def test_however_many_fail_in_all(bucket: RemotePath, object_store: ObjectStore) -> None:
    """The AWS client's "standard" strategy would stop repeating them after a hundred."""
    with object_store.failing(every(2, "503 Slow Down")):
        assert not any((bucket / "a").exists() for _ in range(80))
    assert len(object_store.requests) > 300


def test_slow_answers_are_waited_for(bucket: RemotePath, object_store: ObjectStore) -> None:
    (bucket / "a").write_bytes(b"content")
    with object_store.failing(every(1, 0.7, "GET")):
        assert (bucket / "a").read_bytes() == b"content"


@pytest.mark.parametrize("object_store", ["s3"], indirect=True)
def test_how_often_it_is_sent_again(
    bucket: RemotePath, object_store: ObjectStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stores, "RETRIES", 2)
    with (
        object_store.failing(every(1, "500 Internal Server Error")),
        pytest.raises(OSError, match="the object store failed"),
    ):
        (bucket / "a").write_bytes(b"content")
    assert len(object_store.requests) == 1 + stores.RETRIES


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("fault", ["500 Internal Server Error", "reset"])
def test_a_store_that_goes_on_failing(
    fault: str, bucket: RemotePath, object_store: ObjectStore
) -> None:
    said = "does not answer" if fault == "reset" else "failed"
    (bucket / "a").write_bytes(b"content")
    uses = {
        bucket / "b": (bucket / "b").exists,
        bucket: lambda: list(bucket.iterdir()),
        bucket / "a": lambda: (bucket / "a").write_bytes(b"other"),
    }
    with object_store.failing(every(1, fault)):
        for path, use in uses.items():
            with pytest.raises(OSError, match=f"the object store {said}") as caught:
                use()
            assert (caught.value.errno, caught.value.filename) == (errno.EIO, str(path))
            assert "\n" not in str(caught.value)
            assert len(str(caught.value)) < 250
    assert (bucket / "a").read_bytes() == b"content"


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("answered", [0, 1, 2])
def test_parts_of_an_object_that_cannot_be_read(
    answered: int, bucket: RemotePath, object_store: ObjectStore
) -> None:
    """Whenever it stops to answer, it is the store's failure and not that of the content."""
    (bucket / "a").write_bytes(bytes(2**21))

    def read_parts() -> None:
        with (bucket / "a").ranges() as file:
            for position in (2**20, 0):
                file.seek(position)
                file.read(10)

    with (
        object_store.failing(Fault("503 Slow Down", after=answered)),
        pytest.raises(OSError, match="the object store failed") as caught,
    ):
        read_parts()
    assert (caught.value.errno, caught.value.filename) == (errno.EIO, str(bucket / "a"))


@pytest.mark.usefixtures("impatient")
def test_an_upload_in_parts_that_fails_leaves_nothing(
    bucket: RemotePath, object_store: ObjectStore
) -> None:
    """The last parts never arrive: what did arrive must not become the object."""
    with (
        object_store.failing(Fault("500 Internal Server Error", ("PUT",), after=1)),
        pytest.raises(OSError, match="the object store failed"),
    ):
        (bucket / "large").write_bytes(bytes(21 * 2**20))
    assert not (bucket / "large").exists()


@pytest.mark.parametrize("status", ["401 Unauthorized", "403 Forbidden"])
def test_a_store_that_refuses(status: str, bucket: RemotePath, object_store: ObjectStore) -> None:
    file = bucket / "a"
    with object_store.failing(every(1, status)):
        for use in (file.read_bytes, file.exists, lambda: file.write_bytes(b"x"), bucket.mkdir):
            with pytest.raises(PermissionError, match="access denied"):
                use()


def test_a_bucket_that_does_not_exist(object_store: ObjectStore) -> None:
    path = as_path(f"{object_store.scheme}://nobodys-bucket/x")
    assert not path.exists()
    for use in (path.mkdir, lambda: path.write_bytes(b"x")):
        with pytest.raises(FileNotFoundError, match="there is no such bucket"):
            use()
    with pytest.raises(DataError, match=f"{path}: there is no such bucket"):
        find_pairs(path)
    assert object_store.requests


@pytest.mark.usefixtures("impatient")
def test_nobody_answers(object_store: ObjectStore, monkeypatch: pytest.MonkeyPatch) -> None:
    for variable, value in object_store.nowhere.items():
        monkeypatch.setenv(variable, value)
    with pytest.raises(OSError, match="the object store does not answer"):
        as_path(f"{object_store.scheme}://unanswered/x").read_bytes()


@pytest.mark.parametrize(
    ("content", "said"), [(None, "Cannot open credentials file"), ("{}", "Unsupported credential")]
)
def test_credentials_of_google_that_cannot_be_used(
    content: str | None, said: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    if content is not None:
        (tmp_path / "key.json").write_text(content)
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "key.json"))
    said = rf"no credentials \({said}.*key.json\): check GOOGLE"
    with pytest.raises(PermissionError, match=said):
        as_path(f"gs://{tmp_path.name}/x").read_bytes()
