"""Modules of piq without importing its package, which imports torchvision and takes over 1 s."""

from __future__ import annotations

import sys
from importlib import import_module
from importlib.util import find_spec, module_from_spec
from threading import Lock
from types import ModuleType

_importing = Lock()  # the stand-in for the package is visible to the whole process


def piq_part(name: str) -> ModuleType:
    """The module `piq.<name>`. The package itself is not run; a later `import piq` still runs it.

    Raises
    ------
    ModuleNotFoundError
        piq is not installed.
    """
    with _importing:
        spec = find_spec("piq") if "piq" not in sys.modules else None
        if spec is None:  # already imported, or the import below reports that it is missing
            return import_module(f"piq.{name}")
        sys.modules["piq"] = module_from_spec(spec)
        try:
            return import_module(f"piq.{name}")
        finally:
            del sys.modules["piq"]
