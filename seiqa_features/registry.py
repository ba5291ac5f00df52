"""Extractor name → extractor. One decorator; one module per family in `extractors/`."""

from __future__ import annotations

import difflib
import importlib
from collections.abc import Callable, Mapping

from seiqa_features.errors import UsageError
from seiqa_features.specs import Extract, Extractor, ExtractorSpec

FAMILIES = ("fidelity", "local", "saliency", "wavelet", "colour", "fourier")

_EXTRACTORS: dict[str, Extractor] = {}


def extractor(spec: ExtractorSpec) -> Callable[[Callable[[], Extract]], Callable[[], Extract]]:
    """Register the decorated factory under `spec.name`.

    Raises:
        ValueError: the name is taken or holds a double underscore.
    """
    if spec.name in _EXTRACTORS or "__" in spec.name:
        raise ValueError(f"extractor name {spec.name!r} is taken or holds a double underscore")

    def register(build: Callable[[], Extract]) -> Callable[[], Extract]:
        _EXTRACTORS[spec.name] = Extractor(spec, build)
        return build

    return register


def all_extractors() -> Mapping[str, Extractor]:
    """Every registered extractor by name; importing the families costs no torch import."""
    for family in FAMILIES:
        importlib.import_module(f"seiqa_features.extractors.{family}")
    return _EXTRACTORS


def get_extractor(name: str) -> Extractor:
    """The extractor of that name.

    Raises:
        UsageError: there is none; the nearest name is suggested.
    """
    known = all_extractors()
    if name not in known:
        near = difflib.get_close_matches(name, known, n=1)
        hint = f"; did you mean {near[0]}?" if near else f"; there are {', '.join(sorted(known))}"
        raise UsageError(f"extractor {name!r} does not exist{hint}")
    return known[name]
