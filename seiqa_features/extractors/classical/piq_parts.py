"""Modules of piq without importing its package, which imports torchvision and takes over 1 s.

And its metrics without their checks, each of which waits for a GPU to report its largest value.
"""

from __future__ import annotations

import sys
from importlib import import_module
from importlib.util import find_spec, module_from_spec
from types import FunctionType, ModuleType
from typing import Any

from seiqa_features.locks import forkable_lock

_importing = forkable_lock()  # the stand-in for the package is visible to the whole process


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


def piq_metric(module: str, name: str) -> Any:
    """The function `piq.<module>.<name>`, which does not check that values are in range.

    Only this copy does not: piq's own function is unchanged. Views are always in 0..1.

    Raises
    ------
    ModuleNotFoundError
        piq is not installed.
    """
    checked = getattr(piq_part(module), name)
    names = {**checked.__globals__, "_validate_input": _accept}
    metric = FunctionType(checked.__code__, names, name, checked.__defaults__, checked.__closure__)
    metric.__kwdefaults__ = checked.__kwdefaults__
    return metric


def _accept(*_: object, **__: object) -> None:
    """Stand-in for piq's check of its arguments."""
