"""Any name survives as text."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seiqa_features.errors import printable
from seiqa_features.path_texts import path_text, text_path

POSIX = pytest.mark.skipif(os.name == "nt", reason="names are bytes on POSIX only")


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
