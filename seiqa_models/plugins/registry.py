"""A registry: named factories of this package and of installed packages."""

from __future__ import annotations

import difflib
import fnmatch
import inspect
import logging
from collections.abc import Callable, Collection, Iterator, MutableMapping
from functools import cached_property
from importlib.metadata import EntryPoint, entry_points
from typing import Any, TypeVar

Factory = Callable[..., Any]
"""A function or class that returns an unfitted estimator when called."""

F = TypeVar("F", bound=Factory)

logger = logging.getLogger(__name__)


class Registry(MutableMapping[str, Factory]):
    """Name → factory.

    A factory is added by the decorator `register`, or by an installed package through an entry
    point of the factory's name. The package is imported when its factory is first requested.

    Parameters
    ----------
    what : str
        What the factories create, for messages.
    group : str
        Group of the entry points.
    reserved : collection of str
        Names that no factory may have.
    """

    def __init__(self, what: str, group: str, reserved: Collection[str] = ()) -> None:
        self.what = what
        self.group = group
        self.reserved = frozenset(reserved)
        self._factories: dict[str, Factory] = {}

    def register(self, name: str) -> Callable[[F], F]:
        """Register the decorated factory under a name.

        Raises
        ------
        ValueError
            The name is taken or reserved.
        """

        def add(factory: F) -> F:
            if name in self._factories:
                raise ValueError(f"{self.what} {name!r} is registered twice")
            self[name] = factory
            return factory

        return add

    def find(self, name: str) -> Factory:
        """The factory of that name.

        Raises
        ------
        ValueError
            There is none (the message gives the nearest name and all names), or its package cannot
            be imported.
        """
        try:
            return self[name]
        except KeyError:
            near = difflib.get_close_matches(name, self, n=1)
            hint = f"did you mean {near[0]!r}? " if near else ""
            known = ", ".join(sorted(self))
            raise ValueError(f"unknown {self.what} {name!r}: {hint}known are {known}") from None

    def make(self, name: str, /, **parameters: Any) -> Any:
        """Call the factory of that name.

        Raises
        ------
        ValueError
            See `find`; or the factory has no such parameter.
        """
        factory = self.find(name)
        accepted = inspect.signature(factory).parameters
        if unknown := [key for key in parameters if key not in accepted]:
            has = f"it has {', '.join(accepted)}" if accepted else "it has none"
            raise ValueError(f"{self.what} {name!r} has no parameter {unknown[0]!r}: {has}")
        return factory(**parameters)

    def names(self, pattern: str = "*") -> list[str]:
        """Names that match a pattern with ``*`` and ``?``, sorted."""
        return sorted(fnmatch.filter(self, pattern))

    @cached_property
    def plugins(self) -> dict[str, EntryPoint]:
        """Entry points of installed packages by name, except those whose name is taken."""
        found: dict[str, EntryPoint] = {}
        for point in sorted(entry_points(group=self.group), key=lambda point: point.value):
            if self._is_another(point) or point.name in found:
                logger.warning(
                    "%s %r of %s is left out: there is another of that name",
                    self.what, point.name, point.value,
                )  # fmt: skip
                continue
            if point.name in self.reserved:
                logger.warning("%s is left out: %s", point.value, self._refusal(point.name))
                continue
            found[point.name] = point
        return found

    def _is_another(self, point: EntryPoint) -> bool:
        """Whether the name is taken by a factory other than the entry point's own.

        A package that was imported before may have registered its own.
        """
        taken = self._factories.get(point.name)
        own = (getattr(taken, "__module__", None), getattr(taken, "__qualname__", None))
        return taken is not None and own != (point.module, point.attr)

    def __getitem__(self, name: str) -> Factory:
        if name not in self._factories and name in self.plugins:
            point = self.plugins[name]
            try:
                self._factories[name] = point.load()
            except Exception as error:  # whatever another package raises when imported
                raise ValueError(
                    f"{self.what} {name!r}: {point.value} of an installed package cannot be"
                    f" imported ({type(error).__name__}: {error})"
                ) from error
        return self._factories[name]

    def __setitem__(self, name: str, factory: Factory) -> None:
        if name in self.reserved:
            raise ValueError(self._refusal(name))
        self._factories[name] = factory

    def _refusal(self, name: str) -> str:
        return f"no {self.what} can be called {name!r}, which is a column of the results: rename it"

    def __delitem__(self, name: str) -> None:
        del self._factories[name]

    def __iter__(self) -> Iterator[str]:
        return iter(dict.fromkeys([*self._factories, *self.plugins]))

    def __len__(self) -> int:
        return len(list(iter(self)))
