"""Zips of pairs: what is listed, and what is refused before it is read."""

from __future__ import annotations

import io
import struct
import tracemalloc
import zipfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from pipelines.web.archives import PairArchive
from pipelines.web.uploads import MB, Limits
from seiqa_features.errors import DataError
from tests.pipelines.conftest import scene
from tests.pipelines.web.made import SMALL, Members, packed, png

Open = Callable[..., PairArchive]
DEFLATED = zipfile.ZIP_DEFLATED
LARGE = Limits()


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[Open]:
    """Open a zip as the page does; it is closed after the test."""
    with ExitStack() as stack:

        def open_it(content: bytes, limits: Limits = LARGE) -> PairArchive:
            path = tmp_path / "pairs.zip"
            path.write_bytes(content)
            return stack.enter_context(PairArchive("pairs.zip", path, limits))

        yield open_it


@pytest.mark.parametrize("top", ["", "mine/"])
def test_zip_of_two_folders_in_any_case(opened: Open, top: str) -> None:
    names = [f"{top}REF/b.png", f"{top}dist/b.png", f"{top}REF/a.png", f"{top}dist/a.png"]
    litter = [f"__MACOSX/{top}REF/._a.png", f"{top}REF/.DS_Store", f"{top}dist/Thumbs.db"]
    archive = opened(packed(dict.fromkeys(names + litter, png())))
    assert archive.pairs == [
        (f"{top}REF/a.png", f"{top}dist/a.png"),
        (f"{top}REF/b.png", f"{top}dist/b.png"),
    ]
    assert archive.picture(archive.pairs[0][0]).size == scene(0).size


def test_zip_with_manifest_keeps_its_order_and_folder(opened: Open) -> None:
    manifest = "\ufeffdist,ref,mos\nlow.png,a.png,3\nlow.png, b/c.png ,\n"
    members: Members = {
        "x/manifest.csv": manifest,
        "x/a.png": b"",
        "x/low.png": b"",
        "x/b/c.png": b"",
    }
    archive = opened(packed(members))
    assert archive.pairs == [("x/a.png", "x/low.png"), ("x/b/c.png", "x/low.png")]


@pytest.mark.parametrize(
    "name", ["../a.png", "/etc/a.png", "a/../../b.png", "..\\a.png", "C:\\a.png", "\\a.png"]
)
def test_zip_member_that_leads_out_is_refused(opened: Open, name: str) -> None:
    with pytest.raises(DataError, match="leads out of the zip"):
        opened(packed({"Ref/a.png": b"", "Dist/a.png": b"", name: b""}))


def _link() -> bytes:
    info = zipfile.ZipInfo("Ref/a.png")
    info.external_attr = 0o120777 << 16
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr(info, "/etc/passwd")
    return file.getvalue()


def _encrypted() -> bytes:
    """A zip whose directory says that its member is encrypted."""
    content = bytearray(packed({"Ref/a.png": b"x"}))
    content[content.index(b"PK\x01\x02") + 8] |= 1
    return bytes(content)


def _twice() -> bytes:
    content = packed({"Ref/a.png": b"1", "Ref/b.png": b"2"})
    return content.replace(b"Ref/b.png", b"Ref/a.png")


@pytest.mark.parametrize(
    ("make", "line"),
    [
        (_link, "a link or device"),
        (_encrypted, "encrypted"),
        (_twice, "holds more than once: Ref/a.png"),
        (lambda: packed({"Ref/a.zip": b""}), "an archive inside the zip"),
        (lambda: packed({"Ref/a.png": b"x"}, compression=zipfile.ZIP_LZMA), "unusual compression"),
        (lambda: packed({f"{n}": b"" for n in range(7)}), "7 files; at most 6"),
        (
            lambda: packed({f"Ref/{n}.bmp": bytes(19_000) for n in range(6)}),
            "MB unpacked",
        ),
        (lambda: packed({"Ref/a.bmp": bytes(20_001)}), "the limit for a file"),
        (lambda: packed({"Ref/" + "x" * 500 + ".png": b""}), "a name of more than 500 bytes"),
        (lambda: packed({"a/" * 8 + "Ref/a.png": b""}), "or 8 levels"),
        (lambda: packed({".": b""}), "leads out"),
        (lambda: packed({"Ref/é.png": b"1", "Ref/e\u0301.png": b"2"}), "holds more than once"),
        (lambda: packed({"a/manifest.csv": "", "manifest.csv": ""}), "more than one manifest.csv"),
        (lambda: packed({"a.png": b""}), "expected manifest.csv .* or two folders"),
        (lambda: packed({"Ref/a.png": b"", "Dist/b.png": b""}), "only one .*: a.png, b.png"),
        (lambda: packed({"manifest.csv": "ref,dist\n/etc/passwd,a\n"}), "not in the zip: .*passwd"),
        (lambda: packed({"manifest.csv": "ref,dist\n../a.png,b\n"}), r"not in the zip: \.\./a"),
        (lambda: packed({"manifest.csv": "one,two\n1,2\n"}), "columns ref and dist"),
        (lambda: packed({"manifest.csv": b"\xff\xfe\x00"}), "cannot be read as CSV"),
        (lambda: packed({"manifest.csv": "ref,Ref\na,a\n"}), "cannot be read as CSV .*once"),
        (lambda: packed({"manifest.csv": "," * 101 + "\n"}), "102 columns; at most 100"),
        (lambda: packed({"manifest.csv": "ref,dist\n" + "a" * 4000}), "too long for 2 pairs"),
        (
            lambda: packed({"manifest.csv": "ref,dist\n" + "a,a\n" * 3, "a": b""}),
            "more than 2 pairs; at most 2",
        ),
        (lambda: b"%PDF-1.7", "not a zip"),
        (lambda: b"", "not a zip"),
    ],
)
def test_zip_that_is_refused(opened: Open, make: Callable[[], bytes], line: str) -> None:
    with pytest.raises(DataError, match=line):
        opened(make(), SMALL)


def test_zip_member_that_lies_about_its_size_or_is_damaged(opened: Open) -> None:
    good = packed({"Ref/a.png": png(), "Dist/a.png": png()})
    short = good.replace(len(png()).to_bytes(4, "little"), (100).to_bytes(4, "little"))
    flipped = bytearray(good)
    flipped[200] ^= 0xFF
    for content in (short, bytes(flipped)):
        archive = opened(content)
        with pytest.raises(DataError, match=r"Ref/a\.png: damaged"):
            archive.picture("Ref/a.png")


def test_names_meet_however_their_accents_are_written(opened: Open) -> None:
    members: Members = {
        "e\u0301.png": b"",
        "b.png": b"",
        "manifest.csv": "REF , dist\né.png,b.png\n",
    }
    assert opened(packed(members)).pairs == [("é.png", "b.png")]


def test_a_name_that_a_spreadsheet_would_run_is_found(opened: Open) -> None:
    members: Members = {"=a.png": b"", "manifest.csv": "ref,dist\n'=a.png,=a.png\n"}
    assert opened(packed(members)).pairs == [("=a.png", "=a.png")]


def rows_of(number: int) -> bytes:
    return packed({"a": b"", "manifest.csv": "ref,dist\n" + "a,a\n" * number}, compression=DEFLATED)


def _bomb() -> bytes:
    """Fifty pictures of 3 MB in 150 kB."""
    return packed({f"Ref/{n}.bmp": bytes(3 * MB) for n in range(50)}, compression=DEFLATED)


def _shared() -> bytes:
    """Two thousand names for one picture of a megabyte."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("Ref/a.png", bytes(MB // 8))
        first = archive.infolist()[0]
        for number in range(1999):
            again = zipfile.ZipInfo(f"Dist/{number}.png")
            for key in ("header_offset", "CRC", "compress_size", "file_size"):
                setattr(again, key, getattr(first, key))
            archive.filelist.append(again)
    return file.getvalue()


def _directory(entries: int) -> bytes:
    """A zip that is nothing but a list of files."""
    entry = struct.pack("<4s4B4HL2L5H2L", b"PK\1\2", *([0] * 18))
    count = min(entries, 65535)
    end = struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, count, count, 46 * entries, 0, 0)
    return entry * entries + end


def _long_names() -> bytes:
    return packed({f"Ref/{n:0>65000}": b"" for n in range(200)})


@pytest.mark.parametrize(
    ("make", "line"),
    [
        (lambda: rows_of(3_000_000), "unpacks to more than 200 times"),
        (lambda: rows_of(1001), "more than 1000 pairs"),
        (_bomb, "unpacks to more than 200 times its size"),
        (_shared, "its files have more bytes than it has"),
        (lambda: _directory(1_000_000), "more files than 2000"),
        (_long_names, "names of great length"),
    ],
)  # fmt: skip
def test_what_a_zip_costs_is_bounded(opened: Open, make: Callable[[], bytes], line: str) -> None:
    content = make()
    tracemalloc.start()
    try:
        with pytest.raises(DataError, match=line):
            opened(content)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 30 * MB


def test_a_flat_picture_may_be_packed_well(opened: Open) -> None:
    members: Members = {"Ref/a.bmp": bytes(MB // 2), "Dist/a.bmp": bytes(MB // 2)}
    assert opened(packed(members, compression=DEFLATED)).pairs == [("Ref/a.bmp", "Dist/a.bmp")]
