"""Signals that stop a run: finished results are written before the process ends."""

from __future__ import annotations

import logging
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

logger = logging.getLogger(__name__)


class Stopped(SystemExit):
    """A signal stopped the process; the exit code is 128 + the signal number, as in a shell."""


@contextmanager
def stopping() -> Iterator[None]:
    """Make SIGTERM and SIGHUP raise `Stopped`, as Ctrl+C raises KeyboardInterrupt.

    Existing handlers of the program are kept, and `nohup` works. Outside the main thread, where
    Python cannot set signal handlers, nothing changes.
    """
    names = ("SIGTERM", "SIGHUP")  # Windows lacks the second
    here = [getattr(signal, name) for name in names if hasattr(signal, name)]
    if threading.current_thread() is not threading.main_thread():
        here = []
    mine = [number for number in here if signal.getsignal(number) is signal.SIG_DFL]
    try:
        for number in mine:
            signal.signal(number, _stop)
        yield
    except Stopped:
        logger.warning("stopping; what was computed is kept")
        raise
    finally:
        for number in mine:
            signal.signal(number, signal.SIG_DFL)


def _stop(number: int, _frame: FrameType | None) -> None:
    raise Stopped(128 + number)
