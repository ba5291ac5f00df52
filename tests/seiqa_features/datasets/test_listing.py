"""Listing: every picture of a folder by one rule for names, and a word on all that is left out."""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Callable
from pathlib import Path

import pytest

from seiqa_features.datasets import folders, manifest, seiqa
from seiqa_features.datasets.listing import Files, list_pictures, some, stem
from seiqa_features.datasets.pairs import Found, build_pairs
from seiqa_features.pictures.formats import SUFFIXES
from seiqa_features.pictures.index import ImageIndex

NFC, NFD = (unicodedata.normalize(form, "café") for form in ("NFC", "NFD"))
POSIX = pytest.mark.skipif(os.name == "nt", reason="names are bytes on POSIX only")


@pytest.fixture
def found(tmp_path: Path) -> Found:
    return Found(tmp_path)


def fill(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()


def names(paths: list[Path], folder: Path) -> list[str]:
    return [path.relative_to(folder).as_posix() for path in paths]


def test_every_suffix_of_a_picture_counts_whatever_its_case(tmp_path: Path, found: Found) -> None:
    wanted = [*sorted(f"a{suffix}" for suffix in SUFFIXES), "b.JPG"]
    fill(tmp_path, *wanted)
    assert names(list_pictures(tmp_path, found), tmp_path) == wanted
    assert found.left_out == []
    assert {".jp2", ".avif", ".ppm", ".jfif", ".heic", ".jxl", ".webp", ".tga"} <= SUFFIXES
    assert not {".eps", ".ps", ".wmf", ".emf", ".ico", ".psd"} & SUFFIXES


def test_subfolders_are_walked_and_what_is_left_out_is_said(tmp_path: Path, found: Found) -> None:
    fill(
        tmp_path, "a.png", "sub/b.png", "sub/deep/c.png", "notes.txt", "sub/d.pdf", "e", "f.eps",
        "g.gz", "._a.png", ".git/h.png", ".DS_Store", "Thumbs.db", "__MACOSX/a.png",
    )  # fmt: skip
    (tmp_path / "link").symlink_to(tmp_path / "sub")
    pictures = list_pictures(tmp_path, found)
    assert names(pictures, tmp_path) == ["a.png", "sub/b.png", "sub/deep/c.png"]
    assert sorted(found.left_out) == [
        f"{tmp_path}: ._a.png, .git: hidden",
        f"{tmp_path}: e, f.eps, g.gz, … (5): no picture by its suffix",
        f"{tmp_path}: link: a link to a folder, not followed",
    ]
    assert found.problems == []


def test_subfolders_that_are_not_read_are_named(tmp_path: Path, found: Found) -> None:
    fill(tmp_path, "a.png", "sub/b.png")
    assert names(list_pictures(tmp_path, found, subfolders=False), tmp_path) == ["a.png"]
    assert found.left_out == [f"{tmp_path}: sub: a subfolder, not read"]


def test_a_missing_folder_is_a_problem(tmp_path: Path, found: Found) -> None:
    assert list_pictures(tmp_path / "gone", found) == []
    assert found.problems == [f"{tmp_path / 'gone'}: folder is missing"]


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="root may read every folder")
def test_a_folder_that_cannot_be_read_is_a_problem(tmp_path: Path, found: Found) -> None:
    fill(tmp_path, "a.png", "sub/b.png")
    (tmp_path / "sub").chmod(0)
    list_pictures(tmp_path, found)
    (tmp_path / "sub").chmod(0o700)
    assert found.problems == [f"{tmp_path / 'sub'}: folder cannot be read (Permission denied)"]


def test_a_few_names_of_many() -> None:
    assert some(["a", "b", "c"]) == "a, b, c"
    assert some(["a", "b", "c", "d"]) == "a, b, c, … (4)"
    assert stem("1600.AWGN.1") == "1600.AWGN.1"
    assert stem("a.b.JPG") == "a.b"


# --- folders ---------------------------------------------------------------------------------


def paired(tmp_path: Path) -> tuple[list[tuple[str, str, str]], Found]:
    found = folders.read(ref=tmp_path / "r", dist=tmp_path / "d")
    return [
        (
            pair.pair_id,
            pair.ref.relative_to(tmp_path / "r").as_posix(),
            pair.dist.relative_to(tmp_path / "d").as_posix(),
        )
        for pair in found.pairs
    ], found


def test_folders_pair_every_format_and_subfolder(tmp_path: Path) -> None:
    wanted = ["a.png", "b.jp2", "c.avif", "e.ppm", "f.jfif", "sub/g.png"]
    for side in "rd":
        fill(tmp_path / side, *wanted)
    pairs, found = paired(tmp_path)
    assert pairs == [(name, name, name) for name in wanted]
    assert found.problems == []


def test_folders_pair_by_suffix_last_within_a_subfolder(tmp_path: Path) -> None:
    fill(tmp_path / "r", "sub/g.png", "g.png", "other/h.png")
    fill(tmp_path / "d", "sub/g.jpg", "g.jpg", "h.jpg")
    pairs, found = paired(tmp_path)
    assert pairs == [("g.jpg", "g.png", "g.jpg"), ("sub/g.jpg", "sub/g.png", "sub/g.jpg")]
    assert found.problems == [
        f"{tmp_path}/d/h.jpg: no partner named h in {tmp_path}/r",
        f"{tmp_path}/r/other/h.png: no partner named other/h in {tmp_path}/d",
    ]


def test_one_folder_below_the_other(tmp_path: Path) -> None:
    fill(tmp_path / "r", "a.png", "degraded/a.png")
    found = folders.read(ref=tmp_path / "r", dist=tmp_path / "r" / "degraded")
    assert [pair.pair_id for pair in found.pairs] == ["a.png"]
    assert found.problems == []


@POSIX
def test_names_in_either_unicode_form_meet(tmp_path: Path) -> None:
    fill(tmp_path / "r", f"{NFC}.png", f"{NFD}2/{NFC}.png")
    fill(tmp_path / "d", f"{NFD}.png", f"{NFC}2/{NFD}.jpg")
    pairs, found = paired(tmp_path)
    assert [pair_id for pair_id, _, _ in pairs] == [f"{NFD}.png", f"{NFC}2/{NFD}.jpg"]
    assert found.problems == []


@POSIX
def test_twins_that_look_the_same_are_refused_by_name(tmp_path: Path) -> None:
    fill(tmp_path / "r", f"{NFC}.png", f"{NFD}.png", "a.png")
    fill(tmp_path / "d", f"{NFC}.png", "a.png")
    pairs, found = paired(tmp_path)
    assert [pair_id for pair_id, _, _ in pairs] == ["a.png"]
    (line,) = found.problems
    assert line == (
        f"{tmp_path}/r: 'cafe\\u0301.png', 'caf\\xe9.png' share one name; keep one of them"
    )


@POSIX
def test_names_that_are_no_utf8_are_scored(
    tmp_path: Path, save_picture: Callable[..., Path], index: ImageIndex
) -> None:
    odd = os.fsdecode(b"caf\xe9.png")
    for side, seed in (("r", 0), ("d", 1)):
        save_picture(tmp_path / side / "a.png", seed=seed).rename(tmp_path / side / odd)
    _, found = paired(tmp_path)
    table, problems = build_pairs(found, index)
    assert problems == []
    assert table["pair_id"].tolist() == ["caf\\xe9.png"]
    table.to_parquet(tmp_path / "pairs.parquet")


# --- tables ----------------------------------------------------------------------------------


@POSIX
def test_a_manifest_meets_names_in_the_other_form(tmp_path: Path) -> None:
    fill(tmp_path, f"{NFD}/{NFC}.png", "plain.png")
    (tmp_path / "m.csv").write_text(f"ref,dist\nplain.png,{NFC}/{NFD}.png\n", "utf-8")
    (pair,) = manifest.read(tmp_path / "m.csv").pairs
    assert pair.dist == tmp_path / NFD / f"{NFC}.png"
    assert pair.ref == tmp_path / "plain.png"


def test_a_manifest_with_the_backslashes_of_windows(tmp_path: Path) -> None:
    fill(tmp_path, "sub/a.png")
    assert Files(tmp_path).find("sub\\a.png").exists()
    assert Files(tmp_path).find("sub\\gone.png") == tmp_path / "sub" / "gone.png"


@POSIX
def test_a_name_as_it_is_written_comes_first(tmp_path: Path) -> None:
    fill(tmp_path, f"{NFC}.png", f"{NFD}.png", "a\\b.png", "a/b.png")
    files = Files(tmp_path)
    for name in (f"{NFC}.png", f"{NFD}.png", "a\\b.png", "a/b.png"):
        assert files.find(name) == tmp_path / name


@pytest.mark.parametrize("name", ["a\0b.png", "x" * 300, "y/" * 3000, "\ud800.png", ""])
def test_names_that_no_file_can_have_are_left_to_the_decoder(name: str, tmp_path: Path) -> None:
    assert Files(tmp_path).find(name) == tmp_path / name


def test_a_sheet_meets_names_in_the_other_form_and_numbers_of_any_length(tmp_path: Path) -> None:
    for side in ("Ref", "Dist"):
        fill(tmp_path / "Train" / side, f"{NFD}.png", "000017.png", "18.png")
    digits = "9" * 5000  # more than Python turns into a number
    rows = [(NFC, 1), ("17.0", 2), ("0018.jpg", 3), (digits, 4)]
    text = "name,score\n" + "".join(f"{name},{score}\n" for name, score in rows)
    (tmp_path / "Train" / "Train_scores.csv").write_text(text, "utf-8")
    found = seiqa.read(tmp_path)
    labels = {pair.dist.name: pair.mos for pair in found.pairs}
    assert labels == {f"{NFD}.png": 1, "000017.png": 2, "18.png": 3}
    (line,) = found.problems
    assert "row 5 (999" in line
    assert "no such pair" in line
