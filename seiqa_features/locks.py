"""Locks that a forked process can take, whatever thread held them when it was forked."""

from __future__ import annotations

import os
from threading import Lock
from weakref import WeakSet

_locks: WeakSet[Lock] = WeakSet()


def forkable_lock() -> Lock:
    """A lock that is open in a forked process, where the thread that holds it does not exist."""
    lock = Lock()
    _locks.add(lock)
    return lock


def _open_locks() -> None:
    for lock in _locks:
        if lock.locked():
            lock.release()


if hasattr(os, "register_at_fork"):  # not on Windows
    os.register_at_fork(after_in_child=_open_locks)
