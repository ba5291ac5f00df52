"""Files: nothing but a regular file is opened, and any name survives as text."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seiqa_features.errors import LINE_LENGTH, DataError, StoreError, printable
from seiqa_features.files import (
    path_text,
    require_regular,
    sha256_of,
    text_path,
    why_unreadable,
)

POSIX = pytest.mark.skipif(os.name == "nt", reason="names are bytes on POSIX only")


def _fifo(path: Path) -> Path:
    os.mkfifo(path / "fifo.png")
    return path / "fifo.png"


def _socket(path: Path) -> Path:
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path / "s"))
    return path / "s"


def _loop(path: Path) -> Path:
    (path / "loop").symlink_to(path / "loop")
    return path / "loop"


@POSIX
@pytest.mark.parametrize(
    ("make", "expected"),
    [
        (lambda path: path / "gone.png", "no such file"),
        (lambda path: path, "is a directory; expected a regular file"),
        (_fifo, "is a FIFO; expected a regular file"),
        (_socket, "is a socket; expected a regular file"),
        (lambda _: Path("/dev/zero"), "is a device; expected a regular file"),
        (_loop, "cannot be read (Too many levels of symbolic links)"),
        (lambda path: path / ("x" * 5000), "cannot be read (File name too long)"),
        (lambda path: path / "a\0b.png", "cannot be read (embedded null byte)"),
        (lambda path: path / "\ud800.png", "cannot be read ('utf-8' codec can't encode"),
    ],
)
def test_what_is_no_regular_file_is_refused_in_one_line(
    make: Callable[[Path], Path], expected: str, tmp_path: Path
) -> None:
    with pytest.raises(DataError) as caught:
        require_regular(make(tmp_path))
    (line,) = caught.value.problems
    assert expected in line
    assert len(line) <= LINE_LENGTH + 3
    line.encode()  # nothing that UTF-8 cannot hold


def test_a_file_and_a_link_to_it_are_regular(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "link").symlink_to(tmp_path / "file")
    assert why_unreadable(tmp_path / "file") is None
    assert why_unreadable(tmp_path / "link") is None


@POSIX
@given(name=st.binary(min_size=1).filter(lambda name: b"\0" not in name))
def test_every_name_comes_back_from_its_text(name: bytes) -> None:
    path = Path(os.fsdecode(name))
    text = path_text(path)
    assert text == printable(text)
    text.encode()
    assert text_path(text) == path


@POSIX
@given(names=st.lists(st.from_regex(r"(é|\xe9|\\xe9|\\|x5c|\udce9){1,4}"), unique=True))
def test_two_names_never_share_a_text(names: list[str]) -> None:
    assert len({path_text(name) for name in names}) == len(names)


def test_ordinary_names_stay_as_they_are() -> None:
    for name in (
        "a b.png",
        "größe 图片.png",
        "C:\\pictures\\a.png",
        "a\u3000b.png",
        "👩\u200d🚒.png",
    ):
        assert path_text(name) == printable(name) == name
    assert path_text(os.fsdecode(b"caf\xe9.png")) == "caf\\xe9.png"
    assert path_text("caf\\xe9.png") == "caf\\x5cxe9.png"


@pytest.mark.parametrize("error", [lambda text: DataError([text]), StoreError])
@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a\x1b[2Jb: gone", "a\\x1b[2Jb: gone"),
        ("a\nb", "a\\x0ab"),
        ("gp\u202egnp", "gp\\xe2\\x80\\xaegnp"),
        ("\x9b31m", "\\xc2\\x9b31m"),
        ("a\u2028b", "a\\xe2\\x80\\xa8b"),
    ],
)
def test_an_error_never_talks_to_the_terminal(
    error: Callable[[str], Exception], text: str, shown: str
) -> None:
    assert str(error(text)) == shown


def test_a_long_name_loses_its_middle() -> None:
    line = str(DataError([f"begin {'9' * 5000} end"]))
    assert len(line) == LINE_LENGTH + 3
    assert line.startswith("begin 999")
    assert line.endswith("999 end")
    assert " … " in line


def test_checksum_is_the_published_one_of_the_content(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"abc")
    published = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"  # FIPS 180-2
    assert sha256_of(tmp_path / "file") == published
