"""Errors are one printable line."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from seiqa_features.errors import LINE_LENGTH, DataError, StoreError


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
