"""Modules of piq without its package, whose own imports fetch torchvision: over a second."""

from __future__ import annotations

import sys
from importlib import import_module
from importlib.util import find_spec, module_from_spec
from threading import Lock
from types import ModuleType

_importing = Lock()  # the stand-in for the package is there for the whole process


def piq_part(name: str) -> ModuleType:
    """The module `piq.<name>`. The package itself is not run; a later `import piq` does that.

    Raises
    ------
    ModuleNotFoundError
        Piq is not installed.
    """
    with _importing:
        spec = find_spec("piq") if "piq" not in sys.modules else None
        if spec is None:  # it has been imported anyway, or the import below says that it is missing
            return import_module(f"piq.{name}")
        sys.modules["piq"] = module_from_spec(spec)
        try:
            return import_module(f"piq.{name}")
        finally:
            del sys.modules["piq"]
