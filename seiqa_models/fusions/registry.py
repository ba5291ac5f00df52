"""The fusions by name.

To add one, write a class that implements `seiqa_models.fusions.protocol.Fusion` and decorate it
with ``@fusion("name")``; a configuration can set its parameters. A package of your own lists its
class in the entry point group ``seiqa.fusions``. The contract tests cover all entries.
"""

from __future__ import annotations

from typing import Any

from sklearn.base import clone

from seiqa_models.fusions.protocol import Fusion
from seiqa_models.plugins.registry import Registry

FUSIONS = Registry("fusion", group="seiqa.fusions")
"""Every fusion by name."""

DEFAULT_FUSION = "bagged"

fusion = FUSIONS.register


def make_fusion(name: str = DEFAULT_FUSION, /, **parameters: Any) -> Any:
    """A fresh, unfitted fusion.

    Raises
    ------
    ValueError
        No fusion has this name, or it has no such parameter; the message lists the valid ones.

    Examples
    --------
    >>> make_fusion("bounded", max_weight=0.5)
    BoundedFusion(max_weight=0.5)
    """
    return FUSIONS.make(name, **parameters)


def fresh_fusion(fusion: str | Fusion) -> Any:
    """An unfitted fusion: the one of that name, or a clone of the given one.

    Raises
    ------
    ValueError
        It is neither a name nor a fusion.
    """
    if isinstance(fusion, str):
        return make_fusion(fusion)
    if isinstance(fusion, type) or not isinstance(fusion, Fusion):
        raise ValueError(f"fusion is {fusion!r}, expected a name or an unfitted fusion")
    return clone(fusion)


def list_fusions(pattern: str = "*") -> list[str]:
    """Names of the fusions that match a pattern.

    >>> list_fusions("b*")
    ['bagged', 'best_single', 'bounded']
    """
    return FUSIONS.names(pattern)


def named(fusion: Any) -> str:
    """How errors name a fusion.

    >>> named(make_fusion("mean"))
    'fusion MeanFusion'
    """
    return f"fusion {type(fusion).__name__}"
