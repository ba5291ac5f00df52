"""Errors that a user can fix: one clear line per problem, and an exit code.

What is in a line may come from a stranger: a file's name, a cell, a library's message about them.
It is made printable here, so that no name can break a line or talk to the terminal.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

LINE_LENGTH = 2000
"""Characters of a problem's line; of a longer one the middle is left out."""

# C0 and C1 controls, what turns the direction of writing, line separators, halves of characters
_UNPRINTABLE = re.compile(
    "[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]"
)


def printable(text: str) -> str:
    r"""The text on one line, with what a terminal, a table or UTF-8 cannot hold as ``\xhh``.

    A name that is no UTF-8 comes from the file system with its odd bytes as lone surrogates; they
    are shown as the bytes they were: ``caf\xe9.png``.
    """
    return _UNPRINTABLE.sub(_as_bytes, text)


def _as_bytes(match: re.Match[str]) -> str:
    byte = "\udc80" <= match[0] <= "\udcff"
    octets = match[0].encode("utf-8", "surrogateescape" if byte else "surrogatepass")
    return "".join(f"\\x{octet:02x}" for octet in octets)


def one_line(text: str) -> str:
    """A problem's line: printable, and no longer than `LINE_LENGTH`."""
    line = printable(text.rstrip())
    if len(line) <= LINE_LENGTH:
        return line
    half = LINE_LENGTH // 2
    return f"{line[:half]} … {line[-half:]}"


class SeiqaError(Exception):
    """Something the user can fix, one line a problem.

    Attributes
    ----------
    exit_code : int
        What the command line returns.
    problems : list[str]
        The lines; the message is all of them.
    """

    exit_code = 1

    def __init__(self, *problems: str) -> None:
        self.problems = [one_line(problem) for problem in problems]
        super().__init__("\n".join(self.problems))

    def __reduce__(self) -> tuple[Any, ...]:
        """Made anew from its lines, where another process raised it."""
        return type(self), tuple(self.problems)


class UsageError(SeiqaError):
    """A name, option or setting that does not exist or cannot be used."""

    exit_code = 2


class DataError(SeiqaError):
    """Everything wrong with the data, one line per problem, reported together."""

    exit_code = 3

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__(*problems)

    def __reduce__(self) -> tuple[Any, ...]:
        """As `SeiqaError`."""
        return type(self), (self.problems,)


class StoreError(SeiqaError):
    """The feature store cannot be read or written; what it already holds is kept."""


class OutputError(SeiqaError):
    """A file that was asked for cannot be written."""


class WeightsError(SeiqaError):
    """Pretrained weights are absent, damaged or not what they were."""

    exit_code = 4


class DeviceError(SeiqaError):
    """The device asked for is absent or too small."""

    exit_code = 2
