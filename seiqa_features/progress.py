"""How long-running functions tell how far they are."""

from __future__ import annotations

from collections.abc import Callable

Progress = Callable[[int, int], None]  # (done, total)


def unwatched(*_: int) -> None:
    """Progress that nobody watches."""
