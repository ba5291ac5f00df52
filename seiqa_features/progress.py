"""Progress reporting of long-running functions."""

from __future__ import annotations

from collections.abc import Callable

Progress = Callable[[int, int], None]  # (done, total)


def unwatched(*_: int) -> None:
    """Ignore progress."""
