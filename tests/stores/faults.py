"""What both servers have in common: some of the requests fail, and all of them are noted."""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from seiqa_features.remote.paths import RemotePath

Request = tuple[str, str]
"""Method and path."""


@dataclass(frozen=True)
class Fault:
    """What happens to some of the requests; it can be sent to another process.

    Attributes
    ----------
    what : str or float
        A status such as "503 Slow Down", "reset" of the connection, "death" of the server (only
        one in its own process), or seconds to wait before the right answer.
    methods : tuple of str
        Of requests with one of these; () for all.
    every : int
        To every n-th of them.
    after : int
        The number of them that pass before.
    """

    what: str | float
    methods: tuple[str, ...] = ()
    every: int = 1
    after: int = 0


def every(n: int, what: str | float, *methods: str) -> Fault:
    """The fault for every n-th request with one of these methods, and the others pass."""
    return Fault(what, methods, every=n)


class Ledger:
    """The side of the server: what it was asked, and which of it fails."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._fault: Fault | None = None
        self._counted = 0
        self.requests: list[Request] = []

    def let_fail(self, fault: Fault | None) -> None:
        """From now on; None for nothing."""
        with self._lock:
            self._fault, self._counted = fault, 0

    def note(self, method: str, path: str) -> str | float | None:
        """What happens to a request; None if nothing."""
        with self._lock:
            self.requests.append((method, path))
            fault = self._fault
            if fault is None or (fault.methods and method not in fault.methods):
                return None
            self._counted += 1
            number = self._counted - fault.after
            return fault.what if number > 0 and number % fault.every == 0 else None


class ObjectStore(ABC):
    """The side of a test.

    Attributes
    ----------
    scheme : str
        Of URIs in it.
    url : str
    environment : mapping of str to str
        The variables that lead to it.
    nowhere : mapping of str to str
        The same, where nobody answers.
    """

    scheme: str
    url: str
    environment: Mapping[str, str]
    nowhere: Mapping[str, str]

    @property
    @abstractmethod
    def requests(self) -> list[Request]:
        """Since it started, or since `forget`."""

    @abstractmethod
    def forget(self) -> None:
        """Forget the requests."""

    @abstractmethod
    def let_fail(self, fault: Fault | None) -> None:
        """Let requests fail from now on; None for no more."""

    @abstractmethod
    def make_bucket(self) -> RemotePath:
        """An empty bucket."""

    @abstractmethod
    def stop(self) -> None:
        """End it."""

    @contextmanager
    def failing(self, fault: Fault) -> Iterator[None]:
        """Let requests fail meanwhile."""
        self.let_fail(fault)
        try:
            yield
        finally:
            self.let_fail(None)
