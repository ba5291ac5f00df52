"""Errors that a user can fix: one clear line per problem, and an exit code.

Lines may contain untrusted text: a file name, a cell, a library's message about them. It is made
printable here, so that no name can break a line or send control sequences to the terminal.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

LINE_LENGTH = 2000
"""Maximum characters per line; longer lines are cut in the middle."""

# C0 and C1 controls, bidirectional controls, line separators, lone surrogates
_UNPRINTABLE = re.compile(
    "[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]"
)


def printable(text: str) -> str:
    r"""The text on one line; what a terminal, table or UTF-8 cannot hold is written as ``\xhh``.

    The invalid bytes of a file name that is not UTF-8 arrive as lone surrogates; they are shown as
    the original bytes: ``caf\xe9.png``.
    """
    return _UNPRINTABLE.sub(_as_bytes, text)


def _as_bytes(match: re.Match[str]) -> str:
    byte = "\udc80" <= match[0] <= "\udcff"
    octets = match[0].encode("utf-8", "surrogateescape" if byte else "surrogatepass")
    return "".join(f"\\x{octet:02x}" for octet in octets)


def one_line(text: str) -> str:
    """The text as a problem line: printable and no longer than `LINE_LENGTH`."""
    line = printable(text.rstrip())
    if len(line) <= LINE_LENGTH:
        return line
    half = LINE_LENGTH // 2
    return f"{line[:half]} … {line[-half:]}"


class SeiqaError(Exception):
    """Something the user can fix, one line per problem.

    Attributes
    ----------
    exit_code : int
        Exit code of the command line.
    problems : list[str]
        The lines; the message joins them.
    """

    exit_code = 1

    def __init__(self, *problems: str) -> None:
        self.problems = [one_line(problem) for problem in problems]
        super().__init__("\n".join(self.problems))

    def __reduce__(self) -> tuple[Any, ...]:
        """Rebuild from its lines when raised in another process."""
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
    """The feature store cannot be read or written, or an object store with data cannot be read.

    What is in it is kept.
    """


class OutputError(SeiqaError):
    """A requested output file cannot be written."""


class WeightsError(SeiqaError):
    """Pretrained weights are missing, damaged or changed."""

    exit_code = 4


class ExtractorError(SeiqaError):
    """An extractor, perhaps from another package, does not return what its spec says."""


class DeviceError(SeiqaError):
    """The requested device is missing or has too little memory."""

    exit_code = 2


class ClusterError(SeiqaError):
    """A Ray cluster cannot be reached or used."""

    exit_code = 2
