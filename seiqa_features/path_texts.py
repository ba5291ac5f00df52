"""Paths as text that tables, JSON and SQLite can store, whatever bytes a name is made of."""

from __future__ import annotations

import os
import re
from pathlib import Path

from seiqa_features.errors import printable
from seiqa_features.remote.places import named_path

_ESCAPED = re.compile(r"\\(?=x[0-9a-f]{2})")
_BYTE = re.compile(rb"\\x([0-9a-f]{2})")


def path_text(path: Path | str) -> str:
    r"""A path as text that tables, JSON and SQLite can store; `text_path` is the inverse.

    It is the path itself or its URI, except that control characters and bytes that are not UTF-8
    are written as ``\xhh``. So is a backslash that would otherwise look like such an escape.
    """
    return printable(_ESCAPED.sub(r"\\x5c", str(path)))


def text_path(text: str) -> Path:
    """The path that `path_text` wrote as text."""
    octets = text.encode("utf-8", "surrogateescape")
    name = os.fsdecode(_BYTE.sub(lambda found: bytes([int(found[1], 16)]), octets))
    return named_path(name)
