"""The common rule for finding columns in manifests, label sheets and tables."""

from __future__ import annotations

import difflib
import re
import unicodedata
from collections.abc import Iterable

_EDGES = re.compile("^[\\s\ufeff\u200b]+|[\\s\ufeff\u200b]+$")
_NEAR = 0.75  # difflib ratio: "splt" and "Groups" are near, "scene" and "note" are not


def plain_name(text: str) -> str:
    r"""A heading without surrounding blanks and byte order marks, its accents composed (NFC).

    >>> plain_name("\ufeff MOS ")
    'MOS'
    """
    return unicodedata.normalize("NFC", _EDGES.sub("", text))


def column_key(name: str) -> str:
    """The key for finding a column: its plain name, ignoring case.

    >>> column_key(" Split") == column_key("SPLIT")
    True
    """
    return unicodedata.normalize("NFC", plain_name(name).casefold())


def nearest(name: str, known: Iterable[str]) -> str | None:
    """The known name of which `name` may be a misspelling, or None."""
    by_key = {column_key(other): other for other in known}
    near = difflib.get_close_matches(column_key(name), by_key, n=1, cutoff=_NEAR)
    return by_key[near[0]] if near else None


def require_distinct(headings: Iterable[str]) -> None:
    """Refuse headings of which two mean the same column; blank ones are ignored.

    Raises
    ------
    ValueError
        Names the first two such headings.
    """
    seen: dict[str, str] = {}
    for name in filter(None, map(plain_name, headings)):
        key = column_key(name)
        if key in seen:
            alike = "" if seen[key] == name else f" (as {seen[key]!r}: case does not count)"
            raise ValueError(f"column {name!r} appears more than once{alike}; rename one of them")
        seen[key] = name
