"""Two folders: a pair is one file name in both."""

from __future__ import annotations

from pathlib import Path

import pytest

from seiqa_features.datasets import folders
from seiqa_features.datasets.pairs import Found


@pytest.fixture
def read(tmp_path: Path):  # type: ignore[no-untyped-def]
    """`read(refs, dists)` makes empty files of these names and pairs them."""

    def read(refs: list[str], dists: list[str]) -> Found:
        for folder, names in (("ref", refs), ("dist", dists)):
            (tmp_path / folder).mkdir()
            for name in names:
                (tmp_path / folder / name).write_bytes(b"")
        return folders.read(ref=tmp_path / "ref", dist=tmp_path / "dist")

    return read


def names(found: Found) -> list[tuple[str, str]]:
    assert [pair.pair_id for pair in found.pairs] == [pair.dist.name for pair in found.pairs]
    return [(pair.ref.name, pair.dist.name) for pair in found.pairs]


def test_the_same_name_is_a_pair_and_the_extension_does_not_count(read) -> None:  # type: ignore[no-untyped-def]
    found = read(["b.png", "a.png", "ü 1.bmp", "notes.txt", ".hidden.png"],
                 ["a.jpg", "b.png", "ü 1.PNG", "scores.csv"])  # fmt: skip
    assert not found.problems
    assert names(found) == [("a.png", "a.jpg"), ("b.png", "b.png"), ("ü 1.bmp", "ü 1.PNG")]
    assert {pair.split for pair in found.pairs} == {"test"}


def test_the_very_name_wins(read) -> None:  # type: ignore[no-untyped-def]
    found = read(["a.png", "a.jpg"], ["a.jpg", "a.png"])
    assert not found.problems
    assert names(found) == [("a.jpg", "a.jpg"), ("a.png", "a.png")]


def test_a_choice_is_not_made(read, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    found = read(["a.png", "b.png"], ["a.jpg", "a.webp", "b.png"])
    assert names(found) == [("b.png", "b.png")]
    (problem,) = found.problems
    for name in ("ref/a.png", "dist/a.jpg", "dist/a.webp"):
        assert str(tmp_path / name) in problem
    assert "which are a pair?" in problem


def test_who_has_no_partner_is_named(read, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    found = read(["a.png", "b.png"], ["b.png", "c.png", "c.jpg"])
    assert names(found) == [("b.png", "b.png")]
    assert found.problems == [
        f"{tmp_path}/ref/a.png: no partner named a in {tmp_path}/dist",
        f"{tmp_path}/dist/c.jpg, {tmp_path}/dist/c.png: no partner named c in {tmp_path}/ref",
    ]
