"""Kill a process, or fill its disk, at the n-th thing that it does to files.

Python's audit events tell of every file opened for writing and every folder or name that is made,
changed or removed; what libraries in C write is not seen, but none of them renames anything.

`python -m tests.killing N ROOT VERB …` runs `seiqa VERB …` and kills it for good.
"""

from __future__ import annotations

import errno
import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

ALLOCATING = ("open", "os.mkdir", "os.link")
EVENTS = (*ALLOCATING, "os.rename", "os.remove", "os.rmdir")


class Killed(BaseException):
    """The process is dead; nothing that its clean-up tries reaches the disk any more."""


class Faults:
    """Counts what is done to files below `root`, and does something about the n-th and all after.

    Attributes
    ----------
    count : int
        Changes so far.
    """

    def __init__(self, root: Path, nth: int, strike: Callable[[str, object], None]) -> None:
        self.root, self.nth, self.strike = str(root.resolve()), nth, strike
        self.count = 0

    def __call__(self, event: str, arguments: tuple[object, ...]) -> None:
        path = arguments[0]
        if event == "open":
            flags = arguments[2]
            if not isinstance(flags, int) or not flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT):
                return
        if isinstance(path, int) or not os.path.abspath(os.fsdecode(path)).startswith(self.root):  # type: ignore[arg-type]  # noqa: PTH100
            return
        self.count += 1
        if self.count >= self.nth:
            self.strike(event, path)


_active: Faults | None = None
_installed = False


def _hook(event: str, arguments: tuple[object, ...]) -> None:
    if _active is not None and event in EVENTS:
        _active(event, arguments)


@contextmanager
def faults(struck: Faults) -> Iterator[Faults]:
    """Let faults strike while the code inside runs."""
    global _active, _installed
    if not _installed:  # it can never be removed
        sys.addaudithook(_hook)
        _installed = True
    _active = struck
    try:
        yield struck
    finally:
        _active = None


@contextmanager
def killed_at(nth: int, root: Path) -> Iterator[Faults]:
    """Let the code inside die at its n-th change to files below `root`."""

    def die(event: str, path: object) -> None:
        raise Killed(f"{event} {path}")

    with faults(Faults(root, nth, die)) as struck, suppress(Killed):
        yield struck


@contextmanager
def full_disk_at(nth: int, root: Path) -> Iterator[Faults]:
    """Let everything from the n-th change on fail that needs space below `root`."""

    def refuse(event: str, path: object) -> None:
        if event in ALLOCATING:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), path)

    with faults(Faults(root, nth, refuse)) as struck:
        yield struck


def main(nth: int, root: Path, arguments: list[str]) -> None:
    """Run the command line until its n-th change to files below `root`."""
    from pipelines.cli import main as seiqa

    with faults(Faults(root, nth, lambda *_: os.kill(os.getpid(), signal.SIGKILL))):
        seiqa(arguments)


if __name__ == "__main__":
    main(int(sys.argv[1]), Path(sys.argv[2]), sys.argv[3:])
