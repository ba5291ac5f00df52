"""The image index: known files are not decoded again, whatever befalls the index itself."""

from __future__ import annotations

import os
import shutil
import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import PIL
import pytest
from PIL import Image

from seiqa_features.errors import StoreError
from seiqa_features.pictures import index as index_module
from seiqa_features.pictures.decoding import load_rgb, pixel_key
from seiqa_features.pictures.index import ImageIndex, ImageInfo


def write_text(path: Path) -> Path:
    (path / "notes.png").write_text("this is no picture, it only says so\n" * 9)
    return path / "notes.png"


def refuse(path: Path) -> Image.Image:
    raise AssertionError(f"{path} was decoded")


def test_scan_names_good_and_bad_files(
    index: ImageIndex, tmp_path: Path, save_picture: Callable[..., Path]
) -> None:
    good = save_picture(tmp_path / "a.png", height=32, width=40)
    bad, gone = write_text(tmp_path), tmp_path / "gone.png"
    infos, problems = index.scan([good, bad, gone, good])
    assert infos == {good: ImageInfo(pixel_key(load_rgb(good)), 40, 32)}
    assert list(problems) == [bad, gone]
    assert problems[gone] == f"{gone}: no such file"


def test_progress_counts_decoded_files(
    index: ImageIndex, tmp_path: Path, save_picture: Callable[..., Path]
) -> None:
    paths = [save_picture(tmp_path / f"{i}.png", seed=i) for i in range(3)]
    index.scan(paths[:1])
    seen: list[tuple[int, int]] = []
    index.scan(paths, workers=2, on_image=lambda done, total: seen.append((done, total)))
    assert seen == [(1, 2), (2, 2)]


def test_second_scan_decodes_nothing(
    tmp_path: Path, save_picture: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    paths = [save_picture(tmp_path / f"{i}.png", seed=i) for i in range(3)]
    first, _ = ImageIndex(tmp_path / "cache").scan(paths)
    monkeypatch.setattr(index_module, "load_rgb", refuse)
    again = ImageIndex(tmp_path / "cache")
    assert again.scan(paths) == (first, {})
    monkeypatch.chdir(tmp_path)
    infos, _ = again.scan([Path("1.png")])  # the same file by another path
    assert infos[Path("1.png")] == first[paths[1]]


def test_an_edit_that_keeps_size_and_date_is_noticed(
    index: ImageIndex, tmp_path: Path, save_picture: Callable[..., Path]
) -> None:
    path = save_picture(tmp_path / "a.bmp")
    before, _ = index.scan([path])
    stat = path.stat()
    time.sleep(0.05)  # the kernel's clock for change times ticks every few milliseconds
    content = bytearray(path.read_bytes())
    content[-100] ^= 255
    path.write_bytes(content)
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert path.stat().st_size == stat.st_size
    assert path.stat().st_mtime_ns == stat.st_mtime_ns
    after, _ = index.scan([path])
    assert after[path].key != before[path].key


def test_a_copy_has_the_key_of_its_original(
    index: ImageIndex, tmp_path: Path, save_picture: Callable[..., Path]
) -> None:
    path = save_picture(tmp_path / "a.png")
    copy = Path(shutil.copy2(path, tmp_path / "b.png"))
    infos, _ = index.scan([path, copy])
    assert infos[copy] == infos[path]


def test_a_mended_file_is_read_again(
    index: ImageIndex, tmp_path: Path, save_picture: Callable[..., Path]
) -> None:
    path = write_text(tmp_path)
    assert path in index.scan([path])[1]
    save_picture(path)
    infos, problems = index.scan([path])
    assert path in infos
    assert problems == {}


@pytest.mark.parametrize(
    "change",
    [
        lambda patch: patch.setattr(index_module, "DECODE_RULES", index_module.DECODE_RULES + 1),
        lambda patch: patch.setattr(PIL, "__version__", "99.0"),
    ],
    ids=["rules", "pillow"],
)
def test_other_decoding_forgets_what_was_remembered(
    change: Callable[[pytest.MonkeyPatch], None],
    index: ImageIndex,
    tmp_path: Path,
    save_picture: Callable[..., Path],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Else the index would hold keys that the runner's own decoding no longer confirms."""
    path = save_picture(tmp_path / "a.png")
    index.scan([path])
    change(monkeypatch)
    decoded: list[int] = []
    infos, _ = index.scan([path], on_image=lambda *_: decoded.append(1))
    assert decoded == [1]
    assert infos[path].key == pixel_key(load_rgb(path))


def test_cache_below_a_regular_file(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StoreError) as caught:
        ImageIndex(tmp_path / "file" / "cache")
    assert str(caught.value).startswith(f"{tmp_path / 'file' / 'cache'}: cannot use it as cache")
    assert "--cache" in str(caught.value)
    assert "\n" not in str(caught.value)


def _no_database(file: Path) -> None:
    file.write_bytes(b"something else, and longer than a page header" * 99)


def _another_schema(file: Path) -> None:
    with closing(sqlite3.connect(file)) as database, database:
        database.execute("CREATE TABLE pictures (name TEXT)")


def _damaged_pages(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[100:] = bytes(255 - byte for byte in content[100:])
    file.write_bytes(content)


def _no_utf8(file: Path) -> None:
    with closing(sqlite3.connect(file)) as database, database:
        database.execute("UPDATE pictures SET key = CAST(x'ff' AS TEXT)")


def _another_type(file: Path) -> None:
    with closing(sqlite3.connect(file)) as database, database:
        database.execute("UPDATE pictures SET width = 'wide'")


@pytest.mark.parametrize(
    "change",
    [
        "key = 'f' || substr(key, 2)",
        "width = width + 1",
        "height = height - 1",
        "path = replace(path, 'a.png', 'b.png')",
    ],
)
def test_no_changed_value_is_believed(
    change: str, tmp_path: Path, save_picture: Callable[..., Path]
) -> None:
    """SQLite itself does not notice flipped bits in a value."""
    paths = [save_picture(tmp_path / "a.png", seed=1)]
    expected = ImageIndex(tmp_path / "cache").scan(paths)
    if change.startswith("path"):
        paths = [save_picture(tmp_path / "b.png", seed=2)]
        shutil.copystat(tmp_path / "a.png", tmp_path / "b.png")
        expected = ImageIndex(tmp_path / "other").scan(paths)
    with closing(sqlite3.connect(tmp_path / "cache" / "images.sqlite")) as database, database:
        database.execute(f"UPDATE pictures SET {change}")
    assert ImageIndex(tmp_path / "cache").scan(paths) == expected


@pytest.mark.parametrize(
    "spoil", [_no_database, _another_schema, _damaged_pages, _no_utf8, _another_type]
)
@pytest.mark.parametrize("when", ["before", "between"])
def test_a_damaged_index_is_begun_again(
    spoil: Callable[[Path], None],
    when: str,
    tmp_path: Path,
    save_picture: Callable[..., Path],
    caplog: pytest.LogCaptureFixture,
) -> None:
    path = save_picture(tmp_path / "a.png")
    index = ImageIndex(tmp_path / "cache")
    expected = index.scan([path])
    file = tmp_path / "cache" / "images.sqlite"
    if spoil in (_no_database, _another_schema):
        file.unlink()
    spoil(file)
    if when == "before":
        index = ImageIndex(tmp_path / "cache")
    assert index.scan([path]) == expected
    if spoil is not _another_type:  # that is a row of no use, in an index that is sound
        assert caplog.messages == [
            f"{file}: damaged, now called images.sqlite.damaged; pictures are decoded again"
        ]
        assert file.with_name("images.sqlite.damaged").exists()
    decoded: list[int] = []
    ImageIndex(tmp_path / "cache").scan([path], on_image=lambda *_: decoded.append(1))
    assert decoded == []  # it was remembered again


def test_an_index_that_another_process_locks_is_named(
    index: ImageIndex,
    tmp_path: Path,
    save_picture: Callable[..., Path],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(index_module, "PATIENCE", 0.05)
    path = save_picture(tmp_path / "a.png")
    with closing(sqlite3.connect(index._file, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(StoreError) as caught:
            index.scan([path])
        with pytest.raises(StoreError, match=r"images\.sqlite: another process has kept it locked"):
            ImageIndex(tmp_path / "cache")
    assert str(caught.value) == (
        f"{index._file}: another process has kept it locked for 0.05 s; wait for that process to"
        " end, or name another --cache"
    )
    assert path in index.scan([path])[0]


@pytest.mark.parametrize("code", ["SQLITE_FULL", "SQLITE_READONLY", "SQLITE_IOERR"])
def test_an_index_that_cannot_be_written_says_so(
    code: str,
    index: ImageIndex,
    tmp_path: Path,
    save_picture: Callable[..., Path],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(*_: object, **__: object) -> None:
        error = sqlite3.OperationalError("database or disk is full")
        error.sqlite_errorcode = getattr(sqlite3, code)
        raise error

    path = save_picture(tmp_path / "a.png")
    monkeypatch.setattr(sqlite3, "connect", refuse)
    with pytest.raises(StoreError) as caught:
        index.scan([path])
    folder = tmp_path / "cache"
    assert str(caught.value) == (
        f"{folder}: cannot use it as cache (database or disk is full); name another with --cache"
    )
    assert (folder / "images.sqlite").exists()


@pytest.mark.skipif(os.name == "nt", reason="no FIFOs")
def test_a_fifo_in_place_of_the_index_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "images.sqlite")
    with pytest.raises(StoreError, match="is a FIFO"):
        ImageIndex(tmp_path)


@pytest.mark.skipif(os.name == "nt", reason="names are bytes on POSIX only")
def test_names_that_are_no_utf8_are_remembered(
    tmp_path: Path, save_picture: Callable[..., Path]
) -> None:
    path = save_picture(tmp_path / "a.png").rename(tmp_path / os.fsdecode(b"caf\xe9.png"))
    infos, problems = ImageIndex(tmp_path / "cache").scan([path])
    assert (list(infos), problems) == ([path], {})
    decoded: list[int] = []
    ImageIndex(tmp_path / "cache").scan([path], on_image=lambda *_: decoded.append(1))
    assert decoded == []


def test_one_file_by_two_paths(
    tmp_path: Path, save_picture: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = save_picture(tmp_path / "a.png")
    monkeypatch.chdir(tmp_path)
    index = ImageIndex(tmp_path / "cache")
    index.scan([path])
    decoded: list[int] = []
    infos, _ = index.scan([path, Path("a.png")], on_image=lambda *_: decoded.append(1))
    assert infos[path] == infos[Path("a.png")]
    assert decoded == []


def test_an_interrupted_scan_is_not_lost(
    index: ImageIndex,
    tmp_path: Path,
    save_picture: Callable[..., Path],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(index_module, "FLUSH_SECONDS", -1.0)
    paths = [save_picture(tmp_path / f"{i}.png", seed=i) for i in range(5)]

    def interrupt(done: int, *_: int) -> None:
        if done == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        index.scan(paths, on_image=interrupt)
    counts: list[tuple[int, int]] = []
    index.scan(paths, on_image=lambda done, total: counts.append((done, total)))
    assert counts[-1] == (3, 3)  # the first two were remembered
