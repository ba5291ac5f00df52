"""Settings, command line, steps of a run, report and page: joins features and models."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    __version__: str

__all__: list[str] = []


def __getattr__(name: str) -> Any:
    if name == "__version__":
        return import_module("importlib.metadata").version("seiqa")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
