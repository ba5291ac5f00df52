"""Nothing but a regular file is opened, and a checksum is that of the content."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from seiqa_features.errors import LINE_LENGTH, DataError
from seiqa_features.files import require_regular, sha256_of, why_unreadable

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


def test_checksum_is_the_published_one_of_the_content(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"abc")
    published = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"  # FIPS 180-2
    assert sha256_of(tmp_path / "file") == published
